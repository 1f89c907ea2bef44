//go:build !linux

package process

import (
	"errors"
	"syscall"
)

func attributes(pid1 bool) (*syscall.SysProcAttr, error) {
	if pid1 {
		return nil, errors.New("variant pid1 needs Linux in the process runtime")
	}
	return &syscall.SysProcAttr{Setsid: true}, nil
}
