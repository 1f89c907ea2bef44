package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"faultbed/fixtures/topology"
	"faultbed/proxy"
	"faultbed/reports/history"
)

// starting starts the subject once for each offset and sends its drain signal
// so long after the process existed.
func (t *trial) starting(ctx context.Context) error {
	if err := t.startClock(history.Now()); err != nil {
		return err
	}
	for i, off := range t.plan.Offsets {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := t.startOnce(ctx, i, off); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) startOnce(ctx context.Context, i int, offset int64) error {
	t.reps = nil
	launch, err := t.subj.launch(t.lab, t.plan, t.nodes[infra(0)], t.params(0))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSetup, err)
	}
	launch.Name = fmt.Sprintf("start-%d", i)
	inst, st, err := t.lab.Driver.Start(ctx, launch)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSetup, err)
	}
	rep := &replica{inst: inst, gone: make(chan struct{})}
	t.note(history.Event{T: st.T, Kind: history.Start, Node: launch.Name, PID: st.PID})
	t.watchers.Go(func() { t.watch(rep, launch.Name) })
	defer func() {
		log, _ := rep.remove(ctx)
		t.log = append(t.log, log...)
	}()
	time.Sleep(time.Duration(st.T + offset - history.Now()))
	sent, err := inst.Signal(ctx, t.plan.Promise.Signal)
	if err != nil && !errors.Is(err, proxy.ErrEnded) {
		return fmt.Errorf("%w: %w", ErrInjector, err)
	}
	t.signalled(sent, st.PID, launch.Name, "", t.plan.Promise.Signal)
	return t.afterStartSignal(ctx, rep, launch.Name)
}

// afterStartSignal waits for the exit. A subject that is still there after its
// grace is asked whether it serves, and killed.
func (t *trial) afterStartSignal(ctx context.Context, rep *replica, node string) error {
	limit := time.After(time.Duration(t.plan.Settings.Grace) + overtime/2)
	select {
	case <-rep.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-limit:
	}
	addr := t.nodes[infra(0)].Addr(topology.SubjectPort)
	if t.nodes["load"].Control.Probe(ctx, addr, t.subj.Spec.Ready.HTTP) == nil {
		t.note(history.Event{Kind: history.Ready, Node: node})
	}
	t.note(history.Event{Kind: history.Killed, Node: node})
	if _, err := rep.inst.Signal(ctx, "KILL"); err != nil {
		return fmt.Errorf("%w: %w", ErrInjector, err)
	}
	select {
	case <-rep.gone:
		return nil
	case <-time.After(5 * time.Second):
		return fmt.Errorf("%w: the subject outlived SIGKILL", ErrInjector)
	}
}
