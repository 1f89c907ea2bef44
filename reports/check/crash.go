package check

import (
	"encoding/json"
	"fmt"
	"slices"

	"faultbed/reports/history"
)

// Bystanders are the requests through the subject that were under way while
// the crash lasted: from its request's start to its end or to the process's. If it
// was repeated, crash is the first, and they are those of all.
func (v *View) Bystanders() (crash *Exchange, beside []*Exchange) {
	var all []*Exchange
	for _, x := range v.Exchanges {
		if x.Arrival.Class != history.Crash || crash != nil && x.Arrival.Hook != crash.Arrival.Hook {
			continue // another hook shows what the first has left behind
		}
		if crash == nil {
			crash = x
		}
		all = append(all, x)
	}
	for _, x := range v.Exchanges {
		f, t := v.Span(x)
		if x.IsRequest() && slices.ContainsFunc(all, func(c *Exchange) bool {
			from, to := v.Span(c)
			return t >= from && f <= to
		}) {
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

// strike is when the subject was hit, by the first crash or a signal, and until
// when that lasted: the process's end, the end of the crash's request, or the
// signal's instant. False if nothing hit.
func (v *View) strike() (from, to int64, died, ok bool) {
	crash, _ := v.Bystanders()
	switch {
	case crash != nil && crash.End != nil:
		from, to = crash.Begin.T, crash.End.T
	case crash == nil && len(v.Signals) > 0:
		from, to = v.Signals[0].T, v.Signals[0].T
	default:
		return 0, 0, false, false
	}
	exit, died := v.ExitAfter("subject-0", from)
	if died {
		to = exit.T
	}
	return from, to, died, true
}

// Concurrent are the requests that the origin had received before the strike's end
// and not answered at its begin. Where the subject died, those are left out whose
// answer had begun to arrive: it was done with them, or was about to be. Where the
// crash takes a time that is known, they are those that the origin answered in the
// middle half of it: in flight for certain, and clearly before its end.
func (v *View) Concurrent() (out []*Exchange) {
	from, to, died, ok := v.strike()
	over, timed := v.crashOver()
	margin := (over - from) / 4
	for _, x := range v.Exchanges {
		if !ok || !x.IsRequest() || x.Outcome() == history.Aborted {
			continue
		}
		got := slices.IndexFunc(x.Origin, func(e history.Event) bool { return e.Kind == history.Request })
		done, answered := x.answered()
		early := answered && done.T <= from || died && x.End.FirstByte != 0
		amid := answered && done.T > from+margin && done.T < over-margin
		if got >= 0 && x.Origin[got].T < to && !early && (amid || !timed) {
			out = append(out, x)
		}
	}
	return out
}

func concurrentRequests(v *View) (out []Violation) {
	e := v.Plan.Expect
	over, _ := v.crashOver()
	for _, x := range v.Concurrent() {
		if len(e.Concurrent) > 0 && !slices.Contains(e.Concurrent, x.Outcome()) {
			out = append(out, v.about(x, "%s, in flight when the crash struck; the scenario says %v", describe(v, x), e.Concurrent))
		}
		if before := x.End.T < over; e.Ends != "" && before != (e.Ends == "before") {
			out = append(out, v.about(x, "%s, %v from the end of the time that the crash takes; the scenario says %s it", describe(v, x), ms(x.End.T-over), e.Ends))
		}
	}
	return out
}

// crashOver is when the time is over that the first crash takes by its parameter.
func (v *View) crashOver() (at int64, ok bool) {
	crash, _ := v.Bystanders()
	for _, w := range v.Windows {
		var with struct {
			Seconds int64 `json:"seconds"`
		}
		json.Unmarshal(w.Fault.With, &with)
		if crash != nil && v.CrashOf(w.Fault) == crash && with.Seconds > 0 {
			return crash.Begin.T + with.Seconds, true
		}
	}
	return 0, false
}

func faultyRequest(v *View) (out []Violation) {
	want := v.Plan.Expect.Faulty
	for _, x := range v.Exchanges {
		if x.Arrival.Class != history.Crash {
			continue
		}
		if o := x.Outcome(); len(want) > 0 && o != history.Aborted && !slices.Contains(want, o) {
			out = append(out, v.about(x, "crash %s: %s; the scenario says %v", x.Arrival.Hook, describe(v, x), want))
		}
		want = v.Plan.Expect.Again
	}
	return out
}

func crashExit(v *View) []Violation {
	want := v.Plan.Expect.Exit
	if len(v.Exits) == 0 {
		return []Violation{{At: v.Rel(v.EndT()), What: fmt.Sprintf("the process lived; the scenario says that it exits with %v", want)}}
	}
	x := v.Exits[0]
	if slices.Contains(want, x.Code) {
		return nil
	}
	return []Violation{{At: v.Rel(x.T), What: fmt.Sprintf("%s exited with %d%s; the scenario says %v", x.Node, x.Code, bySignal(x), want), Evidence: []history.Event{x}}}
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
			out[n].Killed = out[n].Exit == nil // else the engine was late to say that it was gone
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
