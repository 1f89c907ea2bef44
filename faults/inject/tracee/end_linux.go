package tracee

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// End is how a process is watched, without tracing it, by a descriptor that can't come
// to mean another one.
type End struct{ fd int }

// WatchEnd begins to watch. The error wraps [ErrEnded] if there is no such process.
func WatchEnd(pid int) (*End, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		err = ErrEnded
	}
	if err != nil {
		return nil, fmt.Errorf("watch %d: %w", pid, err)
	}
	return &End{fd}, nil
}

// Within tells whether the process has ended by then.
func (e *End) Within(d time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(e.fd), Events: unix.POLLIN}}
	for until := time.Now().Add(d); ; {
		n, err := unix.Poll(fds, int(max(time.Until(until), 0).Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return err == nil && n > 0
		}
	}
}

// Close ends the watch.
func (e *End) Close() { unix.Close(e.fd) }
