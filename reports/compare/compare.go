// Package compare puts two judged runs side by side: what changed in verdict,
// failure rate and drain time, and whether the intervals allow to say so.
//
// It only claims a difference where the exact intervals of the two runs do not
// overlap, which is cautious: with one trial each it never does. It pairs cells
// by scenario, subject and variant.
// Start with [Runs].
package compare

import (
	"fmt"
	"slices"
	"time"

	"faultbed/reports/stats"
	"faultbed/reports/verdict"
)

// Side is one run's figures of a cell.
type Side struct {
	Verdict verdict.Verdict `json:"verdict"`
	Trials  stats.Interval  `json:"trials"` // failed of decided trials
	During  stats.Interval  `json:"during"` // failed requests while the fault acted
	Drain   *stats.Survival `json:"drain,omitempty"`
}

// Row is one cell in both runs. A side that lacks it is nil.
type Row struct {
	Scenario string `json:"scenario"`
	Subject  string `json:"subject"`
	Variant  string `json:"variant,omitempty"`
	A        *Side  `json:"a,omitempty"`
	B        *Side  `json:"b,omitempty"`
	Change   string `json:"change"` // worse, better, same, undecided, only in A, only in B
	Why      string `json:"why"`
}

type key struct{ scenario, subject, variant string }

// Runs compares b with a, in a's order, then what only b has.
func Runs(a, b verdict.Result) []Row {
	as, bs := cells(a), cells(b)
	var out []Row
	for _, k := range keys(a, b) {
		out = append(out, row(k, as[k], bs[k]))
	}
	return out
}

func keys(rs ...verdict.Result) []key {
	var out []key
	for _, r := range rs {
		for _, c := range r.Cells {
			if k := (key{c.Scenario, c.Subject, c.Variant}); !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	return out
}

func cells(r verdict.Result) map[key]*Side {
	out := map[key]*Side{}
	for _, c := range r.Cells {
		out[key{c.Scenario, c.Subject, c.Variant}] = &Side{c.Verdict, c.Trials, c.Requests[1].Rate, c.Drain}
	}
	return out
}

func row(k key, a, b *Side) Row {
	r := Row{Scenario: k.scenario, Subject: k.subject, Variant: k.variant, A: a, B: b}
	switch {
	case b == nil:
		r.Change = "only in A"
	case a == nil:
		r.Change = "only in B"
	default:
		r.Change, r.Why = change(*a, *b)
	}
	return r
}

func change(a, b Side) (string, string) {
	switch {
	case a.Verdict == verdict.Inconclusive || b.Verdict == verdict.Inconclusive:
		return "undecided", fmt.Sprintf("%s, then %s", a.Verdict, b.Verdict)
	case apart(a.Trials, b.Trials):
		return direction(a.Trials, b.Trials), fmt.Sprintf("failed trials %s, then %s", shown(a.Trials), shown(b.Trials))
	case a.Verdict != b.Verdict:
		return "undecided", fmt.Sprintf("%s, then %s, but %s and %s trials can't tell it from chance", a.Verdict, b.Verdict, shown(a.Trials), shown(b.Trials))
	}
	why := fmt.Sprintf("requests failed during the fault: %s, then %s", shown(a.During), shown(b.During))
	if timed(a) && timed(b) {
		why = fmt.Sprintf("median drain %s, then %s", drain(*a.Drain), drain(*b.Drain))
	}
	return "same", why
}

func timed(s Side) bool { return s.Drain != nil && s.Drain.Median != nil }

// apart tells whether two intervals do not overlap.
func apart(a, b stats.Interval) bool { return a.High < b.Low || b.High < a.Low }

func direction(a, b stats.Interval) string {
	if b.Low > a.High {
		return "worse"
	}
	return "better"
}

func shown(i stats.Interval) string {
	return fmt.Sprintf("%d/%d [%.1f, %.1f] %%", i.K, i.N, 100*i.Low, 100*i.High)
}

func drain(s stats.Survival) string {
	more := ""
	if s.Median.Censored {
		more = "> "
	}
	return more + time.Duration(s.Median.Ns).Round(time.Millisecond).String()
}
