// Package calibrate measures how exactly this host's injectors keep what they
// are told: delays, gaps, rates, shares, the length of a pause, the spacing of
// signals, and the load's own pace.
//
// It runs nodes as a bed does, in the process runtime, with both ends of every
// measured connection in this process, which also reads the clock: what the
// figures say includes the way through the relay and the waking of a reader. The
// row "wire way" is that way alone. It measures no subject and judges nothing.
//
// Each row of [gauges] names a fault, one of its parameters, what is asked and
// who measures it; add a row for another timed fault. Start with [Run].
package calibrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"faultbed/faults"
	"faultbed/reports/history"
	"faultbed/suites/campaign"
)

// gauge is one thing to measure.
type gauge struct {
	fault, param, unit string
	per                float64        // a plan's value divided by it is in unit
	asked              float64        // in unit
	with               map[string]any // the fault's parameters, as a scenario writes them
	measure            func(context.Context, *bench, gauge) ([]float64, error)
}

// ms is how many of a plan's units are one of the gauge's.
const ms = float64(time.Millisecond)

var gauges = []gauge{
	{"wire", "way", "ms", ms, 0, nil, way},
	{"wire.stall", "pause", "ms", ms, 20, map[string]any{"pause": "20ms", "at_byte": 0}, answers(150)},
	{"wire.late", "delay", "ms", ms, 20, map[string]any{"delay": "20ms", "at_byte": 1}, afterFIN(50)},
	{"wire.slow-accept", "delay", "ms", ms, 20, map[string]any{"delay": "20ms"}, arrivals(50)},
	{"wire.drip", "gap", "ms", ms, 5, map[string]any{"size": 100, "gap": "5ms"}, gaps(200, 100)},
	{"wire.bandwidth", "rate", "kB/s", 1000, 2000, map[string]any{"rate": 2_000_000}, rates(20, 200_000)},
	{"wire.connection-rate", "rate", "connections/s", 1, 100, map[string]any{"rate": 100}, turns(10, 11)},
	{"wire", "chance", "share", 1, 0.3, map[string]any{"chance": 0.3, "match": "new"}, shares(10, 200)},
	{"toxic.latency", "latency", "ms", ms, 20, map[string]any{"latency": "20ms"}, answers(50)},
	{"toxic.latency", "jitter", "ms", ms, 10, map[string]any{"latency": "20ms", "jitter": "10ms"}, halfWidths(4, 40)},
	{"toxic.bandwidth", "rate", "kB/s", 1, 1000, map[string]any{"rate": 1000}, rates(10, 100_000)},
	{"toxic.slicer", "delay", "ms", ms, 5, map[string]any{"size": 1000, "delay": "5ms"}, reads(100_000)},
	{"process.pause", "for", "ms", ms, 50, nil, silences(20)},
	{"process.signal", "late", "ms", ms, 0, nil, signalsLate(100)},
	{"process.storm", "spacing", "ms", ms, 10, nil, spacings(100, 10*time.Millisecond)},
	{"packet.delay", "delay", "ms", ms, 20, map[string]any{"side": "front", "direction": "out", "delay": "20ms"}, answers(100)},
	{"packet.rate", "rate", "kB/s", 1, 1000, map[string]any{"side": "front", "direction": "out", "rate": 1000}, rates(10, 100_000)},
	{"resource.cpu", "percent", "percent", 1, 20, map[string]any{"percent": 20}, cpuShares(3)},
	{"load", "late", "ms", ms, 0, nil, pace},
}

// Run measures all gauges, one after the other; say is told which. What could not
// be measured says why in its row; the error is of the nodes.
func Run(ctx context.Context, say func(string)) (c history.Calibration, err error) {
	nodes, err := campaign.OpenNodes(ctx)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, nodes.Close(ctx)) }()
	b, err := newBench(ctx, nodes)
	if err != nil {
		return c, fmt.Errorf("%w: %w", campaign.ErrEnvironment, err)
	}
	defer b.close()
	load, _ := os.ReadFile("/proc/loadavg")
	c.Load = strings.Join(strings.Fields(string(load))[:min(3, len(strings.Fields(string(load))))], " ")
	c.Host, c.Kernel = campaign.Here()
	c.Date = time.Now().UTC().Truncate(time.Second)
	for _, g := range gauges {
		if ctx.Err() != nil {
			return c, ctx.Err()
		}
		say(g.fault + " " + g.param)
		c.Gauges = append(c.Gauges, g.run(ctx, b))
	}
	return c, b.end(ctx)
}

// limit bounds one gauge; the longest takes about 4 s.
const limit = 15 * time.Second

func (g gauge) run(ctx context.Context, b *bench) history.Gauge {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	out := history.Gauge{Fault: g.fault, Param: g.param, Unit: g.unit, Per: g.per, Asked: g.asked}
	measured, err := g.measure(ctx, b, g)
	if err != nil {
		out.Lacks = err.Error()
		return out
	}
	out.Fill(measured)
	return out
}

// params are the gauge's as a plan holds them.
func (g gauge) params() (json.RawMessage, error) { return faults.Validate(g.kind(), g.with) }

// kind is the fault that is injected; a gauge of the whole family of wire takes
// one whose effect is seen at once.
func (g gauge) kind() string {
	if g.fault == "wire" {
		return "wire.rst"
	}
	return g.fault
}
