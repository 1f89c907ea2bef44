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
	path := "/proc/thread-self/ns/net"
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

// within runs f on a thread in a namespace: sockets that it opens stay there.
func within(ns *os.File, f func() error) error {
	return apart(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the network namespace: %w", err)
		}
		return f()
	})
}

// elsewhere runs f with a network namespace that is new, empty and gone afterwards:
// what a probe tries there touches nothing.
func elsewhere(f func(ns *os.File) error) error {
	return apart(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("a network namespace needs root: %w", err)
		}
		ns, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return err
		}
		defer ns.Close()
		return f(ns)
	})
}

// apart runs f on a thread that ends with it, and with it what f made of the
// thread's namespaces. It is never the process's first, which can't end: Go would
// keep it for good, and /proc/self be the namespace that f has left it in.
func apart(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocks it
		if unix.Gettid() != unix.Getpid() {
			done <- f()
			return
		}
		defer runtime.UnlockOSThread()
		done <- apart(f)
	}()
	return <-done
}
