package scenario

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"faultbed/faults"
	"faultbed/faults/wire"
	"faultbed/fixtures/load"
	"faultbed/fixtures/topology"
	"faultbed/proxy"
	"faultbed/reports/history"
)

// lead is how long before T0 the load gets its plan.
const lead = 120 * time.Millisecond

// overtime is how long after its grace a subject may live before the bed kills
// it; its drain time is then only known to be longer.
const overtime = time.Second

// timeline sends the load, acts the faults and waits for the end.
func (t *trial) timeline(ctx context.Context) error {
	if err := t.startClock(history.Now() + int64(lead)); err != nil {
		return err
	}
	t.waits.Lock()
	t.waiting = newWaiting(t.plan)
	t.waits.Unlock()
	running, err := t.session(ctx, t.nodes["load"], "load", t.loadSpec(), t.client)
	if err != nil {
		return err
	}
	watching, enough := context.WithCancel(ctx)
	defer enough()
	var wg, watchers sync.WaitGroup
	for _, rep := range t.reps {
		watchers.Go(func() { t.usage(watching, fmt.Sprintf("subject-%d", rep.index), rep.pid) })
	}
	for _, f := range t.plan.Faults {
		wg.Go(func() { t.act(ctx, f) })
	}
	select {
	case <-running.Done():
	case <-ctx.Done():
	}
	t.finished()
	wg.Wait()
	if t.plan.Expect.Dies {
		t.awaitDeath(ctx)
	}
	enough()
	watchers.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := running.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrInjector, err)
	}
	return nil
}

// startClock sets T0 and has it on disk before anything happens after it.
func (t *trial) startClock(t0 int64) error {
	t.mu.Lock()
	t.t0 = t0
	t.info.T0, t.info.Limit, t.info.Addr = t0, t.plan.Settings.Grace+int64(overtime), t.endpoints[0].Addr
	t.mu.Unlock()
	return t.save()
}

func (t *trial) loadSpec() load.Spec {
	spec := load.Spec{T0: t.t0, Arrivals: t.plan.Arrivals, Endpoints: t.endpoints, Timeout: t.plan.Timeout,
		Control: t.nodes["origin"].Addr(topology.OriginPort), End: t.t0 + t.plan.Duration, ServerName: SubjectName}
	if t.lab.Runtime == "process" { // else its packets could not be told from the subject's
		spec.Source = t.nodes["load"].IP
	}
	if t.plan.TLS {
		spec.Roots = t.lab.Certs.SubjectRoots
	}
	return spec
}

// waitUntil sleeps to an instant from T0; false if the run was stopped.
func (t *trial) waitUntil(ctx context.Context, at int64) bool { return Until(ctx, t.t0+at) }

// Until waits for an instant of [history.Now], as exactly as faults of the relay
// are timed; false if ctx ended before.
func Until(ctx context.Context, t int64) bool {
	return wire.Until(ctx, time.Now().Add(time.Duration(t-history.Now())))
}

// act carries one fault out and records when it took effect and ended.
func (t *trial) act(ctx context.Context, f history.Fault) {
	f, ok := t.await(ctx, f)
	if !ok {
		return
	}
	defer t.finished()
	err := t.inject(ctx, f)
	if err == nil && f.For > 0 && t.waitUntil(ctx, f.End()) {
		err = t.lift(ctx, f)
	}
	if err != nil && ctx.Err() == nil {
		t.note(history.Event{Kind: history.Error, ID: f.ID, Detail: err.Error()})
		t.blame(fmt.Errorf("%s: %w", f.Kind, err))
	}
}

// mark records an injection or a lift just after it returned. For a call over
// the network the effect lies within the call; begun is its start.
func (t *trial) mark(kind history.Kind, f history.Fault, begun int64, detail string) {
	t.note(history.Event{T: begun, Kind: kind, ID: f.ID, Detail: detail, AgeNs: history.Now() - begun})
}

func (t *trial) inject(ctx context.Context, f history.Fault) error {
	if k, ok := faults.Room(f.Kind); ok {
		return t.enter(ctx, f, k)
	}
	begun := history.Now()
	family, _, _ := strings.Cut(f.Kind, ".")
	var err error
	switch family {
	case "toxic":
		err = t.toxi.Inject(ctx, f.ID, f.Kind, f.With, t.plan.Seed)
	case "wire":
		err = t.wireInject(ctx, f)
	case "http":
		err = t.attack(ctx, f)
	case "origin":
		err = t.originS.Do(ctx, "down", nil, nil)
	case "crash": // the request that carries the hook is an arrival of its own
	case "process":
		return t.process(ctx, f)
	default:
		return fmt.Errorf("no injector for %s", f.Kind)
	}
	if err == nil {
		t.mark(history.Inject, f, begun, f.Kind)
	}
	return err
}

func (t *trial) lift(ctx context.Context, f history.Fault) error {
	begun := history.Now()
	family, _, _ := strings.Cut(f.Kind, ".")
	var err error
	if _, ok := faults.Room(f.Kind); ok {
		err = t.leave(ctx, f.ID)
	}
	switch family {
	case "toxic":
		err = t.toxi.Lift(ctx, f.ID, f.Kind, f.With)
	case "wire":
		err = t.wires[t.legOf(f)].Do(ctx, "lift", f.ID, nil)
	case "http":
		err = t.attacks.Do(ctx, "lift", f.ID, nil)
	case "origin":
		err = t.originS.Do(ctx, "up", nil, nil)
	}
	if err == nil {
		t.mark(history.Lift, f, begun, f.Kind)
	}
	return err
}

func (t *trial) legOf(f history.Fault) string {
	if f.Leg == "front" {
		return fmt.Sprintf("front-%d", f.Replica)
	}
	return "back"
}

func (t *trial) wireInject(ctx context.Context, f history.Fault) error {
	wf, err := faults.WireFault(f.ID, f.Kind, f.With)
	if err != nil {
		return err
	}
	wf.Seed = t.plan.Seed // of its dice
	return t.wires[t.legOf(f)].Do(ctx, "inject", wf, nil)
}

// awaitDeath waits for the end of a subject that a crash kills: an interpreter that
// says its last words on a busy machine may outlast the load. One that lives is
// left alone.
func (t *trial) awaitDeath(ctx context.Context) {
	limit := time.NewTimer(time.Duration(t.plan.Settings.Grace) + overtime)
	defer limit.Stop()
	select {
	case <-t.reps[0].gone:
	case <-ctx.Done():
	case <-limit.C:
	}
}

// params is what a subject's templates are rendered with on infra node r.
func (t *trial) params(r int) proxy.Params {
	return t.lab.params(t, r)
}
