package calibrate

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"faultbed/faults"
	"faultbed/suites/campaign"
)

// TestGaugesAskWhatFaultsTake: every row names a parameter that its fault has, in
// the unit that a plan's value has after the division.
func TestGaugesAskWhatFaultsTake(t *testing.T) {
	for _, g := range gauges {
		if g.with == nil {
			continue
		}
		if _, err := g.params(); err != nil {
			t.Errorf("%s: %v", g.fault, err)
		}
		k, ok := faults.Find(g.kind())
		if !ok {
			t.Fatalf("no fault %s", g.kind())
		}
		i := slices.IndexFunc(k.Params, func(p faults.Param) bool { return p.Name == g.param })
		if i < 0 {
			t.Fatalf("%s has no parameter %s", g.fault, g.param)
		}
		v, err := k.Params[i].Normal(g.with[g.param])
		if holds := fmt.Sprint(v); err != nil || holds != fmt.Sprint(g.asked*g.per) && holds != fmt.Sprint(int64(g.asked*g.per)) {
			t.Errorf("%s %s: the plan holds %v, want %v %s times %v (%v)", g.fault, g.param, v, g.asked, g.unit, g.per, err)
		}
	}
}

// TestMeasuring has each way to measure work on real nodes: what is asked is at
// least waited for.
func TestMeasuring(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nodes")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	nodes, err := campaign.OpenNodes(ctx)
	if err != nil {
		t.Skip(err) // a dirty machine, or no labnode
	}
	defer func() {
		if err := nodes.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	b, err := newBench(ctx, nodes)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	short := map[string]measurement{
		"wire way": way, "wire.stall pause": answers(3), "wire.late delay": afterFIN(3), "wire.slow-accept delay": arrivals(3), "wire.drip gap": gaps(5, 100),
		"wire.bandwidth rate": rates(2, 20_000), "wire.connection-rate rate": turns(2, 4), "wire chance": shares(2, 50), "toxic.latency latency": answers(3),
		"toxic.latency jitter": halfWidths(1, 20), "toxic.bandwidth rate": rates(2, 20_000), "toxic.slicer delay": reads(10_000),
		"process.pause for": silences(2), "process.signal late": signalsLate(5), "process.storm spacing": spacings(5, 10*time.Millisecond), "load late": pace,
		"packet.delay delay": answers(3), "packet.rate rate": rates(2, 50_000), "resource.cpu percent": cpuShares(1),
	}
	for _, g := range gauges {
		name := g.fault + " " + g.param
		g.measure = short[name]
		if g.measure == nil {
			t.Fatalf("nobody measures %s", name)
		}
		out := g.run(ctx, b)
		switch {
		case out.Lacks != "":
			t.Errorf("%s: %s", name, out.Lacks)
		case out.N == 0:
			t.Errorf("%s: no measurement", name)
		case g.unit == "ms" && g.asked > 0 && g.param != "jitter" && out.P99 < 0.9*g.asked:
			t.Errorf("%s: none of %d waited %v ms, the longest %v ms", name, out.N, g.asked, out.P99)
		}
		t.Logf("%s: %+v", name, out)
	}
	if err := b.end(ctx); err != nil {
		t.Error(err)
	}
}
