package gate

import (
	"fmt"

	"faultbed/reports/compare"
	"faultbed/reports/stats"
	"faultbed/reports/verdict"
)

// alpha is the chance that a baseline fails a run that is no worse, over all its
// comparisons together.
const alpha = 0.05

// test is one comparison with the baseline.
type test struct {
	row      compare.Row
	what     string
	p, least float64 // one-sided p of "worse", and the least that it could have been
}

// baseline fails what is worse than the baseline, beyond noise. One gate makes
// many comparisons, so their p's are held against a level that Tarone's
// correction (1990) of Bonferroni's gives: comparisons that can't reach it anyhow,
// as of two clean series, don't count. For it the test of failures is Fisher's,
// which is conditional on the number of failures.
func (j judge) baseline(out *Result, r verdict.Result) {
	b := *j.opt.Baseline
	out.Baseline = b.Manifest.Run
	report := compare.Runs(b, r, compare.Options{Failed: j.ex.failed})
	tests, gone := testsOf(report)
	level := tarone(tests)
	for _, t := range tests {
		out.Decisions = append(out.Decisions, t.decide(level))
	}
	other := changed(report)
	out.Decisions = append(out.Decisions, other...)
	out.Decisions = append(out.Decisions, uncompared(len(tests)+len(other), gone)...)
	note := func(format string, args ...any) { out.Notes = append(out.Notes, fmt.Sprintf(format, args...)) }
	for _, n := range report.Notes {
		note("the baseline is A, this run B: %s", n)
	}
	if open := Unfinished(b); open != "" {
		note("the baseline passes no gate itself: %s", open)
	}
	if j.opt.Sequential || IsSequential(b) {
		note("the comparison with the baseline holds only roughly: a run that was made with a budget has as many trials as what they showed asked for")
	}
	if n := blind(tests, level); n > 0 {
		note("%d of %d comparisons with the baseline could not have failed, whatever happened: more trials are needed on both sides", n, len(tests))
	}
}

// changed is open where a cell's scenario is another than the baseline's.
func changed(r compare.Report) (out []Decision) {
	for _, row := range r.Rows {
		if row.Change == compare.Differs {
			out = append(out, Decision{Kind: Baseline, Rule: "no worse than the baseline's", Verdict: verdict.Inconclusive, Needed: -1, Scenario: row.Scenario,
				Subject: row.Subject, Variant: row.Variant, Figure: string(row.Change), Lacking: row.Why + "; make the baseline anew"})
		}
	}
	return out
}

// uncompared is open where cells of the baseline were not measured: what was not
// must not read as kept.
func uncompared(compared int, gone []compare.Row) []Decision {
	d := Decision{Kind: Baseline, Rule: "no worse than the baseline's", Verdict: verdict.Inconclusive, Needed: -1, Scenario: "*/*"}
	switch {
	case compared == 0:
		d.Figure, d.Lacking = "this run and the baseline have no cell in common", "run the baseline's scenarios on its subjects"
	case len(gone) > 0:
		d.Scenario, d.Subject, d.Variant = gone[0].Scenario, gone[0].Subject, gone[0].Variant
		d.Figure = fmt.Sprintf("%s of the baseline not in this run, this is the first", cellsAre(len(gone)))
		d.Lacking = "run them too, or make a baseline without them"
	default:
		return nil
	}
	return []Decision{d}
}

func cellsAre(n int) string {
	if n == 1 {
		return "1 cell is"
	}
	return fmt.Sprintf("%d cells are", n)
}

func testsOf(r compare.Report) (out []test, gone []compare.Row) {
	for _, row := range r.Rows {
		if row.Change == compare.OnlyInA {
			gone = append(gone, row)
		}
		if row.Failures == nil {
			continue
		}
		a, b := row.A.Trials, row.B.Trials
		sum := a.K + b.K
		top := min(sum, b.N)
		out = append(out, test{row, "failures", stats.Fisher(a.K, a.N, b.K, b.N), stats.Fisher(sum-top, a.N, top, b.N)})
		if d := row.Drains; d != nil {
			least := 1 / stats.Choose(row.A.Drain.N+row.B.Drain.N, row.B.Drain.N)
			out = append(out, test{row, "drain time", d.Slower, least})
		}
	}
	return out, gone
}

// tarone is the level for each test: alpha over the least k such that at most k
// tests could reach alpha/k.
func tarone(ts []test) float64 {
	for k := 1; ; k++ {
		reach := 0
		for _, t := range ts {
			if t.least <= alpha/float64(k) {
				reach++
			}
		}
		if reach <= k {
			return alpha / float64(k)
		}
	}
}

// blind counts tests that no outcome would have let fail, though something did
// differ in number: clean against clean is no blindness.
func blind(ts []test, level float64) (n int) {
	for _, t := range ts {
		if t.least > level && (t.what == "drain time" || t.row.A.Trials.K+t.row.B.Trials.K > 0) {
			n++
		}
	}
	return n
}

func (t test) decide(level float64) Decision {
	d := Decision{Kind: Baseline, Rule: t.what + " no worse than the baseline's", Verdict: verdict.Pass, Scenario: t.row.Scenario, Subject: t.row.Subject,
		Variant: t.row.Variant}
	if t.what == "failures" {
		high := t.row.Failures.High
		d.Figure, d.Low, d.High = t.row.FailuresText(), t.row.Failures.Low, &high
	} else {
		d.Figure = t.row.DrainsText()
		if t.row.Drains.Low != nil {
			d.Low = float64(*t.row.Drains.Low)
		}
		if t.row.Drains.High != nil {
			high := float64(*t.row.Drains.High)
			d.High = &high
		}
	}
	switch side := t.undecided(); {
	case side != "":
		d.Verdict, d.Needed = verdict.Inconclusive, -1
		d.Lacking = "a decided trial of " + side
	case t.p <= level:
		d.Verdict, d.Needed = verdict.Fail, -1
		d.Figure += fmt.Sprintf(" (worse: p %.2g, level %.2g)", t.p, level)
	case t.p <= alpha/2:
		d.Lacking = fmt.Sprintf("p %.2g alone would be worse; among so many comparisons it may be chance", t.p)
	}
	return d
}

// undecided is the side that has no decided trial, so that nothing is compared.
func (t test) undecided() string {
	a, b := t.row.A.Trials.N, t.row.B.Trials.N
	switch {
	case a == 0 && b == 0:
		return "either run"
	case a == 0:
		return "the baseline"
	case b == 0:
		return "this run"
	}
	return ""
}
