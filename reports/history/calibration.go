package history

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Calibration is how exactly a host's injectors keep what they are told, as
// faultbed calibrate measured it there. In a run's manifest it is the one that was
// at hand when the run began; one without a date says that there was none.
type Calibration struct {
	Host   string    `json:"host,omitempty"`
	Kernel string    `json:"kernel,omitempty"`
	Date   time.Time `json:"date,omitzero"`
	Load   string    `json:"load,omitempty"` // the machine's load averages when it began
	Gauges []Gauge   `json:"gauges,omitempty"`
}

// Gauge is one parameter of one injector, asked against measured. Rates and
// shares are off in percent of what was asked, times in ms.
type Gauge struct {
	Fault string  `json:"fault"` // "wire.stall"; "wire" is all of that family, "load" the load itself
	Param string  `json:"param"` // "pause"; for: how long the fault lasts
	Unit  string  `json:"unit"`  // ms, kB/s, connections/s, share
	Per   float64 `json:"per"`   // a plan's value divided by it is in Unit
	Asked float64 `json:"asked"`
	N     int     `json:"n"` // measurements
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`             // of what was measured
	Off50 float64 `json:"off50"`           // the median error, with its sign
	Off99 float64 `json:"off99"`           // the error that 99 % are within, with its sign
	Lacks string  `json:"lacks,omitempty"` // why it was not measured
}

// Known tells whether there was a calibration.
func (c *Calibration) Known() bool { return c != nil && !c.Date.IsZero() }

// Of is the gauge of a fault's parameter, if it was measured.
func (c *Calibration) Of(fault, param string) (Gauge, bool) {
	if !c.Known() {
		return Gauge{}, false
	}
	i := slices.IndexFunc(c.Gauges, func(g Gauge) bool {
		return g.Param == param && g.N > 0 && (g.Fault == fault || strings.HasPrefix(fault, g.Fault+"."))
	})
	if i < 0 {
		return Gauge{}, false
	}
	return c.Gauges[i], true
}

// Absolute tells whether the gauge's errors are in its unit, and not in percent.
func (g Gauge) Absolute() bool { return g.Unit == "ms" }

// Fill computes the gauge's figures from measurements in its unit.
func (g *Gauge) Fill(measured []float64) {
	if g.N = len(measured); g.N == 0 {
		return
	}
	m := slices.Sorted(slices.Values(measured))
	g.P50, g.P99 = rank(m, 0.5), rank(m, 0.99)
	off := make([]float64, len(m))
	for i, x := range m {
		if off[i] = x - g.Asked; !g.Absolute() {
			off[i] *= 100 / g.Asked
		}
	}
	g.Off50 = rank(off, 0.5)
	slices.SortFunc(off, func(a, b float64) int { return int(math.Copysign(1, math.Abs(a)-math.Abs(b))) })
	g.Off99 = rank(off, 0.99)
}

// rank is the quantile by nearest rank, which is a measured value.
func rank(sorted []float64, q float64) float64 {
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}
