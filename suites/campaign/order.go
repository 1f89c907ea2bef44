package campaign

import (
	"cmp"
	"slices"

	"faultbed/reports/history"
)

// Interleave orders plans so that subjects can be compared pair by pair: trials
// of one scenario and variant are executed as A B, B A, A B, B A …, with more
// subjects as A B C, C B A …. What drifts with time, as a machine that warms up,
// then strikes all alike, and so does the place within a pair. Scenarios keep
// their order. Nothing is dropped.
func Interleave(plans []history.Plan) []history.Plan {
	type group struct{ scenario, variant string }
	var order []group
	in := map[group][]history.Plan{}
	for _, p := range plans {
		g := group{p.Scenario, p.Variant}
		if in[g] == nil {
			order = append(order, g)
		}
		in[g] = append(in[g], p)
	}
	var out []history.Plan
	for _, g := range order {
		out = append(out, rounds(in[g])...)
	}
	return out
}

// rounds puts one scenario's plans trial by trial, every other trial backwards.
func rounds(plans []history.Plan) (out []history.Plan) {
	slices.SortStableFunc(plans, func(a, b history.Plan) int { return cmp.Compare(a.Trial, b.Trial) })
	for n := 0; len(plans) > 0; n++ {
		k := 1
		for k < len(plans) && plans[k].Trial == plans[0].Trial {
			k++
		}
		round := plans[:k]
		if n%2 == 1 {
			slices.Reverse(round)
		}
		out, plans = append(out, round...), plans[k:]
	}
	return out
}
