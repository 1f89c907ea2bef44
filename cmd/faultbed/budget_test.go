package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"faultbed/reports/check"
	"faultbed/reports/gate"
	"faultbed/reports/history"
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"pgregory.net/rapid"
)

// bench drives a spender as a campaign does, on a clock of its own: each trial
// takes its cell's time and fails at its cell's rate.
type bench struct {
	t     testing.TB
	s     *spender
	clock time.Time
	cells map[string]cellModel
	rng   *rand.Rand
}

type cellModel struct {
	rate      float64
	takes     time.Duration
	exclusive bool
	undecided bool
	ends      int // its subject can't be set up again after so many trials; 0: never
}

func rules(t testing.TB, text string) *gate.File {
	if text == "" {
		return &gate.File{}
	}
	f, err := gate.Load("gate.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func newBench(t testing.TB, file string, budget time.Duration, keepGoing bool, seed uint64, cells map[string]cellModel) *bench {
	b := &bench{t: t, s: newSpender(rules(t, file), budget, keepGoing), clock: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC), cells: cells, rng: rand.New(rand.NewPCG(seed, seed))}
	b.s.another = func(scenario, subject, variant string, trial int) (history.Plan, error) {
		return history.Plan{Scenario: scenario, Subject: subject, Variant: variant, Trial: trial, Exclusive: cells[scenario].exclusive}, nil
	}
	b.s.read = b.judged
	old := now
	now = func() time.Time { return b.clock }
	if tt, ok := t.(interface{ Cleanup(func()) }); ok {
		tt.Cleanup(func() { now = old })
	}
	return b
}

func (b *bench) judged(p history.Plan) (verdict.Trial, error) {
	t := verdict.Trial{Key: p.Key(), Scenario: p.Scenario, Subject: p.Subject, Trial: p.Trial, Verdict: verdict.Pass, Reasons: []string{"so"}}
	switch m := b.cells[p.Scenario]; {
	case m.ends > 0 && p.Trial > m.ends:
		return t, errors.New("it never began")
	case m.undecided:
		t.Verdict = verdict.Inconclusive
	case b.rng.Float64() < m.rate:
		t.Verdict, t.Violations = verdict.Fail, []check.Violation{{Check: "during"}}
	}
	return t, nil
}

// batch executes plans as a campaign does: exclusive ones one after another,
// light ones side by side.
func (b *bench) batch(plans []history.Plan, ask bool) {
	longest := time.Duration(0)
	for _, p := range plans {
		if ask && !b.s.begin(p) {
			continue
		}
		b.s.step(campaign.Progress{Stage: "trial", Text: p.Key()})
		if p.Exclusive {
			b.clock = b.clock.Add(b.cells[p.Scenario].takes)
		} else {
			longest = max(longest, b.cells[p.Scenario].takes)
		}
		b.s.step(campaign.Progress{Stage: "done", Text: p.Key()})
	}
	b.clock = b.clock.Add(longest)
}

// run spends the budget and returns the gate's last word.
func (b *bench) run() gate.Result {
	var first []history.Plan
	for name, m := range b.cells {
		first = append(first, history.Plan{Scenario: name, Subject: "go", Trial: 1, Exclusive: m.exclusive})
	}
	slices.SortFunc(first, func(x, y history.Plan) int { return strings.Compare(x.Scenario, y.Scenario) })
	for _, p := range first {
		b.batch([]history.Plan{p}, true)
	}
	for {
		more, err := b.s.next()
		if err != nil {
			b.t.Fatal(err)
		}
		if len(more) == 0 {
			return b.s.judge()
		}
		b.batch(more, false)
	}
}

func (b *bench) made(name string) int { return b.s.done[cellKey{name, "go", ""}] }

const tenPercent = "limits: [{scenario: '*/*', failure_rate: 10%}]"

// TestBudgetPassesNothingFalsely: of proxies that fail exactly as often as is
// allowed, at most one in twenty may be passed, however the budget was spent.
func TestBudgetPassesNothingFalsely(t *testing.T) {
	const proxies = 500
	passed, failed := 0, 0
	for i := range proxies {
		b := newBench(t, tenPercent, 5*time.Minute, false, uint64(i), map[string]cellModel{"a/at-the-limit": {rate: 0.1, takes: 10 * time.Second}})
		switch b.run().Verdict {
		case verdict.Pass:
			passed++
		case verdict.Fail:
			failed++
		}
	}
	t.Logf("of %d proxies at the limit %d were passed and %d failed", proxies, passed, failed)
	if most := proxies / 20; passed > most || failed > most {
		t.Errorf("of %d proxies at the limit %d were passed and %d failed", proxies, passed, failed)
	}
	if passed+failed == 0 {
		t.Error("a gate that never decides")
	}
}

func TestBudgetEndsEarly(t *testing.T) {
	cells := map[string]cellModel{"a/bad": {rate: 1, takes: time.Second, exclusive: true}, "b/good": {takes: time.Second, exclusive: true}, "c/slow": {takes: time.Minute, exclusive: true}}
	b := newBench(t, tenPercent, time.Hour, false, 1, cells)
	if g := b.run(); g.Verdict != verdict.Fail || !strings.Contains(b.s.account().Stopped, "failed for good: a/bad on go") || b.made("b/good") > 40 {
		t.Errorf("%s, %+v", g.Verdict, b.s.account())
	}
	b = newBench(t, tenPercent, 3*time.Hour, true, 1, cells)
	if g := b.run(); g.Verdict != verdict.Fail || b.s.account().Stopped != "nothing is left that more trials would decide" || b.made("a/bad") > 5 || b.made("b/good") != 32 || b.made("c/slow") != 32 {
		t.Errorf("keep going: %s, %+v", g.Verdict, b.s.account())
	}
	b = newBench(t, tenPercent, 20*time.Minute, true, 1, cells)
	if g := b.run(); g.Of("b/good", "go", "") != verdict.Pass || g.Of("c/slow", "go", "") != verdict.Inconclusive {
		t.Errorf("the dear one comes last: %+v", g.Decisions)
	}
}

func TestBudgetWithoutLimits(t *testing.T) {
	cells := map[string]cellModel{"a/good": {takes: time.Second, exclusive: true}, "b/noise": {takes: time.Second, exclusive: true, undecided: true}}
	b := newBench(t, "", time.Minute, false, 1, cells)
	g := b.run()
	if n := b.made("b/noise"); n != 3 {
		t.Errorf("%d trials of what can't be decided, want 3", n)
	}
	if n := b.made("a/good"); g.Verdict != verdict.Inconclusive || n < 50 {
		t.Errorf("%s, %d trials of what might yet break its promise", g.Verdict, n)
	}
	cells["a/good"] = cellModel{rate: 0.2, takes: time.Second}
	delete(cells, "b/noise")
	if g := newBench(t, "", time.Hour, false, 1, cells).run(); g.Verdict != verdict.Fail {
		t.Errorf("one in five breaks a promise: %s", g.Verdict)
	}
}

// TestBudgetIsKept: whatever cells there are, no more is spent than the budget and
// the longest trial.
func TestBudgetIsKept(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cells, longest := map[string]cellModel{}, time.Duration(0)
		for i := range rapid.IntRange(1, 6).Draw(rt, "cells") {
			m := cellModel{rate: rapid.SampledFrom([]float64{0, 0.05, 0.5}).Draw(rt, "rate"), exclusive: rapid.Bool().Draw(rt, "exclusive"),
				takes: time.Duration(rapid.IntRange(1, 90).Draw(rt, "s")) * time.Second, undecided: rapid.IntRange(0, 4).Draw(rt, "u") == 0}
			cells[fmt.Sprint("s/", i)] = m
			longest = max(longest, m.takes)
		}
		budget := time.Duration(rapid.IntRange(1, 600).Draw(rt, "budget")) * time.Second
		b := newBench(t, rapid.SampledFrom([]string{"", tenPercent}).Draw(rt, "file"), budget, rapid.Bool().Draw(rt, "keep going"), 7, cells)
		start := b.clock
		b.run()
		if used := b.clock.Sub(start); used >= budget+longest {
			rt.Fatalf("%v spent of %v, the longest trial takes %v", used, budget, longest)
		}
		if s := b.s.account(); s.Stopped == "" || s.Trials != len(b.s.res.Trials) {
			rt.Fatalf("account %+v of %d trials", s, len(b.s.res.Trials))
		}
	})
}

// TestBudgetLeavesTheDead: a subject that can't be set up any more takes no more
// trials, and does not keep the gate from its end.
func TestBudgetLeavesTheDead(t *testing.T) {
	b := newBench(t, tenPercent, time.Hour, true, 1, map[string]cellModel{"a/dies": {takes: 0, ends: 2, exclusive: true}, "b/good": {takes: time.Second}})
	g := b.run()
	k := cellKey{"a/dies", "go", ""}
	if n := b.made("a/dies"); n != 2 || b.s.made[k] != 3 || g.Of("b/good", "go", "") != verdict.Pass {
		t.Errorf("%d trials of what can't be set up after two, %d planned; %+v", n, b.s.made[k], g.Decisions)
	}
}

// TestBudgetOfWhatNeverBegan: a trial that ended without having begun has no
// beginning that a time could count from, and is none that was made.
func TestBudgetOfWhatNeverBegan(t *testing.T) {
	b := newBench(t, tenPercent, time.Hour, true, 1, map[string]cellModel{"a/b": {takes: time.Second, ends: 1}})
	p := history.Plan{Scenario: "a/b", Subject: "go", Trial: 2}
	b.s.begin(p)
	b.s.step(campaign.Progress{Stage: "done", Text: p.Key()})
	if k := keyOf(p); b.s.took[k] != 0 || b.s.done[k] != 0 || b.s.cost(gate.Need{Scenario: "a/b", Subject: "go"}) != guess {
		t.Errorf("took %v, done %d", b.s.took[k], b.s.done[k])
	}
}
