package scenario

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"faultbed/faults"
	"faultbed/fixtures/raw"
	"faultbed/fixtures/script"
	"faultbed/proxy"
	"faultbed/reports/history"
)

// controlEvery is the spacing of the control arm: requests straight to the
// origin, all through the trial.
const controlEvery = 100 * time.Millisecond

// defaults of the subject's settings on the bed; a scenario overrides them.
var bedSettings = history.Settings{
	ReadHeader:     int64(5 * time.Second),
	StreamIdle:     int64(2 * time.Second),
	Connect:        int64(time.Second),
	ResponseHeader: int64(1500 * time.Millisecond),
}

// Supports tells whether the subject has what the scenario requires, and what
// it lacks if not.
func Supports(s *Scenario, spec *proxy.Spec) (bool, string) {
	for _, c := range s.Requires {
		if !spec.Has(c) {
			return false, "the subject does not declare capability " + c
		}
	}
	for _, f := range s.Faults {
		if k, _ := faults.Find(f.Fault); k.Needs != "" && k.By == faults.Host && !spec.Has(k.Needs) {
			return false, fmt.Sprintf("%s needs a subject with capability %s", f.Fault, k.Needs)
		}
	}
	return true, ""
}

// Here tells whether this host and runtime can have a scenario's faults, and what
// they lack if not.
func Here(s *Scenario, runtime string) (bool, string) {
	for _, f := range s.Faults {
		k, _ := faults.Find(f.Fault)
		if len(k.Runtimes) > 0 && !slices.Contains(k.Runtimes, runtime) {
			return false, fmt.Sprintf("%s can't be had in the %s runtime", f.Fault, runtime)
		}
		if strings.HasPrefix(f.Fault, "packet.") && runtime == "process" && s.Replicas > 1 {
			return false, f.Fault + " can't tell replicas apart in the process runtime: they share the machine's address"
		}
		if k.By != faults.Host { // the node on which it would act decides
			continue
		}
		if err := faults.Probe(f.Fault); err != nil {
			return false, fmt.Sprintf("%s can't be had here: %v", f.Fault, err)
		}
	}
	return true, ""
}

// source draws one stream of dice per part of a plan, so that a change in one
// part leaves the others' throws as they were.
func source(seed uint64, parts ...string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(strings.Join(parts, "\x00")))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// Resolve makes the plan of one trial. It is a pure function of its arguments.
func Resolve(s *Scenario, spec *proxy.Spec, variant string, seed uint64, trial int) (history.Plan, error) {
	p := history.Plan{
		Version: history.PlanVersion, Scenario: s.Name, Description: s.Description, Engine: s.Engine,
		Subject: spec.Name, Variant: variant, Seed: seed, Trial: trial, Exclusive: s.Exclusive, Replicas: s.Replicas,
		Promise: promise(spec), Propagation: int64(s.Propagation), Out: int64(s.Out),
		Duration: int64(s.Duration), Timeout: int64(s.Timeout), Expect: s.expectation(), Settings: s.settings(spec),
		Cases: s.Cases, Clients: s.Clients, Arrivals: []history.Arrival{}, Faults: []history.Fault{},
	}
	for _, o := range s.Offsets {
		p.Offsets = append(p.Offsets, int64(o))
	}
	if err := s.resolveFaults(&p); err != nil {
		return p, err
	}
	s.arrivals(&p, spec)
	s.phases(&p)
	p.TLS = s.Engine == TLSFront || slices.ContainsFunc(p.Arrivals, func(a history.Arrival) bool {
		return a.Class == history.H2 || a.Class == history.H2Stream || a.Over == "h2"
	}) || slices.ContainsFunc(p.Faults, func(f history.Fault) bool { return faults.NeedsTLS(f.Kind) })
	return p, nil
}

func promise(spec *proxy.Spec) history.Promise {
	return history.Promise{Signal: spec.Drain.Signal, Grace: int64(spec.Drain.Grace), ExitCodes: spec.Drain.ExitCodes, Declares: spec.Declares}
}

func (s *Scenario) expectation() history.Expectation {
	e := s.Expect
	return history.Expectation{Allow: outcomes(e.Allow), Statuses: e.Statuses, MinOK: e.MinOK, Recovery: int64(e.Recovery),
		Drain: e.Drain, Killed: e.Killed, Dies: e.Dies, MaxRSS: e.MaxRSS << 20, MaxCPU: e.MaxCPU, Bystanders: outcomes(e.Bystanders),
		Faulty: outcomes(e.Faulty), Again: outcomes(e.Again), Concurrent: outcomes(e.Concurrent), Ends: e.Ends, Exit: e.Exit}
}

func (s *Scenario) settings(spec *proxy.Spec) history.Settings {
	y, d := s.Settings, bedSettings
	return history.Settings{
		Grace:          cmp.Or(int64(y.Grace), int64(spec.Drain.Grace)),
		ShutdownDelay:  int64(y.ShutdownDelay),
		ReadHeader:     cmp.Or(int64(y.ReadHeader), d.ReadHeader),
		StreamIdle:     cmp.Or(int64(y.StreamIdle), d.StreamIdle),
		Connect:        cmp.Or(int64(y.Connect), d.Connect),
		ResponseHeader: cmp.Or(int64(y.ResponseHeader), d.ResponseHeader),
	}
}

func (s *Scenario) resolveFaults(p *history.Plan) error {
	for i, f := range s.Faults {
		with, err := faults.Validate(f.Fault, f.With)
		if err != nil {
			return err
		}
		after, err := s.awaits(f)
		if err != nil {
			return err
		}
		k, _ := faults.Find(f.Fault)
		p.Faults = append(p.Faults, s.repetitions(p, i, history.Fault{ID: "f" + strconv.Itoa(i+1), Kind: f.Fault, Leg: f.Leg,
			At: int64(f.At), After: after, Delay: int64(f.Delay), For: int64(f.For), Replica: f.Replica, With: with})...)
		leg := &p.Back
		if f.Leg == "front" {
			leg = &p.Front
		}
		if by := string(k.By); (k.By == faults.Wire || k.By == faults.Toxiproxy) && !slices.Contains(*leg, by) {
			*leg = append(*leg, by)
		}
		p.Crash = p.Crash || k.By == faults.Hook
		p.Names = p.Names || strings.HasPrefix(f.Fault, "dns.")
	}
	slices.Sort(p.Back)
	return nil
}

func (s *Scenario) arrivals(p *history.Plan, spec *proxy.Spec) {
	for i, l := range s.Load {
		if l.Needs != "" && !spec.Has(l.Needs) {
			continue
		}
		rng := source(p.Seed, "load", s.Name, strconv.Itoa(i), strconv.Itoa(p.Trial))
		first := min(1, l.Lanes)
		lane, n := first, 0
		for _, at := range l.instants(rng) {
			p.Arrivals = append(p.Arrivals, l.arrival(at, lane, n))
			n++
			if lane++; lane > l.Lanes {
				lane = first
			}
		}
	}
	s.crashes(p)
	s.control(p)
	slices.SortStableFunc(p.Arrivals, func(a, b history.Arrival) int { return cmp.Compare(a.At, b.At) })
	rng := source(p.Seed, "ids", s.Name, p.Subject, p.Variant, strconv.Itoa(p.Trial))
	for i := range p.Arrivals {
		a := &p.Arrivals[i]
		a.ID = fmt.Sprintf("%04d-%08x", i+1, rng.Uint32())
		a.Replica = s.replica(p, i, a.At)
	}
}

// rawSets are the words for many raw requests, each in turn.
var rawSets = map[string][]string{"*": raw.Names(), "core": raw.Core()}

// arrival is the n-th of the item, on a lane that is shared with no other item.
func (l LoadItem) arrival(at int64, lane, n int) history.Arrival {
	a := history.Arrival{At: at, Class: history.Class(l.Class), Size: l.Size, Hold: int64(l.Hold), Script: l.Script, Param: l.Raw}
	if lane > 0 {
		a.Lane = l.firstLane + lane - 1
	}
	if names, each := rawSets[l.Raw]; each {
		a.Param = names[n%len(names)]
	}
	if seed, ok := raw.Find(a.Param); ok && l.Raw != "" {
		a.Lawful = string(seed.Lawful)
	}
	if do, _ := script.Parse(l.Script); do.Verb == "raw" {
		if names := raw.AnswerNames(); do.How == script.Each {
			do.How = names[n%len(names)]
		}
		answer, _ := raw.FindAnswer(do.How)
		a.Script, a.Lawful = do.String(), answer.Allow
	}
	if l.Client != "careful" {
		a.Client = l.Client
	}
	return a
}

// instants are the planned times of one item, from T0, in order.
func (l LoadItem) instants(rng *rand.Rand) []int64 {
	var out []int64
	for range l.Count {
		out = append(out, int64(l.At))
	}
	for at := l.From; l.Burst > 0 && at < l.To; at += l.Every {
		for range l.Burst {
			out = append(out, int64(at))
		}
	}
	for _, at := range l.trace {
		if at < int64(l.To-l.From) {
			out = append(out, int64(l.From)+at)
		}
	}
	if l.Rate <= 0 {
		return out
	}
	// The n-th arrival comes when the rate's integral reaches the sum of n gaps,
	// each 1 (uniform) or drawn from the unit exponential (Poisson).
	for n := l.gap(rng); ; n += l.gap(rng) {
		at, ok := l.reach(n)
		if !ok {
			return out
		}
		out = append(out, int64(l.From)+at)
	}
}

func (l LoadItem) gap(rng *rand.Rand) float64 {
	if l.Arrivals == "uniform" {
		return 1
	}
	return rng.ExpFloat64()
}

// reach is when the expected number of arrivals reaches n, ns from From: the
// root of rate·t + (rate_to-rate)·t²/2·span = n.
func (l LoadItem) reach(n float64) (int64, bool) {
	span := time.Duration(l.To - l.From).Seconds()
	slope := 0.0
	if l.RateTo > 0 && span > 0 {
		slope = (l.RateTo - l.Rate) / span
	}
	d := l.Rate*l.Rate + 2*slope*n
	if d < 0 {
		return 0, false
	}
	t := 2 * n / (l.Rate + math.Sqrt(d)) // the form that is stable where slope is 0
	return int64(t * float64(time.Second)), t < span
}

// crashes adds the request that carries each crash hook.
func (s *Scenario) crashes(p *history.Plan) {
	for _, f := range p.Faults {
		hook, ok := strings.CutPrefix(f.Kind, "crash.")
		if !ok {
			continue
		}
		var with struct {
			Seconds int64  `json:"seconds"`
			Over    string `json:"over"`
		}
		json.Unmarshal(f.With, &with)
		a := history.Arrival{At: f.At, Class: history.Crash, Size: 4096, Hook: hook}
		switch with.Over {
		case "lane":
			a.Lane = 1
		case "new", "h2":
			a.Over = with.Over
		}
		if with.Seconds > 0 {
			a.Param = strconv.FormatFloat(time.Duration(with.Seconds).Seconds(), 'f', -1, 64)
		}
		p.Arrivals = append(p.Arrivals, a)
	}
}

// control adds the control arm, save where the origin itself is taken away.
func (s *Scenario) control(p *history.Plan) {
	if s.Engine != Timeline {
		return
	}
	var last int64 // held connections need no control
	for _, a := range p.Arrivals {
		if !a.Class.IsHeld() {
			last = max(last, a.At+a.Hold)
		}
	}
	for at := int64(controlEvery) / 2; at < last; at += int64(controlEvery) {
		if !slices.ContainsFunc(p.Faults, func(f history.Fault) bool {
			return f.Kind == "origin.down" && at > f.At-int64(p.Timeout)/10 && at < f.End()+int64(controlEvery)
		}) {
			p.Arrivals = append(p.Arrivals, history.Arrival{At: at, Class: history.Control, Size: 1024})
		}
	}
}

// replica is the one that a client would choose: round robin over those that it
// believes to be there. It learns of a restart only after the propagation delay.
func (s *Scenario) replica(p *history.Plan, i int, at int64) int {
	var known []int
	for r := range p.Replicas {
		out := slices.ContainsFunc(p.Faults, func(f history.Fault) bool {
			return leaves(f.Kind) && f.Replica == r && at >= f.At+int64(s.Propagation) && at < f.At+int64(s.Out)
		})
		if !out {
			known = append(known, r)
		}
	}
	if len(known) == 0 {
		return i % p.Replicas
	}
	return known[i%len(known)]
}

// phases names what lies before, between and after the faults. Where one waits
// for an event nobody knows before.
func (s *Scenario) phases(p *history.Plan) {
	if s.Engine != Timeline || len(p.Faults) == 0 || len(awaited(*p)) > 0 {
		return
	}
	from, to := p.Faults[0].At, p.Faults[0].End()
	for _, f := range p.Faults {
		from, to = min(from, f.At), max(to, f.End())
	}
	p.Phases = []history.Phase{{Name: "baseline", From: 0, To: from}, {Name: "fault", From: from, To: to}, {Name: "recovery", From: to, To: p.Duration}}
}
