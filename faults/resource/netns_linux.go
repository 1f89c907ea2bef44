package resource

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// netnsOf is the network namespace of a process. It lives on while the file is open.
func netnsOf(pid int) (*os.File, error) { return os.Open(fmt.Sprintf("/proc/%d/ns/net", pid)) }

// within runs f on a thread that has entered a network namespace. The thread ends
// with f, so that nothing else ever runs there.
func within(ns *os.File, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter the subject's network namespace: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}
