package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"faultbed/reports/history"
)

// tolerance is what a drain may take beyond its grace before it is late: the
// promise is the subject's, the scheduler's noise is ours.
const tolerance = 300 * time.Millisecond

func drainInFlight(v *View) []Violation {
	s, ok := v.DrainSignal()
	if !ok {
		return nil
	}
	var out []Violation
	for _, x := range v.InFlight(s.T) {
		if x.IsRequest() && x.Outcome() != history.OK && x.Outcome() != history.Aborted && sentBefore(x, s.T) && !v.cut(x, s) && !v.outlasts(x, s.T) && !v.declaredEnd(x) && !x.ownDoing() {
			out = append(out, v.about(x, "in flight at the signal: %s", describe(v, x)))
		}
	}
	return out
}

// sentBefore tells whether the request was in the subject's hands at t. One that
// was only being dialled may still be refused, and one whose first byte left in
// the same millisecond is a race that no subject can win. An upload is in its
// hands, though it is not yet sent whole, when the origin has its head.
func sentBefore(x *Exchange, t int64) bool {
	before := t - int64(time.Millisecond)
	return x.End.Sent != 0 && x.End.Sent < before ||
		slices.ContainsFunc(x.Origin, func(e history.Event) bool { return e.Kind == history.Request && e.T < before })
}

// outlasts tells whether the origin, or the client, draws a request out for longer
// than a drain that begins at t may take: it must be cut.
func (v *View) outlasts(x *Exchange, t int64) bool {
	return x.Begin.Planned+x.Arrival.Hold > t+v.Plan.Settings.Grace-int64(tolerance)
}

// cut tells whether a request was still under way when a fault killed the subject
// in its drain.
func (v *View) cut(x *Exchange, drain history.Event) bool {
	k, killed := v.CutAfter(drain.Node, drain.T)
	return killed && x.End != nil && x.End.T >= k.T
}

func drainTime(v *View) []Violation {
	return v.eachDrain(func(s history.Event) (int64, string) {
		grace := v.Plan.Settings.Grace
		if k, ok := v.KilledAfter(s.Node, s.T); ok {
			return k.T, fmt.Sprintf("still alive %v after the signal, killed by the bed; promised %v%s", ms(k.T-s.T), time.Duration(grace), v.held(k.T))
		}
		if x, ok := v.ExitAfter(s.Node, s.T); ok && x.T-s.T-v.Frozen(s.Node, s.T, x.T) > grace+int64(tolerance) {
			return x.T, fmt.Sprintf("gone %v after the signal; promised %v%s", ms(x.T-s.T), time.Duration(grace), v.held(x.T))
		}
		return 0, ""
	})
}

// eachDrain collects a violation for every drain of which say tells something.
func (v *View) eachDrain(say func(signal history.Event) (at int64, what string)) (out []Violation) {
	drains := v.Drains()
	for _, s := range drains {
		at, what := say(s)
		if len(drains) > 1 && what != "" {
			what = s.Node + ": " + what
		}
		if what != "" {
			out = append(out, Violation{At: v.Rel(at), What: what, Evidence: v.end(s)})
		}
	}
	return out
}

// end is the signals to a node and what became of its process.
func (v *View) end(s history.Event) []history.Event {
	var out []history.Event
	for _, e := range v.Fault {
		if e.T >= s.T && e.Node == s.Node && slices.Contains([]history.Kind{history.Signal, history.Exit, history.Killed, history.Orphan}, e.Kind) {
			out = append(out, e)
		}
	}
	return out[:min(len(out), 14)]
}

// held names what was open to the end: what the drain waited for.
func (v *View) held(end int64) string {
	open := map[history.Class]int{}
	for _, x := range v.Exchanges {
		if from, to := v.Span(x); x.Arrival.Class != history.Control && from < end && to >= end-int64(5*time.Millisecond) {
			open[x.Arrival.Class]++
		}
	}
	var parts []string
	for _, c := range slices.Sorted(maps.Keys(open)) {
		parts = append(parts, fmt.Sprintf("%d %s", open[c], c))
	}
	if len(parts) == 0 {
		return ""
	}
	return "; open until then: " + strings.Join(parts, ", ")
}

func drainExit(v *View) []Violation {
	return v.eachDrain(func(s history.Event) (int64, string) {
		x, ok := v.ExitAfter(s.Node, s.T)
		if v.weKilled(s.Node, s.T) || !ok || slices.Contains(v.Plan.Promise.ExitCodes, x.Code) {
			return 0, ""
		}
		return x.T, fmt.Sprintf("exit code %d%s; promised %v", x.Code, bySignal(x), v.Plan.Promise.ExitCodes)
	})
}

// weKilled tells whether the bed or a fault killed the node after an instant: what
// came of that says nothing about its drain.
func (v *View) weKilled(node string, t int64) bool {
	_, killed := v.KilledAfter(node, t)
	_, cut := v.CutAfter(node, t)
	return killed || cut
}

// drainConnect looks at new connections after the signal.
func drainConnect(v *View) []Violation {
	s, ok := v.DrainSignal()
	if !ok {
		return nil
	}
	edge := v.closingEdge(s.T)
	return v.each(func(x *Exchange) string {
		if x.End == nil || x.Begin.T <= s.T || x == edge || !x.IsRequest() || x.ownDoing() || v.refusedBehindWire(x) || v.cut(x, s) {
			return ""
		}
		bad := x.Outcome() == history.Status5xx && !slices.Contains([]int{502, 503, 504}, x.End.Status)
		switch x.Outcome() {
		case history.Timeout, history.Malformed:
			bad = true
		case history.Truncated:
			bad = !v.outlasts(x, s.T)
		case history.OK, history.Refused, history.Aborted, history.Status5xx:
		default: // on a kept connection EOF and reset are a race that the client lost
			bad = v.connectsAfter(x, s.T)
		}
		if !bad {
			return ""
		}
		return fmt.Sprintf("%v after the signal: %s", ms(x.Begin.T-s.T), describe(v, x))
	})
}

// refusedBehindWire tells whether the relay before the subject was refused: it
// had accepted by then, and shows a refusal as a reset.
func (v *View) refusedBehindWire(x *Exchange) bool {
	return len(v.Plan.Front) > 0 && x.Outcome() == history.Reset && slices.ContainsFunc(v.Fault, func(e history.Event) bool {
		return e.Kind == history.Shown && e.Peer == x.End.Local
	})
}

func (v *View) connectsAfter(x *Exchange, t int64) bool {
	return x.Arrival.Class == history.Fresh && x.Begin.T > t && x.End != nil
}

// closingEdge is the last connect that was not refused, if it was reset:
// close(2) of a listener resets what waits in its queue, and no program can
// make that queue empty at that instant. More than this one is the subject's, and
// so is one that began when another had been refused: nothing listened by then.
func (v *View) closingEdge(t int64) *Exchange {
	var last *Exchange
	closed := v.EndT()
	for _, x := range v.Exchanges {
		switch {
		case !v.connectsAfter(x, t):
		case x.Outcome() == history.Refused:
			closed = min(closed, x.End.T)
		default:
			last = x
		}
	}
	if last != nil && last.Outcome() == history.Reset && last.Begin.T <= closed {
		return last
	}
	return nil
}

func stragglers(v *View) []Violation {
	var out []Violation
	for _, e := range v.Fault {
		if e.Kind == history.Orphan && !v.diedBySIGKILL(e) { // then they are our doing
			out = append(out, Violation{At: v.Rel(e.T), What: fmt.Sprintf("process %s outlived the subject", e.Detail), Evidence: []history.Event{e}})
		}
	}
	return out
}

// diedBySIGKILL tells whether an orphan's subject, or the one that was on a port,
// was killed by the bed or a fault; a predecessor's death does not count.
func (v *View) diedBySIGKILL(e history.Event) bool {
	since := v.started(e)
	return slices.ContainsFunc(slices.Concat(v.Killed, v.Signals), func(k history.Event) bool {
		return k.Node == e.Node && k.T >= since && k.T <= e.T && (k.Kind == history.Killed || k.Signal == "KILL")
	})
}

func controlKill(v *View) []Violation {
	if len(v.Signals) == 0 {
		return nil
	}
	s := v.Signals[0]
	var out []Violation
	x, ok := v.ExitAfter(s.Node, s.T)
	if !ok || x.Signal != "KILL" {
		out = append(out, Violation{At: v.Rel(s.T), What: "SIGKILL was sent and no death by SIGKILL was seen", Evidence: v.end(s)})
	}
	lost := 0
	for _, f := range v.InFlight(s.T) {
		if f.IsRequest() && f.Outcome() != history.OK {
			lost++
		}
	}
	if lost == 0 && len(stragglers(v)) == 0 { // workers that outlive their master go on serving
		out = append(out, Violation{At: v.Rel(s.T), What: "SIGKILL lost no request in flight: the bed sees nothing"})
	}
	return out
}
