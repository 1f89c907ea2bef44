package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"time"

	"faultbed/faults/room"
	"faultbed/fixtures/topology"
	"faultbed/reports/history"
)

// liftTime bounds one lift at the end of a trial.
const liftTime = 10 * time.Second

// enter begins a fault of a room and keeps it for its lift.
func (t *trial) enter(ctx context.Context, f history.Fault, k room.Kind) error {
	if rep, err := t.replica(f.Replica); err == nil && ended(rep) {
		t.note(history.Event{Kind: history.Note, ID: f.ID, Detail: fmt.Sprintf("%s: the subject had ended before", f.Kind)})
		return nil // its pid may be another's by now
	}
	begun := history.Now()
	tg, err := t.target(f)
	if err != nil {
		return err
	}
	active, err := k.Inject(ctx, tg, f.With)
	if err != nil {
		return err
	}
	t.mark(history.Inject, f, begun, f.Kind)
	if active != nil {
		t.mu.Lock()
		t.active[f.ID] = active
		t.mu.Unlock()
	}
	return nil
}

// leave lifts a fault of a room; one that is lifted already is no error.
func (t *trial) leave(ctx context.Context, id string) error {
	t.mu.Lock()
	a := t.active[id]
	delete(t.active, id)
	t.mu.Unlock()
	if a == nil {
		return nil
	}
	return a.Lift(ctx)
}

// leaveAll lifts what is still in force when the trial ends, however it ends.
func (t *trial) leaveAll(ctx context.Context) error {
	t.mu.Lock()
	ids := slices.Sorted(maps.Keys(t.active))
	t.mu.Unlock()
	var errs []error
	for _, id := range ids {
		ctx, cancel := context.WithTimeout(ctx, liftTime)
		if err := t.leave(ctx, id); err != nil {
			errs = append(errs, fmt.Errorf("%w: %s is not lifted: %w", ErrInjector, id, err))
		}
		cancel()
	}
	return errors.Join(errs...)
}

// target is the replica that a fault of a room acts on.
func (t *trial) target(f history.Fault) (room.Target, error) {
	rep, err := t.replica(f.Replica)
	if err != nil {
		return room.Target{}, err
	}
	in := t.nodes[infra(f.Replica)]
	tg := room.Target{Fault: f.ID, Run: t.lab.Run, Node: fmt.Sprintf("subject-%d", f.Replica), PID: rep.pid, Container: rep.ref,
		Addr: in.Addr(topology.SubjectPort), Origin: t.originAddr, Load: t.nodes["load"].IP, Seed: t.plan.Seed}
	if t.lab.Runtime == "process" {
		tg.Dir, _ = filepath.Abs(t.params(f.Replica).Dir)
	}
	if host, _, err := net.SplitHostPort(t.endpoints[f.Replica].Addr); err == nil && len(t.plan.Front) > 0 {
		tg.Load = host // a relay stands between
	}
	if t.namesS != nil {
		tg.Names = func(ctx context.Context, command string, arg any) error { return t.namesS.Do(ctx, command, arg, nil) }
	}
	tg.Note = func(e history.Event) {
		e.ID, e.Node = f.ID, cmp.Or(e.Node, tg.Node)
		t.note(e)
	}
	return tg, nil
}
