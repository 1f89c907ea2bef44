package tracee

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Turn is a process held for a moment, in turn with others who do so: it can have one
// tracer only, and faults overlap.
type Turn struct {
	*Tracee
	lock *os.File
}

// TakeTurn is [Attach] once nobody else traces the process. The others' lock is a
// flock(2) on the process's folder in proc(5), which ends with whoever has it; who
// traces without it, for longer, is waited for too, until ctx ends.
func TakeTurn(ctx context.Context, pid int) (*Turn, error) {
	lock, err := os.Open(fmt.Sprintf("/proc/%d", pid))
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("attach to %d: %w", pid, ErrEnded)
	}
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			var t *Tracee
			if t, err = Attach(pid); err == nil {
				return &Turn{t, lock}, nil
			}
			if !traced(pid) {
				lock.Close()
				return nil, err
			}
			unix.Flock(int(lock.Fd()), unix.LOCK_UN)
		}
		select {
		case <-ctx.Done():
			lock.Close()
			return nil, fmt.Errorf("attach to %d: somebody else traces it: %w, %w", pid, err, ctx.Err())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// Detach is [Tracee.Detach], and gives the turn up.
func (t *Turn) Detach() error { return errors.Join(t.Tracee.Detach(), t.lock.Close()) }

// traced tells whether anybody traces a thread of the process.
func traced(pid int) bool {
	tids, _ := Threads(pid)
	for _, tid := range tids {
		if tracer(pid, tid) > 0 {
			return true
		}
	}
	return false
}
