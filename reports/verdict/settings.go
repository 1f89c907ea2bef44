package verdict

import (
	"encoding/json"
	"maps"
	"slices"

	"faultbed/reports/check"
	"faultbed/reports/history"
)

// settle adds to each planned fault what the calibration says of its settings.
func settle(c *history.Calibration, v *check.View, t *Trial) {
	if !c.Known() {
		return
	}
	for i := range t.Faults {
		b := &t.Faults[i]
		at := slices.IndexFunc(v.Plan.Faults, func(f history.Fault) bool { return f.ID == b.ID && f.Kind == b.Kind })
		if at >= 0 {
			b.Settings = settings(c, v.Plan.Faults[at])
		}
	}
}

// settings are the parameters of a fault that were calibrated, sorted by name. A
// share of 1 is no throw of dice.
func settings(c *history.Calibration, f history.Fault) (out []Setting) {
	var with map[string]any
	json.Unmarshal(f.With, &with) // one that is no JSON is the trial's own defect
	if f.For > 0 {
		with = maps.Clone(with)
		if with == nil {
			with = map[string]any{}
		}
		with["for"] = float64(f.For)
	}
	for _, name := range slices.Sorted(maps.Keys(with)) {
		n, number := with[name].(float64)
		if g, ok := c.Of(f.Kind, name); ok && number && n > 0 && !(g.Unit == "share" && n == 1) {
			out = append(out, Setting{Param: name, Asked: n / g.Per, Gauge: g})
		}
	}
	return out
}
