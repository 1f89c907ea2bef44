package scenario

import (
	"context"
	"fmt"
	"time"

	"faultbed/fixtures/load"
	"faultbed/fixtures/topology"
	"faultbed/reports/history"
)

// SelfTest is the engine that tests the bed itself: load straight to the origin,
// which stands still once.
const SelfTest = "selftest"

// What the self-test does: so many requests a second, and one stall. Of 1,000
// requests 200 arrive while the origin stands still, so that the 99th percentile
// lies deep in the stall; a generator that waits for answers would report one of a
// few milliseconds.
const (
	selfRate  = 400
	selfFor   = 2500 * time.Millisecond
	selfStall = 500 * time.Millisecond
	selfAt    = 800 * time.Millisecond
)

// SelfTestPlan is the plan of the bed's own test.
func SelfTestPlan(seed uint64) history.Plan {
	p := history.Plan{Version: history.PlanVersion, Scenario: "selftest/stall", Engine: SelfTest, Subject: "bare", Seed: seed, Trial: 1, Exclusive: true,
		Description: "The origin alone, with no subject, stands still for 500 ms: is the stall seen as long as it was?",
		Duration:    int64(selfFor), Timeout: int64(3 * time.Second), Phases: []history.Phase{}, Arrivals: []history.Arrival{}, Faults: []history.Fault{
			{ID: "f1", Kind: "origin.stall", At: int64(selfAt), For: int64(selfStall)}}}
	rng := source(seed, "selftest")
	for i := range int(selfRate * selfFor.Seconds()) {
		p.Arrivals = append(p.Arrivals, history.Arrival{At: int64(i) * int64(time.Second) / selfRate, ID: fmt.Sprintf("%04d-%08x", i+1, rng.Uint32()), Class: history.Short, Size: 1024})
	}
	return p
}

// selfTest executes it.
func (t *trial) selfTest(ctx context.Context) error {
	t.endpoints = []load.Endpoint{{Addr: t.nodes["origin"].Addr(topology.OriginPort)}}
	if err := t.startClock(history.Now() + int64(lead)); err != nil {
		return err
	}
	running, err := t.session(ctx, t.nodes["load"], "load", t.loadSpec(), t.client)
	if err != nil {
		return err
	}
	f := t.plan.Faults[0]
	if !t.waitUntil(ctx, f.At) {
		return ctx.Err()
	}
	var span struct{ From, To int64 } // the origin's own word
	if err := t.originS.Do(ctx, "stall", map[string]int64{"for": f.For}, &span); err != nil {
		return fmt.Errorf("%w: %w", ErrInjector, err)
	}
	t.note(history.Event{T: span.From, Kind: history.Inject, ID: f.ID, Detail: f.Kind})
	select {
	case <-running.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	t.note(history.Event{T: span.To, Kind: history.Lift, ID: f.ID, Detail: f.Kind})
	if err := running.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrInjector, err)
	}
	return nil
}
