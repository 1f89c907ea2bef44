package layout

import (
	"fmt"
	"slices"

	"faultbed/reports/history"
	"faultbed/reports/verdict"
)

// Calibrated says when the run's host was calibrated; nothing of a run that is
// older than calibrations.
func Calibrated(c *history.Calibration) string {
	switch {
	case c == nil:
		return ""
	case !c.Known():
		return "not calibrated: faultbed calibrate"
	}
	return fmt.Sprintf("calibrated %s, %d gauges", c.Date.Format("2006-01-02"), len(c.Gauges))
}

// Setting writes what was asked and how exactly such is kept: "pause 50 ms; on this
// host, between processes, off by +0.30 ms (p50), +0.90 ms (p99), calibrated 2026-11-28".
func Setting(s verdict.Setting, c *history.Calibration) string {
	unit := " " + s.Gauge.Unit
	if s.Gauge.Unit == "share" {
		unit = ""
	}
	return fmt.Sprintf("%s %.6g%s; on this host, between processes, off by %s (p50), %s (p99), calibrated %s", s.Param, s.Asked, unit,
		off(s.Gauge, s.Gauge.Off50), off(s.Gauge, s.Gauge.Off99), c.Date.Format("2006-01-02"))
}

func off(g history.Gauge, x float64) string {
	if g.Absolute() {
		return fmt.Sprintf("%+.2f %s", x, g.Unit)
	}
	return fmt.Sprintf("%+.1f %%", x)
}

// Settings are those of all faults of a run, each once: "wire.stall: pause …".
func Settings(r verdict.Result) (out []string) {
	for _, t := range r.Trials {
		for _, f := range t.Faults {
			for _, s := range f.Settings {
				if line := f.Kind + ": " + Setting(s, r.Manifest.Calibration); !slices.Contains(out, line) {
					out = append(out, line)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}
