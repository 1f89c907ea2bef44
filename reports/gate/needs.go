package gate

import (
	"cmp"
	"slices"
	"time"

	"faultbed/reports/internal/layout"
	"faultbed/reports/verdict"
)

// giveUp is after how many undecided trials in a row a cell gets no more.
const giveUp = 3

// Need is a cell that further trials could decide, or make surer of.
type Need struct {
	Scenario string
	Subject  string
	Variant  string
	Trials   int  // clean ones that would do
	Open     bool // a decision is open; otherwise it passed, on little evidence
}

// Name is the cell.
func (n Need) Name() string { return n.Scenario + " on " + layout.Name(n.Subject, n.Variant) }

// Needs lists the cells on which trials are well spent: not those that have
// failed for good, nor those whose last trials could not be decided.
func (r Result) Needs(res verdict.Result) (out []Need) {
	for _, c := range res.Cells {
		n := Need{Scenario: c.Scenario, Subject: c.Subject, Variant: c.Variant}
		if r.Of(c.Scenario, c.Subject, c.Variant) == verdict.Fail || hopeless(trialsOf(res, c)) {
			continue
		}
		for _, d := range r.Decisions {
			if d.Scenario == n.Scenario && d.Subject == n.Subject && d.Variant == n.Variant {
				n.add(d)
			}
		}
		if n.Trials > 0 {
			out = append(out, n)
		}
	}
	return out
}

// add counts a decision in: what is open comes before what is merely unsure.
func (n *Need) add(d Decision) {
	switch open := d.Verdict == verdict.Inconclusive; {
	case d.Needed <= 0 || n.Open && !open:
	case open && !n.Open:
		n.Open, n.Trials = true, d.Needed
	default:
		n.Trials = max(n.Trials, d.Needed)
	}
}

func hopeless(trials []verdict.Trial) bool {
	last := trials[max(0, len(trials)-giveUp):]
	return len(last) == giveUp && !slices.ContainsFunc(last, func(t verdict.Trial) bool { return t.Verdict != verdict.Inconclusive })
}

// Promising sorts needs: open decisions first, then by the time that it would
// take to decide them, given what one trial of each takes.
func Promising(needs []Need, cost func(Need) time.Duration) []Need {
	return slices.SortedStableFunc(slices.Values(needs), func(a, b Need) int {
		if a.Open != b.Open {
			return cmp.Compare(number(b.Open), number(a.Open))
		}
		return cmp.Compare(time.Duration(a.Trials)*cost(a), time.Duration(b.Trials)*cost(b))
	})
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
