package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"faultbed/faults/room"
	"faultbed/proxy/pidfd"
)

// pause stops and continues. A stopped process keeps its sockets: the kernel goes
// on accepting connections up to the backlog, and nobody answers.
var pause = room.Kind{
	Name: "pause", Sentence: "stops the subject and its children (SIGSTOP) and lets them continue (SIGCONT)",
	Touches: "processes", Bites: "one process that was stopped", Lifts: true, Alone: true,
	Probe: func() error {
		if runtime.GOOS != "linux" {
			return errors.New("needs Linux") // to see that they are stopped
		}
		return nil
	},
	Inject: func(_ context.Context, t room.Target, _ json.RawMessage) (room.Active, error) {
		if t.PID <= 0 {
			return nil, errors.New("the subject's process can't be seen from here")
		}
		sent, err := stopAll(t.PID)
		lift := room.LiftFunc(func(context.Context) error {
			for _, pid := range sent {
				if err := syscall.Kill(pid, syscall.SIGCONT); err != nil && !errors.Is(err, syscall.ESRCH) {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, errors.Join(err, lift(context.Background()))
		}
		if seen := slices.DeleteFunc(slices.Clone(sent), func(pid int) bool { return !stopped(pid) }); len(seen) > 0 {
			t.Bit(int64(len(seen)), "processes", fmt.Sprint("stopped ", seen))
		}
		return lift, nil
	},
}

// stopAll stops a process, then what is below it, until nothing is new: only what is
// stopped starts no other. It returns those that were sent SIGSTOP.
func stopAll(pid int) (sent []int, err error) {
	known := map[int]bool{}
	found := []int{pid}
	for range 20 {
		for _, p := range found {
			known[p] = true
			if err := syscall.Kill(p, syscall.SIGSTOP); errors.Is(err, syscall.ESRCH) {
				continue
			} else if err != nil {
				return sent, fmt.Errorf("stop %d: %w", p, err)
			}
			sent = append(sent, p)
		}
		settle(sent)
		found = slices.DeleteFunc(pidfd.Descendants(pid), func(p int) bool { return known[p] })
		if len(found) == 0 {
			return sent, nil
		}
	}
	return sent, errors.New("the subject starts processes faster than they can be stopped")
}

// settle waits up to 1 s until all are stopped or gone: the signal takes effect
// later than kill(2) returns, and not while one sleeps uninterruptibly.
func settle(pids []int) {
	limit := time.Now().Add(time.Second)
	for slices.ContainsFunc(pids, func(pid int) bool { return !stopped(pid) && pidfd.Comm(pid) != "" }) && time.Now().Before(limit) {
		time.Sleep(time.Millisecond)
	}
}

// stopped tells whether the kernel says so: state T, or t of one that is traced
// (proc_pid_stat(5)). The name before it may have any byte in it.
func stopped(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, ok := strings.Cut(string(b[bytes.LastIndexByte(b, ')')+1:]), " ")
	return ok && (strings.HasPrefix(state, "T") || strings.HasPrefix(state, "t"))
}
