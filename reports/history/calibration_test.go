package history

import (
	"testing"
	"time"
)

func TestGauge(t *testing.T) {
	var many []float64
	for i := range 100 {
		many = append(many, 20+float64(99-i)/100) // 20.00 to 20.99
	}
	for name, c := range map[string]struct {
		g                      Gauge
		measured               []float64
		p50, p99, off50, off99 float64
	}{
		"a time":            {Gauge{Unit: "ms", Asked: 20}, many, 20.49, 20.98, 0.49, 0.98},
		"early is an error": {Gauge{Unit: "ms", Asked: 20}, []float64{17, 20, 21}, 20, 21, 0, -3},
		"a rate":            {Gauge{Unit: "kB/s", Asked: 200}, []float64{200, 190, 202}, 200, 202, 0, -5},
		"nothing":           {Gauge{Unit: "ms", Asked: 20}, nil, 0, 0, 0, 0},
	} {
		g := c.g
		g.Fill(c.measured)
		for what, x := range map[string][2]float64{"p50": {g.P50, c.p50}, "p99": {g.P99, c.p99}, "off50": {g.Off50, c.off50}, "off99": {g.Off99, c.off99}} {
			if d := x[0] - x[1]; d > 1e-9 || d < -1e-9 {
				t.Errorf("%s: %s is %v, want %v", name, what, x[0], x[1])
			}
		}
		if g.N != len(c.measured) {
			t.Errorf("%s: n is %d", name, g.N)
		}
	}
}

func TestCalibrationOf(t *testing.T) {
	c := &Calibration{Date: time.Unix(1, 0), Gauges: []Gauge{{Fault: "wire.stall", Param: "pause", N: 3}, {Fault: "wire", Param: "chance", N: 3}, {Fault: "wire.drip", Param: "gap", Lacks: "time"}}}
	for _, ask := range []struct {
		fault, param string
		want         bool
	}{{"wire.stall", "pause", true}, {"wire.rst", "chance", true}, {"wire.rst", "pause", false}, {"wire.drip", "gap", false}, {"wirefoo.rst", "chance", false}} {
		if _, ok := c.Of(ask.fault, ask.param); ok != ask.want {
			t.Errorf("%s %s: %v", ask.fault, ask.param, ok)
		}
	}
	if _, ok := (*Calibration)(nil).Of("wire.stall", "pause"); ok {
		t.Error("an old run has no calibration")
	}
	if _, ok := (&Calibration{}).Of("wire.stall", "pause"); ok {
		t.Error("a run without one has none")
	}
}
