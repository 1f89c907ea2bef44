package verdict

import (
	"cmp"
	"fmt"
	"slices"

	"faultbed/reports/check"
	"faultbed/reports/history"
	"faultbed/reports/stats"
)

// Bounds of validity. A trial outside them says more about the bed than about
// the subject.
const (
	minBegun      = 0.995 // share of the planned arrivals that must have been sent
	maxSendLag    = 20e6  // ns, 99th percentile of the sender's own lag, where times are judged
	lagOfTimeout  = 0.1   // where only outcomes are: share of the timeout that decides them
	maxControlP99 = 250e6 // ns: a control arm slower than this means a starved machine
	maxGenerator  = 0.7   // share of the machine's CPU time that the load may use
	maxShown      = 20    // violations kept in the result
	confidence    = 0.95
)

func overall(r Result) (Verdict, string) {
	var failed, undecided int
	for _, c := range r.Cells {
		switch c.Verdict {
		case Fail:
			failed++
		case Inconclusive:
			undecided++
		}
	}
	switch {
	case failed > 0:
		return Fail, fmt.Sprintf("%d of %d cells broke a promise", failed, len(r.Cells))
	case len(r.Cells) == 0:
		return Inconclusive, "nothing was measured"
	case undecided > 0 || len(r.Missing) > 0:
		return Inconclusive, fmt.Sprintf("%d of %d cells are undecided, %d trials never began", undecided, len(r.Cells), len(r.Missing))
	}
	if r.Manifest.Status != "complete" {
		return Inconclusive, fmt.Sprintf("the run is %s: it did not come to its end", cmp.Or(r.Manifest.Status, "of unknown state"))
	}
	if gone := r.Unavailable(); gone != "" {
		return Inconclusive, fmt.Sprintf("all %d cells kept their promises, but %s", len(r.Cells), gone)
	}
	if r.SelfTest != nil && r.SelfTest.Verdict != Pass {
		return Inconclusive, "all cells kept their promises, but the bed can't be trusted: " + r.SelfTest.Reason
	}
	return Pass, fmt.Sprintf("all %d cells kept their promises", len(r.Cells))
}

// Unavailable names the first subject that was asked for and could not be had, and
// why; nothing if there is none. A capability that a subject lacks is none.
func (r Result) Unavailable() string {
	for _, s := range r.Manifest.Skipped {
		if s.Unavailable {
			return fmt.Sprintf("subject %s could not be had: %s", s.Subject, s.Reason)
		}
	}
	return ""
}

// JudgeTrial judges one trial.
func JudgeTrial(t *history.Trial) Trial { return judge(check.New(t)) }

func judge(v *check.View) Trial {
	t := v.Trial
	p := t.Plan
	j := Trial{Key: p.Key(), Scenario: p.Scenario, Subject: p.Subject, Variant: p.Variant, Trial: p.Trial,
		Runtime: t.Info.Runtime, Status: t.Info.Status}
	if t.Info.T0 != 0 {
		j.Took = v.Rel(v.EndT())
	}
	j.Validity = validity(v)
	j.Faults = bites(v)
	j.Requests = epochs(v)
	j.Ambiguous = ambiguous(v)
	j.Drain, j.Recovery, j.Blast = drain(v), recovery(v), blast(v)
	j.Starting, j.TLS = starting(v), tlsCells(v)
	j.Notes = notes(v)
	violations := check.Find(v)
	j.Found = len(violations)
	j.Sweep = sweep(v, violations)
	j.Violations = shown(violations)
	j.Verdict, j.Reasons = decide(v, j, violations)
	return j
}

// shown is the violations that are kept: the first of each check, so that a
// hundred of one kind hide no other, and then as many as there is room for.
func shown(all []check.Violation) (out []check.Violation) {
	first, kept := map[string]bool{}, map[int]bool{}
	for i, x := range all {
		if !first[x.Check] {
			first[x.Check], kept[i] = true, true
		}
	}
	for i := range all {
		if len(kept) < maxShown {
			kept[i] = true
		}
		if kept[i] {
			out = append(out, all[i])
		}
	}
	return out
}

func notes(v *check.View) (out []string) {
	for _, es := range [][]history.Event{v.Client, v.Origin, v.Fault} {
		for i := range es {
			if es[i].Kind == history.Note {
				out = append(out, es[i].Node+": "+es[i].Detail)
			}
		}
	}
	return out
}

// decide puts validity before verdict, save that a violation which no weakness
// of the bed can explain still fails.
func decide(v *check.View, j Trial, found []check.Violation) (Verdict, []string) {
	invalid, idle := invalidity(v, j), unbitten(j)
	switch {
	case len(invalid) > 0 && !sure(j, v), len(idle) > 0 && !sure(j, v) && !regardless(v, found):
		return Inconclusive, append(invalid, idle...)
	case len(found) > 0:
		return Fail, slices.Concat(reasons(found), invalid, idle)
	}
	return Pass, []string{"every check that applies held"}
}

// reasons has one line for each check that found something: how often, and the
// first.
func reasons(found []check.Violation) (out []string) {
	for _, c := range check.All() {
		var own []check.Violation
		for _, x := range found {
			if x.Check == c.Name {
				own = append(own, x)
			}
		}
		if len(own) > 0 {
			out = append(out, fmt.Sprintf("%s (%d): %s", c.Name, len(own), own[0].What))
		}
	}
	return out
}

// sure tells whether a finding stands even in an invalid trial: foreign or
// altered bytes are nobody's noise. An injector's failure excuses even those.
func sure(j Trial, v *check.View) bool {
	return !v.Info.Injector && slices.ContainsFunc(j.Violations, func(x check.Violation) bool { return x.Check == "integrity" })
}

// invalidity lists why a trial can't count.
func invalidity(v *check.View, j Trial) []string {
	var out []string
	add := func(bad bool, format string, args ...any) {
		if bad {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	va := j.Validity
	add(j.Status != "complete", "the trial is %s: %s", j.Status, v.Info.Error)
	add(j.Status == "complete" && v.Info.Error != "", "the bed or an injector failed: %s", v.Info.Error)
	add(v.Torn, "a ledger ends in the middle of a line")
	for _, d := range defects(v) {
		add(true, "%s", d)
	}
	add(va.Planned > 0 && float64(va.Begun) < minBegun*float64(va.Planned), "only %d of %d planned arrivals were sent", va.Begun, va.Planned)
	add(va.SendLagP99 > maxLag(v.Plan), "the generator was late by %v at the 99th percentile", history.Dur(va.SendLagP99))
	add(va.ControlsBad > 0, "%d of %d control requests, straight to the origin, failed", va.ControlsBad, va.Controls)
	add(va.ControlP99 > maxControlP99, "the control arm took %v at the 99th percentile: a starved machine", history.Dur(va.ControlP99))
	add(va.GeneratorCPU > maxGenerator, "the generator used %.0f %% of the machine", 100*va.GeneratorCPU)
	for _, s := range v.Drains() {
		_, gone := v.ExitAfter(s.Node, s.T)
		add(j.Status == "complete" && !gone, "no exit of %s was recorded after its signal", s.Node)
	}
	for _, c := range v.Cells() {
		add(!c.Judged(), "%s: %s could not judge it: %s", c.ID, c.Class, c.Detail)
	}
	for _, e := range slices.Concat(v.Fault, errorsOf(v.Client)) {
		add(e.Kind == history.Error, "%s: %s", e.Node, e.Detail)
	}
	if why := v.Unbounded(); why != "" {
		add(true, "%s", why)
	}
	e := v.Plan.Expect
	add((len(e.Concurrent) > 0 || e.Ends != "") && len(v.Concurrent()) == 0, "no request was in flight at the origin when the crash struck")
	for _, late := range lateReplicas(v) {
		add(true, "%s", late)
	}
	return out
}

// unbitten tells of faults that touched nothing: a pass over them would be none.
func unbitten(j Trial) (out []string) {
	for _, f := range j.Faults {
		if j.Status == "complete" && f.Bites == 0 {
			out = append(out, fmt.Sprintf("fault %s (%s) bit nothing%s", f.ID, f.Kind, whyNot(f)))
		}
	}
	return out
}

// whyNot says what a fault waited for in vain.
func whyNot(f FaultBite) string {
	if f.After == "" || f.Real != 0 {
		return ""
	}
	return fmt.Sprintf(": its event, %q, did not come", f.After)
}

// regardless tells whether a promise was broken that no fault excuses, bitten or
// not: a request failed while none acted, or the subject died. Of a fault that
// never took effect nobody knows when it acted.
func regardless(v *check.View, found []check.Violation) bool {
	unknown := slices.ContainsFunc(v.Windows, func(w check.Window) bool { return w.From == 0 && !w.Never() })
	return !unknown && slices.ContainsFunc(found, func(x check.Violation) bool { return x.Check == "outside" || x.Check == "survives" })
}

// errorsOf are what the load itself lacked.
func errorsOf(client []history.Event) (out []history.Event) {
	for _, e := range client {
		if e.Kind == history.Error && len(out) < 3 {
			out = append(out, e)
		}
	}
	return out
}

// lateReplicas are restarted ones that were not ready when the plan sent their
// clients back: the plan was too quick for this bed.
func lateReplicas(v *check.View) (out []string) {
	for _, w := range v.Windows {
		if w.Fault.Kind != "process.restart" || w.From == 0 || v.Plan.Out == 0 {
			continue
		}
		if back, ok := v.ReadyAfter(w.Fault, w.From); !ok || back-w.From > v.Plan.Out {
			out = append(out, fmt.Sprintf("subject-%d was not ready again %v after its signal, when its clients came back", w.Fault.Replica, history.Dur(v.Plan.Out)))
		}
	}
	return out
}

// maxLag is how late the sender may be.
func maxLag(p history.Plan) int64 {
	if p.Exclusive {
		return maxSendLag
	}
	return max(maxSendLag, int64(lagOfTimeout*float64(p.Timeout)))
}

func validity(v *check.View) Validity {
	va := Validity{Planned: len(v.Plan.Arrivals), Begun: len(v.Exchanges)}
	if v.Plan.Engine != "timeline" {
		va.Planned = va.Begun
	}
	var lags, controls []int64
	for _, x := range v.Exchanges {
		lags = append(lags, x.Begin.T-x.Begin.Planned)
		if x.Arrival.Class == history.Control && x.End != nil {
			va.Controls++
			if v.OriginAway(x) { // it was planned before anybody knew
				continue
			}
			if x.Outcome() != history.OK && x.Outcome() != history.Aborted {
				va.ControlsBad++
			}
			controls = append(controls, x.End.T-x.Begin.T)
		}
	}
	va.SendLagP50, va.SendLagP99 = stats.Quantile(lags, 0.5), stats.Quantile(lags, 0.99)
	va.ControlP99 = stats.Quantile(controls, 0.99)
	for _, e := range v.Client {
		if e.Kind == history.Spent && e.Count > 0 && e.Nth > 0 {
			va.GeneratorCPU = float64(e.Bytes) / float64(e.Count) / float64(e.Nth)
		}
	}
	return va
}

// ambiguous counts requests of which the client saw a failure and the origin a
// complete exchange: executed, though the client can't know.
func ambiguous(v *check.View) int {
	n := 0
	for _, x := range v.Exchanges {
		done := slices.ContainsFunc(x.Origin, func(e history.Event) bool { return e.Kind == history.Response && e.Outcome == history.OK })
		if x.IsRequest() && x.Outcome() != history.OK && done {
			n++
		}
	}
	return n
}

// epochs counts requests before, during and after the faults. A refusal after a
// drain signal is the contract and is left out of the failures. Only the
// timeline's requests are load; those of other engines ask one question each.
func epochs(v *check.View) []EpochCount {
	out := []EpochCount{{Epoch: "before"}, {Epoch: "during"}, {Epoch: "after"}}
	signal, draining := v.DrainSignal()
	for _, x := range v.Exchanges {
		if !x.IsRequest() || x.Outcome() == history.Aborted || v.Plan.Engine != "timeline" {
			continue
		}
		i := slices.IndexFunc(out, func(e EpochCount) bool { return e.Epoch == v.Epoch(x) })
		failed := x.Outcome() != history.OK
		if draining && v.Plan.Replicas == 1 && x.Begin.T > signal.T && x.Outcome() == history.Refused {
			failed = false
		}
		out[i].add(x, failed)
	}
	for i := range out {
		out[i].close()
	}
	return out
}

func (e *EpochCount) add(x *check.Exchange, failed bool) {
	i := slices.IndexFunc(e.PerClass, func(c ClassCount) bool {
		return c.Class == x.Arrival.Class && c.Client == x.Arrival.Client
	})
	if i < 0 {
		i = len(e.PerClass)
		e.PerClass = append(e.PerClass, ClassCount{Class: x.Arrival.Class, Client: x.Arrival.Client, Kinds: map[history.Outcome]int{}})
	}
	if e.Kinds == nil {
		e.Kinds = map[history.Outcome]int{}
	}
	c := &e.PerClass[i]
	e.N, c.N = e.N+1, c.N+1
	e.Kinds[x.Outcome()]++
	c.Kinds[x.Outcome()]++
	if failed {
		e.Failed, c.Failed = e.Failed+1, c.Failed+1
	}
}

func (e *EpochCount) close() {
	e.Rate = stats.ClopperPearson(e.Failed, e.N, confidence)
	if e.Kinds == nil {
		e.Kinds = map[history.Outcome]int{}
	}
	if e.PerClass == nil {
		e.PerClass = []ClassCount{}
	}
	slices.SortFunc(e.PerClass, func(a, b ClassCount) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.Client, b.Client))
	})
	for i := range e.PerClass {
		c := &e.PerClass[i]
		c.Rate = stats.ClopperPearson(c.Failed, c.N, confidence)
	}
}
