package check

import (
	"fmt"
	"slices"

	"faultbed/reports/history"
)

// Bystanders are the requests through the subject that were under way while
// the crash lasted: from its request's start to its end or to the process's.
func (v *View) Bystanders() (crash *Exchange, beside []*Exchange) {
	for _, x := range v.Exchanges {
		if x.Arrival.Class == history.Crash {
			crash = x
		}
	}
	if crash == nil {
		return nil, nil
	}
	from, to := v.Span(crash)
	for _, x := range v.Exchanges {
		f, t := v.Span(x)
		if x.IsRequest() && t >= from && f <= to {
			beside = append(beside, x)
		}
	}
	return crash, beside
}

func blastRadius(v *View) []Violation {
	crash, beside := v.Bystanders()
	if crash == nil {
		return nil
	}
	var out []Violation
	exit, died := v.ExitAfter("subject-0", crash.Begin.T)
	if v.Plan.Expect.Dies && !died {
		out = append(out, v.about(crash, "the process was expected to die of this and lived"))
	}
	for _, x := range beside {
		o := x.Outcome()
		if o == history.OK || o == history.Aborted || slices.Contains(v.Plan.Expect.Bystanders, o) || v.declaredEnd(x) || x.ownDoing() || (died && x.Begin.T > exit.T) {
			continue
		}
		out = append(out, v.about(x, "bystander of crash %s: %s", crash.Arrival.Hook, describe(v, x)))
	}
	return out
}

// Start is one signal during start-up and what came of it.
type Start struct {
	Node    string
	Started history.Event
	Signal  history.Event
	Exit    *history.Event
	Killed  bool
	Served  bool // it became ready after the signal
	pid1    bool
}

// TooEarly tells whether the signal can't have reached the subject: the kernel
// drops what a PID 1 has no handler for. No program can help that, other than
// by running under an init.
func (s Start) TooEarly() bool { return s.pid1 && s.Killed && s.Signal.Detail == history.NoHandler }

// Starts arranges the starting engine's events.
func (v *View) Starts() []Start {
	var out []Start
	at := map[string]int{}
	for i, e := range v.Fault {
		n, known := at[e.Node]
		switch {
		case e.Kind == history.Start:
			at[e.Node] = len(out)
			out = append(out, Start{Node: e.Node, Started: e, pid1: v.Plan.Variant == "pid1"})
		case !known:
		case e.Kind == history.Signal && out[n].Signal.T == 0:
			out[n].Signal = e
		case e.Kind == history.Exit:
			out[n].Exit = &v.Fault[i]
		case e.Kind == history.Killed:
			out[n].Killed = true
		case e.Kind == history.Ready:
			out[n].Served = true
		}
	}
	return out
}

func startSignal(v *View) []Violation {
	var out []Violation
	for _, s := range v.Starts() {
		if s.Signal.T == 0 || s.TooEarly() {
			continue
		}
		off := ms(s.Signal.T - s.Started.T)
		ev := []history.Event{s.Started, s.Signal}
		switch {
		case s.Killed && s.Served:
			out = append(out, Violation{At: v.Rel(s.Signal.T), What: fmt.Sprintf("SIG%s %v after the start was lost: the subject went on to serve", s.Signal.Signal, off), Evidence: ev})
		case s.Killed:
			out = append(out, Violation{At: v.Rel(s.Signal.T), What: fmt.Sprintf("SIG%s %v after the start: neither gone nor ready within its grace", s.Signal.Signal, off), Evidence: ev})
		}
	}
	return out
}
