package apart

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Run runs f on a thread that ends with it, and with it what f made of the thread:
// its namespaces, ids, root. It is never the process's first, which can't end: Go
// would keep it for good, and /proc/self be what f has left it in.
func Run(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocks it
		if unix.Gettid() != unix.Getpid() {
			done <- f()
			return
		}
		defer runtime.UnlockOSThread()
		done <- Run(f)
	}()
	return <-done
}

// Namespace opens a process's namespace, of a kind as in /proc/PID/ns: "net", "mnt".
// Of a process in a container it is an error if that is our own: then the subject
// has ended, and its number is another process's by now.
func Namespace(pid int, kind string, container bool) (*os.File, error) {
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	if err != nil {
		return nil, err
	}
	if !container {
		return ns, nil
	}
	if err := foreign(ns, kind); err != nil {
		ns.Close()
		return nil, err
	}
	return ns, nil
}

// foreign is an error if a namespace is our own (namespaces(7): the same device and
// inode are the same namespace).
func foreign(ns *os.File, kind string) error {
	theirs, err := ns.Stat()
	if err != nil {
		return err
	}
	ours, err := os.Stat("/proc/thread-self/ns/" + kind)
	if err != nil {
		return err
	}
	if os.SameFile(theirs, ours) {
		return fmt.Errorf("the %s namespace of the subject's process is our own, not a container's: it has ended", kind)
	}
	return nil
}
