package sample

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"

	"faultbed/reports/history"
)

// Bulk makes up one lawful trial of so many requests at 2,000/s, event by event
// as load, origin and bed write them: for measuring what large runs cost. Times
// jitter by the nanosecond and ids are random, so that it is no easier to store
// than a real one. A relay resets connections in its middle third, and some
// requests fail of it.
func Bulk(requests, trial int) *history.Trial {
	b := &bulk{rng: rand.New(rand.NewPCG(uint64(trial), 7)), t: &history.Trial{}}
	b.plan(requests, trial)
	b.t.Info = history.TrialInfo{Runtime: "process", T0: 7_000_000_000_000 + b.rng.Int64N(1e12), Status: "complete", SignalBy: "pidfd", Addr: "127.1.2.3:8080"}
	for _, f := range b.t.Plan.Faults {
		b.bed(f)
	}
	for _, a := range b.t.Plan.Arrivals {
		b.arrive(a)
	}
	for _, es := range [][]history.Event{b.t.Client, b.t.Origin, b.t.Fault} {
		slices.SortStableFunc(es, byTime)
	}
	return b.t
}

type bulk struct {
	rng   *rand.Rand
	t     *history.Trial
	conns int               // of the load, made so far
	pool  [32]history.Event // its kept connections: Conn, Nth, Local
	back  [32]history.Event // the subject's, to the origin
}

// hundred is the classes of a hundred arrivals.
var hundred = []struct {
	share int
	class history.Class
	size  int64
	hold  int64
}{{66, history.Short, 1024, 0}, {14, history.Fresh, 1024, 0}, {8, history.Upload, 16384, 0}, {5, history.Slow, 1024, 200 * ms}, {5, history.Stream, 65536, 300 * ms}, {2, history.Control, 1024, 0}}

func (b *bulk) plan(requests, trial int) {
	p := &b.t.Plan
	*p = history.Plan{Version: history.PlanVersion, Scenario: "network/bulk", Description: "many requests while a relay resets some", Engine: "timeline", Subject: "go", Seed: 1, Trial: trial,
		Replicas: 1, Timeout: 2000 * ms, Back: []string{"wire"}, Promise: history.Promise{Signal: "TERM", Grace: 3000 * ms, ExitCodes: []int{0}},
		Settings: history.Settings{Grace: 3000 * ms, ReadHeader: 1000 * ms, StreamIdle: 1000 * ms, Connect: 500 * ms, ResponseHeader: 2000 * ms},
		Expect:   history.Expectation{Allow: []history.Outcome{history.Truncated, history.EOF}, Statuses: []int{502}, Recovery: 500 * ms}}
	at := int64(0)
	for n := range requests {
		at += int64(b.rng.ExpFloat64() * float64(ms) / 2)
		a := history.Arrival{At: at, ID: fmt.Sprintf("%04d-%08x", n+1, b.rng.Uint32())}
		k := b.rng.IntN(100)
		for _, m := range hundred {
			if k -= m.share; k < 0 {
				a.Class, a.Size, a.Hold = m.class, m.size, m.hold
				break
			}
		}
		p.Arrivals = append(p.Arrivals, a)
	}
	third := at / 3
	p.Duration = at + 1000*ms
	p.Faults = []history.Fault{{ID: "f1", Kind: "wire.rst-at", Leg: "back", At: third, For: third, With: json.RawMessage(`{"share":0.01}`)}}
	p.Phases = []history.Phase{{Name: "baseline", To: third}, {Name: "fault", From: third, To: 2 * third}, {Name: "recovery", From: 2 * third, To: p.Duration}}
}

func (b *bulk) port() string { return fmt.Sprintf("127.0.0.1:%d", 32768+b.rng.IntN(28000)) }

func (b *bulk) origin(at int64, e history.Event) {
	e.T, e.Node = b.t.Info.T0+at, "origin"
	b.t.Origin = append(b.t.Origin, e)
}

func (b *bulk) bed(f history.Fault) {
	for _, e := range []history.Event{{T: f.At, Kind: history.Inject, AgeNs: 1_200_345}, {T: f.At + 30*ms, Kind: history.Bite, Node: "wire-back", Count: 14, Detail: "connections reset"},
		{T: f.End(), Kind: history.Lift, AgeNs: 803_287}} {
		e.T, e.ID = e.T+b.t.Info.T0, f.ID
		if e.Node == "" {
			e.Node = "bed"
		}
		b.t.Fault = append(b.t.Fault, e)
	}
}

// about is a time that jitters by the nanosecond.
func (b *bulk) about(ns int64) int64 { return ns/2 + int64(b.rng.ExpFloat64()*float64(ns)/2) }

// arrive writes both sides of one arrival.
func (b *bulk) arrive(a history.Arrival) {
	t0 := b.t.Info.T0
	begin := history.Event{T: t0 + a.At + b.about(80_000), Kind: history.Begin, Node: "load", ID: a.ID, Class: a.Class, Planned: t0 + a.At}
	end := begin
	end.Kind, end.Outcome, end.Phase, end.Status, end.Bytes, end.Want = history.End, history.OK, "body", 200, a.Size, a.Size
	at := b.connect(begin.T, a, &end)
	end.Sent = at + b.about(60_000)
	asked := end.Sent + b.about(250_000)
	answered := asked + b.about(40_000) + a.Hold
	end.FirstByte = answered - a.Hold + b.about(300_000)
	end.T = max(end.FirstByte, answered) + b.about(90_000)
	f := b.t.Plan.Faults[0]
	reset := a.Class != history.Control && a.At > f.At && a.At < f.End() && b.rng.IntN(100) == 0
	if reset {
		end.Outcome, end.Status, end.Bytes, end.Want, end.Phase, end.FirstByte = history.EOF, 0, 0, 0, "head", 0
		end.Detail = fmt.Sprintf("read tcp %s->127.1.2.3:8080: read: connection reset by peer", end.Local)
	}
	b.t.Client = append(b.t.Client, begin, end)
	b.behind(a, asked-t0, answered-t0, reset)
}

// connect picks the load's connection: one of 32 that are kept, or a new one.
func (b *bulk) connect(at int64, a history.Arrival, end *history.Event) int64 {
	slot := &b.pool[b.rng.IntN(len(b.pool))]
	if a.Class == history.Fresh {
		slot = &history.Event{}
	}
	if slot.Nth == 0 {
		b.conns++
		slot.Conn, slot.Local = fmt.Sprintf("c%d", b.conns), b.port()
		at += b.about(150_000)
		end.Connected = at
	}
	slot.Nth++
	end.Conn, end.Nth, end.Local = slot.Conn, slot.Nth, slot.Local
	return at
}

// behind writes what the origin saw.
func (b *bulk) behind(a history.Arrival, asked, answered int64, reset bool) {
	slot := &b.back[b.rng.IntN(len(b.back))]
	if slot.Nth == 0 || reset {
		if reset && slot.Nth > 0 {
			b.origin(answered+b.about(30_000), history.Event{Kind: history.ConnClose, Conn: slot.Conn, Nth: slot.Nth, Bytes: int64(slot.Nth) * 113})
		}
		b.conns++
		*slot = history.Event{Conn: fmt.Sprintf("o%d", b.conns)}
		b.origin(asked-b.about(90_000), history.Event{Kind: history.ConnOpen, Conn: slot.Conn, Peer: b.port()})
	}
	slot.Nth++
	method := "GET"
	if a.Class == history.Upload {
		method = "POST"
	}
	b.origin(asked, history.Event{Kind: history.Request, ID: a.ID, Class: a.Class, Conn: slot.Conn, Nth: slot.Nth, Detail: method + " /fb/" + string(a.Class) + "/" + a.ID})
	if a.Class == history.Upload {
		b.origin(asked+(answered-asked)/2, history.Event{Kind: history.UploadDone, ID: a.ID, Class: a.Class, Conn: slot.Conn, Bytes: a.Size, Want: a.Size, Outcome: history.OK})
	}
	done := history.Event{Kind: history.Response, ID: a.ID, Class: a.Class, Conn: slot.Conn, Bytes: a.Size, Want: a.Size, Outcome: history.OK}
	if reset {
		done.Outcome, done.Bytes, done.Detail = history.Truncated, a.Size/3, "write: connection reset by peer"
	}
	b.origin(answered, done)
}
