//go:build !linux

package wire

import (
	"errors"
	"net"
	"os"
)

var errLinux = errors.New("only Linux lets a socket stop listening and keep its port (origin.down works here)")

func deafen(*net.TCPListener) error                              { return errLinux }
func listenAgain(*net.TCPListener) error                         { return errLinux }
func synSocket(int) (*os.File, error)                            { return nil, errLinux }
func synRead(*os.File, *net.TCPListener, func(peer string)) bool { return false }
