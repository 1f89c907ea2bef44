package packet

import (
	"fmt"
	"os"
	"runtime"

	"faultbed/faults/room"
	"golang.org/x/sys/unix"
)

// namespace opens the network namespace in which a target's packets are met.
func namespace(t room.Target) (*os.File, error) {
	path := "/proc/self/ns/net"
	if inside(t) {
		if t.PID <= 0 {
			return nil, fmt.Errorf("the subject's process can't be seen from here")
		}
		path = fmt.Sprintf("/proc/%d/ns/net", t.PID)
	}
	ns, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("network namespace of the subject: %w", err)
	}
	return ns, nil
}

// within runs f on a thread in a namespace: sockets that it opens stay there. The
// thread is given up if it can't come back.
func within(ns *os.File, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		own, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- err
			return
		}
		defer own.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter the network namespace: %w", err)
			return
		}
		err = f()
		if unix.Setns(int(own.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// elsewhere runs f with a network namespace that is new, empty and gone afterwards:
// what a probe tries there touches nothing.
func elsewhere(f func(ns *os.File) error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread and its namespace end with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("a network namespace needs root: %w", err)
			return
		}
		ns, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- err
			return
		}
		defer ns.Close()
		done <- f(ns)
	}()
	return <-done
}
