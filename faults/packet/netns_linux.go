package packet

import (
	"errors"
	"fmt"
	"os"

	"faultbed/faults/apart"
	"faultbed/faults/room"
	"golang.org/x/sys/unix"
)

// namespace opens the network namespace in which a target's packets are met.
func namespace(t room.Target) (*os.File, error) {
	if !inside(t) {
		return os.Open("/proc/thread-self/ns/net")
	}
	if t.PID <= 0 {
		return nil, errors.New("the subject's process can't be seen from here")
	}
	ns, err := apart.Namespace(t.PID, "net", true)
	if err != nil {
		return nil, fmt.Errorf("network namespace of the subject: %w", err)
	}
	return ns, nil
}

// within runs f on a thread in a namespace: sockets that it opens stay there.
func within(ns *os.File, f func() error) error {
	return apart.Run(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the network namespace: %w", err)
		}
		return f()
	})
}

// elsewhere runs f with a network namespace that is new, empty and gone afterwards:
// what a probe tries there touches nothing.
func elsewhere(f func(ns *os.File) error) error {
	return apart.Run(func() error {
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
