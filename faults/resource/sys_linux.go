package resource

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// writable is an error where a folder can't be written, read-only mounts included.
func writable(dir string) error { return unix.Access(dir, unix.W_OK) }

// gone tells whether an error is that a process, or the cgroup that it was in, is
// no more.
func gone(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV) || errors.Is(err, fs.ErrNotExist)
}

// busy tells whether a limit was refused because the use is above it.
func busy(err error) bool { return errors.Is(err, unix.EBUSY) }
