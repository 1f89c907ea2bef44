package check

import (
	"fmt"
	"slices"
	"time"

	"faultbed/reports/history"
)

// settling is how long after the signal an answer may still be one that was
// begun before it.
const settling = 150 * time.Millisecond

// drainSignalling looks for clients that were not told. An answer whose head came
// later than settling after the signal must say Connection: close, or its
// connection is one more that the client finds dead; a shared HTTP/2 connection
// that was in use at the signal must get GOAWAY.
func drainSignalling(v *View) []Violation {
	s, ok := v.DrainSignal()
	if !ok || v.declares("drains-silently") {
		return nil
	}
	told := s.T + v.Plan.Settings.ShutdownDelay + int64(settling)
	out := v.each(func(x *Exchange) string {
		switch {
		case x.End == nil:
		case x.Arrival.Class == history.Idle && x.Outcome() == history.Reset && x.End.T >= s.T:
			return fmt.Sprintf("an idle connection was reset %v after the signal", ms(x.End.T-s.T))
		case x.announces() && x.End.FirstByte > told && !x.End.Closing:
			return fmt.Sprintf("an answer that began %v after the signal did not say Connection: close", ms(x.End.FirstByte-s.T))
		}
		return ""
	})
	return append(out, v.withoutGoaway(s)...)
}

// announces tells whether the answer can say that its connection will close.
func (x *Exchange) announces() bool {
	c := x.Arrival.Class
	return x.IsRequest() && x.Outcome() == history.OK && !slices.Contains([]history.Class{history.H2, history.H2Stream, history.Tunnel, history.Abort, history.Pipeline}, c)
}

// withoutGoaway finds HTTP/2 connections on which a request was under way at the
// signal and that never got a GOAWAY.
func (v *View) withoutGoaway(s history.Event) (out []Violation) {
	told := map[string]bool{}
	for _, e := range v.Client {
		if e.Kind == history.GoAway {
			told[e.Conn] = true
		}
	}
	for _, x := range v.InFlight(s.T) {
		if c := x.Arrival.Class; (c != history.H2 && c != history.H2Stream) || x.End == nil || x.End.Conn == "" || told[x.End.Conn] {
			continue
		}
		told[x.End.Conn] = true // once is enough
		out = append(out, v.about(x, "HTTP/2 connection %s had a request in flight at the signal and never got GOAWAY", x.End.Conn))
	}
	return out
}

func websocketClose(v *View) []Violation {
	s, ok := v.DrainSignal()
	if !ok || v.declares("cuts-websockets") {
		return nil
	}
	killed := v.weKilled(s.Node, s.T) // then drain-time says it
	var out []Violation
	for _, x := range v.InFlight(s.T) {
		if x.Arrival.Class != history.WebSocket || x.End == nil || x.End.Status != 101 || killed || x.Outcome() == history.Held || x.Outcome() == history.Aborted || x.End.Code != 0 {
			continue
		}
		out = append(out, v.about(x, "a WebSocket ended %s %v after the signal without a close frame", x.Outcome(), ms(x.End.T-s.T)))
	}
	return out
}

// portFree reads what a connect after the exit gave.
func portFree(v *View) []Violation {
	var out []Violation
	for _, e := range v.Fault {
		if e.Kind == history.Port && e.Outcome == history.OK && !v.diedBySIGKILL(e) { // then it is our doing
			out = append(out, Violation{At: v.Rel(e.T), What: fmt.Sprintf("%s is gone and its address still takes connections: the next one could not listen there", e.Node), Evidence: []history.Event{e}})
		}
	}
	return out
}
