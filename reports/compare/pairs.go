package compare

import (
	"slices"

	"faultbed/reports/stats"
	"faultbed/reports/verdict"
)

// Within compares subject y with subject x within one run, trial by trial: those
// of one scenario, variant and number had the same plan, so that they are pairs.
func Within(r verdict.Result, x, y string, opt Options) Report {
	cells := opt.cells(r)
	var rows []Row
	for _, k := range keys(of(r, x, ""), of(r, y, x)) {
		row := Row{Scenario: k.scenario, Subject: x, SubjectB: y, Variant: k.variant}
		a, b := cells[key{k.scenario, x, k.variant}], cells[key{k.scenario, y, k.variant}]
		row.Interleaved = interleaved(r, k.scenario, k.variant, x, y)
		rows = append(rows, row.paired(a, b, opt))
	}
	return newReport(rows, true)
}

// interleaved tells whether each pair's trials stood beside each other in the
// run's order: what drifts with time then strikes both alike.
func interleaved(r verdict.Result, scenario, variant, x, y string) bool {
	var order []int
	for _, t := range r.Trials {
		if t.Scenario == scenario && t.Variant == variant && (t.Subject == x || t.Subject == y) {
			order = append(order, t.Trial)
		}
	}
	for i := 0; i+1 < len(order); i += 2 {
		if order[i] != order[i+1] {
			return false
		}
	}
	return len(order)%2 == 0
}

// paired compares two cells pair by pair.
func (r Row) paired(a, b *cell, opt Options) Row {
	if r.alone(a, b) {
		return r
	}
	f, pairs := &Failures{}, []stats.Pair(nil)
	alike := 0 // pairs of which A did not fail
	for _, t := range a.trials {
		i := slices.IndexFunc(b.trials, func(u verdict.Trial) bool { return u.Trial == t.Trial })
		if i < 0 {
			continue
		}
		u := b.trials[i]
		f.count(opt.failed(t), opt.failed(u))
		if !opt.failed(t) {
			alike++
		}
		if t.Drain != nil && u.Drain != nil {
			pairs = append(pairs, stats.Pair{A: t.Drain.Time, B: u.Drain.Time})
		}
	}
	f.Difference = stats.BonettPrice(f.OnlyA, f.OnlyB, f.Pairs, conf)
	f.Worse, f.Better = stats.McNemar(f.OnlyA, f.OnlyB), stats.McNemar(f.OnlyB, f.OnlyA)
	f.LeastOf, f.Least = f.Pairs, leastPairs(f.Pairs)
	f.Change = word(f.Worse, f.Better, f.Least >= 0 && f.Least <= max(alike, f.Pairs-alike))
	r.Failures = f
	if len(pairs) > 0 {
		r.Drains = pairedDrains(pairs)
	}
	r.conclude()
	return r
}

func (f *Failures) count(a, b bool) {
	f.Pairs++
	switch {
	case a && !b:
		f.OnlyA++
	case b && !a:
		f.OnlyB++
	}
}

// leastPairs is how many pairs must differ, all one way, to be told; -1 if there
// are fewer.
func leastPairs(n int) int {
	for k := range n + 1 {
		if stats.McNemar(0, k) <= Alpha/2 {
			return k
		}
	}
	return -1
}

func pairedDrains(pairs []stats.Pair) *Drains {
	p := stats.Paired(pairs, conf)
	d := &Drains{Shift: p.Shift, Slower: p.Slower, Faster: p.Faster, Pairs: p.Pairs}
	d.Change = word(d.Slower, d.Faster, leastPairs(p.Pairs) >= 0)
	return d
}
