package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"

	"faultbed/faults/room"
	"faultbed/proxy/pidfd"
)

// pause stops and continues. A stopped process keeps its sockets: the kernel goes
// on accepting connections up to the backlog, and nobody answers.
var pause = room.Kind{
	Name: "pause", Sentence: "stops the subject and its children (SIGSTOP) and lets them continue (SIGCONT)",
	Touches: "processes", Bites: "one process that was stopped", Lifts: true, Alone: true,
	Inject: func(_ context.Context, t room.Target, _ json.RawMessage) (room.Active, error) {
		if t.PID <= 0 {
			return nil, errors.New("the subject's process can't be seen from here")
		}
		stopped, err := signalAll(t.PID, syscall.SIGSTOP)
		lift := room.LiftFunc(func(context.Context) error {
			for _, pid := range stopped {
				if err := syscall.Kill(pid, syscall.SIGCONT); err != nil && !errors.Is(err, syscall.ESRCH) {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, errors.Join(err, lift(context.Background()))
		}
		t.Bit(int64(len(stopped)), "processes", fmt.Sprint("stopped ", stopped))
		return lift, nil
	},
}

// signalAll signals a process and its descendants, parents first, so that none
// starts another meanwhile, and returns those that it reached.
func signalAll(pid int, sig syscall.Signal) ([]int, error) {
	var reached []int
	for _, p := range append([]int{pid}, pidfd.Descendants(pid)...) {
		if err := syscall.Kill(p, sig); errors.Is(err, syscall.ESRCH) {
			continue
		} else if err != nil {
			return reached, fmt.Errorf("signal %d: %w", p, err)
		}
		reached = append(reached, p)
	}
	return reached, nil
}
