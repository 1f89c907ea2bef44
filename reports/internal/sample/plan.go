package sample

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"faultbed/reports/history"
)

const ms = int64(time.Millisecond)

// scenario is what the sample knows of one; the real ones are YAML.
type scenario struct {
	name, description, engine string
	variants                  []string
	subjects                  []string // empty: all
	duration                  int64
	replicas                  int
	load                      []item
	faults                    []history.Fault
	expect                    history.Expectation
}

type item struct {
	class       history.Class
	rate        float64 // per second; 0: count at from
	count       int
	from, to    int64
	hold, bytes int64
}

var steady = []item{
	{class: history.Short, rate: 40, to: 2900 * ms, bytes: 2048},
	{class: history.Fresh, rate: 5, to: 2900 * ms, bytes: 2048},
	{class: history.Slow, rate: 5, to: 2700 * ms, hold: 200 * ms},
	{class: history.Upload, rate: 5, to: 2800 * ms, bytes: 32768},
	{class: history.Stream, rate: 3, to: 2600 * ms, hold: 300 * ms, bytes: 65536},
}

var mix = []item{
	{class: history.Short, rate: 40, to: 1800 * ms, bytes: 2048},
	{class: history.Fresh, rate: 50, from: 300 * ms, to: 1800 * ms, bytes: 2048},
	{class: history.Slow, rate: 15, to: 1800 * ms, hold: 400 * ms, bytes: 2048},
	{class: history.Upload, rate: 5, to: 1800 * ms, bytes: 262144},
	{class: history.Stream, count: 2, from: 400 * ms, hold: 1200 * ms, bytes: 65536},
	{class: history.WebSocket, count: 2, from: 200 * ms, hold: 10_000 * ms},
	{class: history.Idle, count: 2, from: 300 * ms, hold: 10_000 * ms},
	{class: history.Silent, count: 2, from: 300 * ms, hold: 10_000 * ms},
	{class: history.HalfHeader, count: 2, from: 300 * ms, hold: 10_000 * ms},
	{class: history.H2, rate: 10, to: 1800 * ms, bytes: 2048},
}

var beside = []item{
	{class: history.Short, rate: 40, to: 2300 * ms, bytes: 2048},
	{class: history.Slow, rate: 25, to: 2000 * ms, hold: 300 * ms, bytes: 2048},
	{class: history.Fresh, rate: 10, to: 2300 * ms, bytes: 2048},
}

func fault(id, kind, leg string, at, length int64, with string) history.Fault {
	return history.Fault{ID: id, Kind: kind, Leg: leg, At: at * ms, For: length * ms, With: json.RawMessage(with)}
}

func replica(f history.Fault, r int) history.Fault { f.Replica = r; return f }

var both = []string{"pid1", "init"}

var scenarios = []scenario{
	{name: "network/latency", description: "The origin becomes 100 ms slower, with jitter, and fast again; nothing may fail.", duration: 3000 * ms,
		load: steady, faults: []history.Fault{fault("f1", "toxic.latency", "back", 700, 1200, `{"latency":100000000,"jitter":30000000}`)},
		expect: history.Expectation{MinOK: 1, Recovery: 500 * ms}},
	{name: "network/origin-down", description: "The origin goes away and comes back; meanwhile the subject says so at once, afterwards it recovers.", duration: 3000 * ms,
		load: steady, faults: []history.Fault{fault("f1", "toxic.down", "back", 700, 900, `{}`)},
		expect: history.Expectation{Statuses: []int{502, 503, 504}, Allow: []history.Outcome{history.Truncated}, Recovery: 600 * ms}},
	{name: "network/back-rst", description: "Responses of the origin are reset after 20000 bytes of their connection; a response that was cut must look cut.", duration: 3000 * ms,
		load: steady, faults: []history.Fault{fault("f1", "wire.rst-at", "back", 700, 1200, `{"at_byte":20000}`)},
		expect: history.Expectation{Statuses: []int{502}, Allow: []history.Outcome{history.Truncated}, Recovery: 300 * ms}},
	{name: "drain/sigterm", description: "One drain signal under load with everything in flight: idle, silent, half a head, short, long, WebSocket, HTTP/2.", duration: 4000 * ms,
		variants: both, load: mix, faults: []history.Fault{fault("f1", "process.signal", "", 800, 0, `{"signal":"drain"}`)}, expect: history.Expectation{Drain: true}},
	{name: "drain/storm", description: "Twenty drain signals, 100 ms apart; the first decides, the others change nothing.", duration: 4000 * ms,
		variants: both, load: mix, faults: []history.Fault{fault("f1", "process.signal", "", 800, 0, `{"signal":"drain","times":20,"spacing":100000000}`)}, expect: history.Expectation{Drain: true}},
	{name: "drain/rolling", description: "Three replicas drain one after another under five signals each, behind clients that learn of it 300 ms late.", duration: 6000 * ms, replicas: 3,
		variants: both, load: []item{{class: history.Short, rate: 40, to: 5800 * ms, bytes: 2048}, {class: history.Fresh, rate: 30, to: 5800 * ms, bytes: 2048}},
		faults: []history.Fault{fault("f1", "process.restart", "", 500, 0, `{"signal":"drain","times":5,"spacing":40000000}`),
			replica(fault("f2", "process.restart", "", 2200, 0, `{"signal":"drain","times":5,"spacing":40000000}`), 1),
			replica(fault("f3", "process.restart", "", 3900, 0, `{"signal":"drain","times":5,"spacing":40000000}`), 2)},
		expect: history.Expectation{Drain: true, MinOK: 1}},
	{name: "drain/starting", description: "A drain signal at five moments while the subject starts; it must end it, and not be lost.", engine: "starting", variants: both, expect: history.Expectation{Drain: true}},
	{name: "drain/sigkill", description: "The control: SIGKILL under the same load, which loses what is in flight, and is seen to.", duration: 4000 * ms,
		variants: both, load: mix, faults: []history.Fault{fault("f1", "process.signal", "", 800, 0, `{"signal":"KILL"}`)}, expect: history.Expectation{Killed: true}},
	{name: "panics/go-panic", description: "A handler panics before it answers: its own connection closes, no other request notices.", duration: 2400 * ms, subjects: []string{"go"},
		load: beside, faults: []history.Fault{fault("f1", "crash.panic", "", 1000, 0, `{}`)}},
	{name: "panics/python-block-loop", description: "A handler blocks the event loop for 1 s: everyone waits, nobody is lost.", duration: 2400 * ms, subjects: []string{"python"},
		load: beside, faults: []history.Fault{fault("f1", "crash.block-loop", "", 1000, 0, `{"seconds":1000000000}`)}},
	{name: "tls/back", description: "The subject verifies the origin's chain, one malformed chain after another.", engine: "tls-back"},
	{name: "tls/front", description: "Clients verify the chain that the subject serves.", engine: "tls-front"},
}

var subjects = []string{"go", "python", "nginx"}

// plans resolves all scenarios; what a subject lacks is skipped.
func plans(trials int) (out []history.Plan, skipped []history.Skip) {
	for _, s := range scenarios {
		for _, subject := range subjects {
			if len(s.subjects) > 0 && !slices.Contains(s.subjects, subject) {
				skipped = append(skipped, history.Skip{Scenario: s.name, Subject: subject, Reason: "the subject does not declare capability crash-" + s.subjects[0]})
				continue
			}
			for _, v := range append(s.variants, "")[:max(len(s.variants), 1)] {
				for n := 1; n <= trials; n++ {
					out = append(out, s.plan(subject, v, n))
				}
			}
		}
	}
	return out, skipped
}

func (s scenario) plan(subject, variant string, trial int) history.Plan {
	p := history.Plan{Version: history.PlanVersion, Scenario: s.name, Description: s.description, Engine: s.engine, Subject: subject,
		Variant: variant, Seed: 1, Trial: trial, Replicas: max(s.replicas, 1), Duration: s.duration, Timeout: 1500 * ms,
		Promise: history.Promise{Signal: "TERM", Grace: 2000 * ms, ExitCodes: []int{0}}, Settings: history.Settings{Grace: 2000 * ms},
		Faults: slices.Clone(s.faults), Expect: s.expect}
	switch s.engine {
	case "":
		p.Engine = "timeline"
	case "starting":
		p.Offsets = []int64{5 * ms, 30 * ms, 80 * ms, 200 * ms, 500 * ms}
	}
	rng := dice(p, "plan")
	for _, l := range s.load {
		p.Arrivals = append(p.Arrivals, l.arrivals(rng)...)
	}
	s.extras(&p)
	slices.SortStableFunc(p.Arrivals, func(a, b history.Arrival) int { return int(a.At - b.At) })
	for i := range p.Arrivals {
		p.Arrivals[i].ID = fmt.Sprintf("%04d-%08x", i+1, rng.Uint32())
		p.Arrivals[i].Replica = i % p.Replicas
	}
	return p
}

// extras are the control arm, the crash's own request and the phases.
func (s scenario) extras(p *history.Plan) {
	for at := 50 * ms; at < s.duration*3/5 && len(s.load) > 0; at += 100 * ms {
		p.Arrivals = append(p.Arrivals, history.Arrival{At: at, Class: history.Control, Size: 1024})
	}
	if len(p.Faults) == 0 {
		return
	}
	first, last := p.Faults[0], p.Faults[len(p.Faults)-1]
	p.Phases = []history.Phase{{Name: "baseline", To: first.At}, {Name: "fault", From: first.At, To: last.End()}, {Name: "recovery", From: last.End(), To: p.Duration}}
	if hook, ok := hookOf(first); ok {
		p.Crash = true
		p.Arrivals = append(p.Arrivals, history.Arrival{At: first.At, Class: history.Crash, Hook: hook, Size: 4096})
	}
}

func (l item) arrivals(rng *rand.Rand) (out []history.Arrival) {
	a := history.Arrival{Class: l.class, Size: l.bytes, Hold: l.hold}
	for range l.count {
		a.At = l.from
		out = append(out, a)
	}
	for at := l.from; l.rate > 0; {
		at += int64(rng.ExpFloat64() * 1e9 / l.rate)
		if at >= l.to {
			break
		}
		a.At = at
		out = append(out, a)
	}
	return out
}
