package check

import (
	"fmt"
	"time"

	"faultbed/reports/history"
)

// bounded compares what the subject held and used while faults acted with what the
// scenario grants. Looks are 500 ms apart: memory counts from the last look before
// the first fault, CPU time from there to the first look after the last one.
func bounded(v *View) []Violation {
	from, to := v.acted()
	if from == 0 {
		return nil
	}
	return append(v.gained(from, to), v.busy(from, to)...)
}

// acted is from the first fault's begin to the last one's end; 0 if none began.
func (v *View) acted() (from, to int64) {
	for _, w := range v.Windows {
		if w.From == 0 {
			continue // it never acted
		}
		if from == 0 || w.From < from {
			from = w.From
		}
		to = max(to, w.To)
	}
	return from, to
}

// Unbounded says why a grant of memory or processor time can't be judged, or
// nothing.
func (v *View) Unbounded() string {
	from, to := v.acted()
	switch e := v.Plan.Expect; {
	case from == 0:
		return ""
	case e.MaxRSS > 0 && len(v.around(history.Usage, from, to)) < 2:
		return "the subject's memory could not be seen while faults acted"
	case e.MaxCPU > 0 && len(v.around(history.Spent, from, to)) < 2:
		return "the subject's processor time could not be seen while faults acted"
	}
	return ""
}

// around lists the looks of a kind at the subject from the last before an interval
// to the first after it.
func (v *View) around(k history.Kind, from, to int64) (out []history.Event) {
	for _, e := range v.Fault {
		if e.Kind != k || e.Node != "subject-0" {
			continue
		}
		if e.T <= from {
			out = out[:0]
		}
		out = append(out, e)
		if e.T >= to {
			break
		}
	}
	return out
}

func (v *View) gained(from, to int64) []Violation {
	looks := v.around(history.Usage, from, to)
	for _, e := range looks {
		if grown := e.Bytes - looks[0].Bytes; v.Plan.Expect.MaxRSS > 0 && grown > v.Plan.Expect.MaxRSS {
			return []Violation{{At: v.Rel(e.T), What: fmt.Sprintf("the subject took %d MiB more memory, and the scenario grants %d", grown>>20, v.Plan.Expect.MaxRSS>>20), Evidence: []history.Event{looks[0], e}}}
		}
	}
	return nil
}

func (v *View) busy(from, to int64) []Violation {
	looks := v.around(history.Spent, from, to)
	if len(looks) < 2 || v.Plan.Expect.MaxCPU == 0 {
		return nil
	}
	first, last := looks[0], looks[len(looks)-1]
	cores := float64(last.Bytes-first.Bytes) / float64(last.T-first.T)
	if cores <= v.Plan.Expect.MaxCPU {
		return nil
	}
	return []Violation{{At: v.Rel(last.T), What: fmt.Sprintf("the subject kept %.2f cores busy for %v, and the scenario grants %g", cores, time.Duration(last.T-first.T).Round(time.Millisecond), v.Plan.Expect.MaxCPU), Evidence: []history.Event{first, last}}}
}
