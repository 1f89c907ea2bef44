//go:build !linux

package pidfd

import (
	"context"
	"syscall"

	"faultbed/proxy"
)

// FD refers to one process; there is none on this system.
type FD struct{}

// Open returns ErrUnsupported.
func Open(int) (*FD, error) { return nil, ErrUnsupported }

// Signal returns ErrUnsupported.
func (*FD) Signal(syscall.Signal) (proxy.Sent, error) { return proxy.Sent{}, ErrUnsupported }

// Wait returns ErrUnsupported.
func (*FD) Wait(context.Context) (int64, error) { return 0, ErrUnsupported }

// Close does nothing.
func (*FD) Close() error { return nil }

// Children is unknown here.
func Children(int) []int { return nil }

// Descendants is unknown here.
func Descendants(int) []int { return nil }

// Session is unknown here.
func Session(int) []int { return nil }

// Comm is unknown here.
func Comm(int) string { return "" }
