package sample

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"faultbed/reports/history"
)

// sim acts one plan. Its times are absolute once abs has seen them.
type sim struct {
	p     history.Plan
	rng   *rand.Rand
	t     *history.Trial
	exits map[int][]span // replica → when it was draining and away
	conns int

	goaway bool // the arrival at hand got one
}

// span is a drain: refuses from Signal on, gone at Exit, back at Back (0: never).
type span struct{ signal, exit, back int64 }

func (s *sim) abs(t int64) int64 { return s.t.Info.T0 + t }

func (s *sim) fault(t int64, e history.Event) {
	e.T = s.abs(t)
	if e.Node == "" {
		e.Node = "bed"
	}
	s.t.Fault = append(s.t.Fault, e)
}

func (s *sim) timeline() {
	s.exits = map[int][]span{}
	for r := range s.p.Replicas {
		node := fmt.Sprintf("subject-%d", r)
		s.fault(-400*ms, history.Event{Kind: history.Start, Node: node, PID: 4000 + r})
		s.fault(-250*ms, history.Event{Kind: history.Ready, Node: node})
	}
	for _, f := range s.p.Faults {
		s.act(f)
	}
	for _, a := range s.p.Arrivals {
		s.arrive(a)
	}
}

// act writes the fault ledger.
func (s *sim) act(f history.Fault) {
	at := f.At + s.rng.Int64N(2*ms)
	switch {
	case f.Kind == "process.signal" || f.Kind == "process.restart":
		s.signals(f, at)
	case s.p.Subject == "nginx" && f.Kind == "toxic.latency":
		return // the undecided one: it never took effect
	}
	s.fault(at, history.Event{Kind: history.Inject, ID: f.ID, Detail: f.Kind, AgeNs: ms})
	if f.Kind == "wire.rst-at" {
		s.fault(at+100*ms, history.Event{Kind: history.Bite, Node: "wire-back", ID: f.ID, Count: 14, Detail: "connections reset"})
	}
	if f.For > 0 {
		s.fault(f.End()+s.rng.Int64N(3*ms), history.Event{Kind: history.Lift, ID: f.ID, Detail: f.Kind, AgeNs: ms})
	}
}

func (s *sim) signals(f history.Fault, at int64) {
	var with struct {
		Signal  string
		Times   int
		Spacing int64
	}
	json.Unmarshal(f.With, &with)
	node := fmt.Sprintf("subject-%d", f.Replica)
	name, drain := with.Signal, s.drainTime()
	if name == "drain" {
		name = "TERM"
	}
	exit := history.Event{Kind: history.Exit, Node: node, Via: "pidfd"}
	switch {
	case name == "KILL":
		drain, exit.Code, exit.Signal = 2*ms, 137, "KILL"
	case drain > 3000*ms:
		drain, exit.Code, exit.Signal = 3000*ms, 137, "KILL"
		s.fault(at+drain-ms, history.Event{Kind: history.Killed, Node: node})
	}
	for n := range max(with.Times, 1) {
		if t := at + int64(n)*with.Spacing; t < at+drain {
			s.fault(t, history.Event{Kind: history.Signal, Node: node, ID: f.ID, Signal: name, Via: "pidfd"})
		}
	}
	s.fault(at+drain, exit)
	gone := span{signal: at, exit: at + drain}
	if f.Kind == "process.restart" {
		gone.back = gone.exit + 180*ms
		s.fault(gone.exit+20*ms, history.Event{Kind: history.Restart, Node: node})
		s.fault(gone.exit+40*ms, history.Event{Kind: history.Start, Node: node, PID: 5000 + f.Replica})
		s.fault(gone.back, history.Event{Kind: history.Ready, Node: node})
	}
	s.exits[f.Replica] = append(s.exits[f.Replica], gone)
}

// drainTime says which subject keeps its grace.
func (s *sim) drainTime() int64 {
	jitter := s.rng.Int64N(40 * ms)
	switch {
	case s.p.Subject == "python" && s.p.Scenario == "drain/sigterm" && s.p.Variant == "pid1":
		return 5000 * ms // killed by the bed
	case s.p.Scenario == "drain/rolling":
		return 380*ms + jitter
	}
	return 830*ms + jitter
}

var base = map[string]int64{"go": 900_000, "python": 2_400_000, "nginx": 500_000}

// arrive writes both sides of one arrival.
func (s *sim) arrive(a history.Arrival) {
	lag := s.rng.Int64N(300_000)
	begin := history.Event{T: s.abs(a.At + lag), Kind: history.Begin, Node: "load", ID: a.ID, Class: a.Class, Planned: s.abs(a.At)}
	end := begin
	end.Kind, end.Outcome, end.Status, end.Phase = history.End, history.OK, 200, ""
	took := base[s.p.Subject] + int64(s.rng.ExpFloat64()*float64(base[s.p.Subject])/2)
	if a.Class == history.Control {
		took = 300_000 + s.rng.Int64N(200_000)
	}
	took += a.Hold
	if a.Class.IsHeld() {
		took, end.Outcome, end.Status = min(a.Hold, s.p.Duration-a.At), history.Held, 0
	}
	took = s.suffer(a, &end, took)
	s.conn(a, &end)
	end.T = s.abs(a.At + lag + took)
	if end.Outcome == history.OK {
		end.Bytes, end.Want, end.FirstByte = a.Size, a.Size, s.abs(a.At+lag+took-a.Hold)
	}
	if end.Outcome != history.Refused {
		end.Sent = s.abs(a.At + lag + 200_000)
	}
	s.t.Client = append(s.t.Client, begin, end)
	if s.goaway {
		s.t.Client = append(s.t.Client, history.Event{T: end.T, Kind: history.GoAway, Node: "load", Class: a.Class, Conn: end.Conn})
		s.goaway = false
	}
	s.origin(a, end)
}

func (s *sim) conn(a history.Arrival, end *history.Event) {
	s.conns++
	end.Conn, end.Nth = fmt.Sprintf("c%d", s.conns), 1
	if a.Class == history.Short {
		end.Conn, end.Nth = fmt.Sprintf("k%d", s.conns%8), s.conns/8+1
	}
}

func (s *sim) origin(a history.Arrival, end history.Event) {
	if a.Class.IsHeld() || end.Outcome == history.Refused || end.Status >= 500 || end.Phase == "dial" {
		return
	}
	at := s.abs(a.At) + base[s.p.Subject]/2
	req := history.Event{T: at, Kind: history.Request, Node: "origin", ID: a.ID, Class: a.Class, Conn: "o1", Nth: s.conns}
	done := req
	done.T, done.Kind, done.Outcome, done.Bytes, done.Want = end.T-200_000, history.Response, history.OK, a.Size, a.Size
	if end.Outcome != history.OK && end.Outcome != history.Reset { // a reset one was answered, and the answer lost
		done.Outcome, done.Bytes, done.Detail = history.Truncated, a.Size/3, "write: connection reset by peer"
	}
	if a.Class == history.Upload {
		up := req
		up.T, up.Kind, up.Outcome, up.Bytes = at+300_000, history.UploadDone, history.OK, a.Size
		s.t.Origin = append(s.t.Origin, up)
	}
	s.t.Origin = append(s.t.Origin, req, done)
}

// suffer lets faults act on an arrival; it returns how long it took.
func (s *sim) suffer(a history.Arrival, end *history.Event, took int64) int64 {
	if a.Class == history.Control {
		return took
	}
	for _, f := range s.p.Faults {
		over := a.At+took > f.At && (f.For == 0 || a.At < f.End())
		switch {
		case !over:
		case f.Kind == "toxic.latency" && s.p.Subject != "nginx":
			took += 70*ms + s.rng.Int64N(60*ms)
		case f.Kind == "toxic.down":
			return s.down(a, end, f)
		case f.Kind == "wire.rst-at" && s.rng.IntN(4) == 0 && a.At > f.At:
			return s.fail(end, history.Truncated, "body", "unexpected EOF", took/2)
		case f.Kind == "crash.panic" && a.Class == history.Crash:
			return s.fail(end, history.EOF, "head", "EOF", took)
		case f.Kind == "crash.block-loop" && a.At+took < f.At+1000*ms:
			took = f.At + 1000*ms - a.At + s.rng.Int64N(20*ms)
		}
	}
	return s.drained(a, end, took)
}

func (s *sim) fail(end *history.Event, o history.Outcome, phase, detail string, took int64) int64 {
	end.Outcome, end.Phase, end.Detail, end.Status = o, phase, detail, 0
	return took
}

func (s *sim) down(a history.Arrival, end *history.Event, f history.Fault) int64 {
	left := max(f.At-a.At, 0) + ms
	if s.p.Subject == "python" && s.rng.IntN(12) == 0 {
		return s.fail(end, history.Timeout, "head", "", s.p.Timeout)
	}
	s.fail(end, history.Status5xx, "", "", 0)
	end.Status = 502
	return left + s.rng.Int64N(2*ms)
}

// drained is what a replica that is told to go does to an arrival.
func (s *sim) drained(a history.Arrival, end *history.Event, took int64) int64 {
	for _, g := range s.exits[a.Replica] {
		switch {
		case a.At+took < g.signal || (g.back != 0 && a.At > g.back):
			continue
		case a.At > g.signal+ms:
			if s.p.Scenario == "drain/rolling" && s.p.Subject != "python" {
				continue // it delays its shutdown until clients have learnt
			}
			return s.fail(end, history.Refused, "dial", "connect: connection refused", 200_000)
		case a.Class.IsHeld():
			if a.Class == history.WebSocket {
				end.Code = 1001
			}
			return s.fail(end, history.Closed, "held", "", g.signal+s.rng.Int64N(30*ms)+ms-a.At)
		case s.p.Expect.Killed:
			return s.fail(end, history.Reset, "head", "read: connection reset by peer", g.exit-a.At+200_000)
		case a.At+took > g.exit-100*ms && s.p.Subject == "python":
			return s.fail(end, history.Truncated, "body", "unexpected EOF", g.exit-a.At-50*ms)
		case a.Class == history.H2 || a.Class == history.H2Stream:
			s.goaway = true
		default:
			end.Closing = true
		}
	}
	return took
}

func (s *sim) starting() {
	for i, off := range s.p.Offsets {
		node, at := fmt.Sprintf("start-%d", i), int64(i)*700*ms
		s.fault(at, history.Event{Kind: history.Start, Node: node, PID: 6000 + i})
		s.fault(at+off, history.Event{Kind: history.Signal, Node: node, Signal: "TERM", Via: "pidfd"})
		exit := history.Event{Kind: history.Exit, Node: node, Via: "pidfd", Code: 143, Signal: "TERM"}
		gone := at + off + 3*ms
		if s.p.Subject == "python" && off == 80*ms && s.p.Variant == "pid1" {
			gone, exit.Code, exit.Signal = at+2500*ms, 137, "KILL"
			s.fault(gone-30*ms, history.Event{Kind: history.Ready, Node: node})
			s.fault(gone-20*ms, history.Event{Kind: history.Killed, Node: node})
		}
		s.fault(gone, exit)
	}
}

var chains = []struct{ name, oracle, clause, alert string }{
	{"control/valid-ecdsa", "must-accept", "RFC 5280 §6.1", ""},
	{"control/valid-rsa", "must-accept", "RFC 5280 §6.1", ""},
	{"incomplete/missing-intermediate", "must-reject", "RFC 5280 §6.1", "unknown_ca"},
	{"untrusted/unknown-root", "must-reject", "RFC 5280 §6.1.1(d)", "unknown_ca"},
	{"expired/leaf", "must-reject", "RFC 5280 §6.1.3(a)(2)", "certificate_expired"},
	{"expired/root", "local-policy", "RFC 5280 §6.1.1(d)", "certificate_expired"},
	{"pathlen/exceeded", "must-reject", "RFC 5280 §6.1.4(l)", "bad_certificate"},
	{"eku/leaf-client-only", "must-reject", "RFC 5280 §4.2.1.12", "unsupported_certificate"},
	{"order/reversed", "local-policy", "RFC 8446 §4.4.2", ""},
	{"size/huge-chain", "local-policy", "RFC 8446 §4.4.2", "bad_certificate"},
}

func (s *sim) tls() {
	s.fault(-300*ms, history.Event{Kind: history.Start, Node: "subject-0", PID: 7000})
	at := 20 * ms
	for _, k := range chains {
		for _, verifier := range s.verifiers() {
			e := history.Event{T: s.abs(at), Kind: history.TLSCell, Node: "load", ID: k.name, Class: history.Class(verifier), Verdict: "accept",
				Status: 200, Count: 1, AgeNs: 3*ms + s.rng.Int64N(4*ms), Phase: k.oracle, Peer: k.clause}
			careless := s.p.Subject == "python" && k.name == "eku/leaf-client-only"
			if k.alert != "" && !careless {
				e.Verdict, e.Local, e.Status, e.Detail = "reject", k.alert, 502, "certificate verify failed"
			}
			s.t.Client = append(s.t.Client, e)
			s.handshakes(e)
			at += 15 * ms
		}
	}
}

func (s *sim) verifiers() []string {
	if s.p.Engine == "tls-back" {
		return []string{"subject"}
	}
	return []string{"go", "openssl", "python"}
}

// handshakes are what the origin saw: nginx tries its only upstream once more.
func (s *sim) handshakes(e history.Event) {
	n := 1
	if e.Verdict == "reject" && s.p.Subject == "nginx" {
		n = 2
	}
	for range n {
		h := history.Event{T: e.T - ms, Kind: history.Handshake, Node: "origin", ID: e.ID, Outcome: history.OK}
		if e.Verdict == "reject" {
			h.Outcome, h.Detail = history.TLSFail, e.Local
		}
		s.t.Origin = append(s.t.Origin, h)
	}
}
