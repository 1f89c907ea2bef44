package resource

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// sockLinks are a process's sockets as /proc names them, with their numbers.
func sockLinks(pid int) map[string]int {
	out := map[string]int{}
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	es, _ := os.ReadDir(dir)
	for _, e := range es {
		link, err := os.Readlink(filepath.Join(dir, e.Name()))
		if fd, bad := strconv.Atoi(e.Name()); err == nil && bad == nil {
			out[link] = fd
		}
	}
	return out
}

// listen sets the length of the listener's queue. Its socket is ours for that moment
// only: one that we kept would outlive the subject.
func (l *listener) listen(length int) error {
	pid, err := unix.PidfdOpen(l.pid, 0)
	if err != nil {
		return notThere(err)
	}
	defer unix.Close(pid)
	fd, err := unix.PidfdGetfd(pid, l.fd, 0)
	if err != nil {
		return notThere(err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Ino != l.inode {
		return errNotThere // another file has its number now
	}
	return unix.Listen(fd, length)
}

func notThere(err error) error {
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EBADF) {
		return errNotThere
	}
	return fmt.Errorf("the subject's listener: %w", err)
}

// canGetFD is an error where another process's files can't be borrowed.
func canGetFD() error {
	_, err := unix.PidfdGetfd(-1, 0, 0)
	if errors.Is(err, unix.ENOSYS) {
		return errors.New("needs Linux 5.6 (pidfd_getfd)")
	}
	return nil
}
