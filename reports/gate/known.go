package gate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"faultbed/reports/verdict"
)

// excuses applies known failures on one day.
type excuses struct {
	known []Known
	day   time.Time
	hits  []int // trials in which each occurred
	cells []int // cells that each is for
}

func newExcuses(known []Known, day time.Time) *excuses {
	day = day.UTC().Truncate(24 * time.Hour)
	return &excuses{known: known, day: day, hits: make([]int, len(known)), cells: make([]int, len(known))}
}

func (e *excuses) expired(k Known) bool { return e.day.After(k.until) }

func (k Known) covers(t verdict.Trial, check string) bool {
	return k.Matches(t.Scenario, t.Subject, t.Variant) && slices.Contains(k.checks, check)
}

// broke are the checks that a trial broke.
func broke(t verdict.Trial) []string {
	seen := map[string]bool{}
	for _, v := range t.Violations {
		seen[v.Check] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// failed tells whether a trial failed by anything that is not excused.
func (e *excuses) failed(t verdict.Trial) bool {
	if t.Verdict != verdict.Fail {
		return false
	}
	return len(e.inexcusable(t)) > 0 || len(broke(t)) == 0
}

func (e *excuses) inexcusable(t verdict.Trial) (out []string) {
	for _, c := range broke(t) {
		if !slices.ContainsFunc(e.known, func(k Known) bool { return !e.expired(k) && k.covers(t, c) }) {
			out = append(out, c)
		}
	}
	return out
}

// look counts where the known failures occurred.
func (e *excuses) look(r verdict.Result) {
	for i, k := range e.known {
		for _, c := range r.Cells {
			if k.Matches(c.Scenario, c.Subject, c.Variant) {
				e.cells[i]++
			}
		}
		for _, t := range r.Trials {
			if slices.ContainsFunc(broke(t), func(c string) bool { return k.covers(t, c) }) {
				e.hits[i]++
			}
		}
	}
}

// about says which known failures a cell's trials had, and which are over.
func (e *excuses) about(trials []verdict.Trial) string {
	var out []string
	for _, k := range e.known {
		n := 0
		for _, t := range trials {
			if slices.ContainsFunc(broke(t), func(c string) bool { return k.covers(t, c) }) {
				n++
			}
		}
		switch {
		case n == 0:
		case e.expired(k):
			out = append(out, fmt.Sprintf("known failure of %s (%s) expired on %s and excuses nothing", k.Check, k.Reason, k.Until))
		default:
			out = append(out, fmt.Sprintf("known failure of %s in %s is excused until %s: %s", k.Check, plural(n, "trial"), k.Until, k.Reason))
		}
	}
	return strings.Join(out, "; ")
}

// fates says what became of each known failure.
func (e *excuses) fates() (out []Fate) {
	for i, k := range e.known {
		f := Fate{Where: k.Where.String(), Check: k.Check, Reason: k.Reason, Issue: k.Issue, Until: k.Until, Line: k.line, Trials: e.hits[i]}
		name := fmt.Sprintf("known failure %s of %s", k.Check, k.Where)
		switch {
		case e.cells[i] == 0:
			f.State, f.Message = Unmatched, name+" matches no cell of this run"
		case e.hits[i] == 0:
			f.State, f.Message = Absent, name+" did not occur: remove it?"
		case e.expired(k):
			f.State, f.Message = Expired, fmt.Sprintf("%s occurred in %s; it expired on %s and excuses nothing: mend it, or extend until", name, plural(e.hits[i], "trial"), k.Until)
		default:
			f.State, f.Message = Excused, fmt.Sprintf("%s occurred in %s and is excused until %s: %s", name, plural(e.hits[i], "trial"), k.Until, k.Reason)
		}
		out = append(out, f)
	}
	return out
}
