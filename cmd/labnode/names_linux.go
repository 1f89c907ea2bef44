package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// names becomes another program, in a mount namespace in which a file is
// /etc/resolv.conf (unshare(2), mount(2): root). The namespace ends with the
// program, and the machine's own file is as it was.
func names(args []string) error {
	if len(args) < 2 {
		return errors.New("names: want a file and a command")
	}
	file, argv := args[0], args[1:]
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return fmt.Errorf("names: %w", err)
	}
	runtime.LockOSThread() // a namespace is the thread's, and the thread that executes stays
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("names: mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("names: keep mounts private: %w", err)
	}
	if err := unix.Mount(file, "/etc/resolv.conf", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("names: mount %s: %w", file, err)
	}
	return fmt.Errorf("names: %s: %w", path, unix.Exec(path, argv, os.Environ()))
}
