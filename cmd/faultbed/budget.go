package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"faultbed/reports/gate"
	"faultbed/reports/history"
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
)

// side is how many light trials are made at a time; the campaign's own slots.
const side = 4

// guess is what a trial is thought to take before one of its cell was measured.
const guess = 5 * time.Second

// spender spends a budget: one trial of each cell, then further ones where the
// gate's decision is open. It is what the campaign asks for its next plans.
type spender struct {
	another   func(scenario, subject, variant string, trial int) (history.Plan, error)
	read      func(history.Plan) (verdict.Trial, error) // judges a trial that has ended
	rules     *gate.File
	budget    time.Duration
	keepGoing bool

	mu      sync.Mutex
	start   time.Time
	used    time.Duration
	stopped string
	begun   map[string]time.Time // by trial key
	plans   map[string]history.Plan
	made    map[cellKey]int // trials planned
	took    map[cellKey]time.Duration
	done    map[cellKey]int
	dead    map[cellKey]bool
	res     verdict.Result
	said    *gate.Result // of res; nil if it is to be judged anew
}

type cellKey struct{ scenario, subject, variant string }

func keyOf(p history.Plan) cellKey { return cellKey{p.Scenario, p.Subject, p.Variant} }

func newSpender(rules *gate.File, budget time.Duration, keepGoing bool) *spender {
	s := &spender{rules: rules, budget: budget, keepGoing: keepGoing, begun: map[string]time.Time{}, plans: map[string]history.Plan{},
		made: map[cellKey]int{}, took: map[cellKey]time.Duration{}, done: map[cellKey]int{}, dead: map[cellKey]bool{}}
	s.res.Manifest.Status = "complete" // so far
	return s
}

// attach makes a campaign ask the spender.
func (s *spender) attach(opt *campaign.Options) {
	opt.Begin, opt.Next, opt.Progress = s.begin, s.next, s.step
}

// opened shows the spender the campaign, before it runs.
func (s *spender) opened(c *campaign.Campaign) {
	s.another = c.Another
	s.read = func(p history.Plan) (verdict.Trial, error) {
		t, err := history.ReadTrial(history.TrialDir(c.Dir(), p.Key()))
		if err != nil {
			return verdict.Trial{}, err
		}
		return verdict.JudgeTrial(t), nil
	}
}

// begin lets a first trial begin unless the budget is spent or the gate has
// failed for good.
func (s *spender) begin(p history.Plan) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.start.IsZero() {
		s.start = now()
	}
	if s.over() {
		return false
	}
	s.enter(p)
	return true
}

func (s *spender) enter(p history.Plan) {
	s.plans[p.Key()] = p
	s.made[keyOf(p)]++
}

// over tells whether to stop, and remembers why.
func (s *spender) over() bool {
	if s.stopped != "" {
		return true
	}
	if s.used = now().Sub(s.start); s.used >= s.budget {
		s.stopped = "the budget is spent"
		return true
	}
	if s.keepGoing {
		return false
	}
	for _, d := range s.judge().Decisions {
		if d.Verdict == verdict.Fail {
			s.stopped = "the gate has failed for good: " + d.Name()
			return true
		}
	}
	return false
}

// judge is the gate on what there is; the baseline is for the end, for its tests
// allow no second look.
func (s *spender) judge() gate.Result {
	if s.said == nil {
		g := gate.Judge(s.res, s.rules, gate.Options{Day: now(), Sequential: true})
		s.said = &g
	}
	return *s.said
}

// step follows the campaign: it times trials and judges each as it ends.
func (s *spender) step(p campaign.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch plan, ours := s.plans[p.Text]; {
	case !ours:
	case p.Stage == "trial":
		s.begun[p.Text] = now()
	case p.Stage == "done":
		s.ended(plan)
	}
}

func (s *spender) ended(p history.Plan) {
	if at, ok := s.begun[p.Key()]; ok { // one that was refused took no time
		s.took[keyOf(p)] += now().Sub(at)
	}
	j, err := s.read(p)
	if err != nil {
		s.dead[keyOf(p)] = true // it never began, as its subject can't be set up: nor would another
		return
	}
	s.done[keyOf(p)]++
	s.res.Trials, s.said = append(s.res.Trials, j), nil
	if !slices.ContainsFunc(s.res.Cells, func(c verdict.Cell) bool { return keyOf(p) == cellKey{c.Scenario, c.Subject, c.Variant} }) {
		s.res.Cells = append(s.res.Cells, verdict.Cell{Scenario: j.Scenario, Subject: j.Subject, Variant: j.Variant})
	}
}

// next is the trials to make next: those of the cell that is decided soonest, and
// beside light ones others. None ends the campaign.
func (s *spender) next() ([]history.Plan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over() {
		return nil, nil
	}
	needs := s.needs()
	if len(needs) == 0 {
		s.stopped = "nothing is left that more trials would decide"
		return nil, nil
	}
	var out []history.Plan
	for _, n := range needs {
		for range n.Trials {
			p, err := s.another(n.Scenario, n.Subject, n.Variant, s.made[cellKey{n.Scenario, n.Subject, n.Variant}]+1)
			if err != nil {
				return nil, fmt.Errorf("the next trial: %w", err)
			}
			if p.Exclusive && len(out) > 0 {
				break // alone, another time
			}
			s.enter(p)
			if out = append(out, p); p.Exclusive || len(out) == side {
				return out, nil
			}
		}
	}
	return out, nil
}

// needs are what is open; without any rule also what passed on little evidence.
func (s *spender) needs() []gate.Need {
	needs := gate.Promising(s.judge().Needs(s.res), s.cost)
	return slices.DeleteFunc(needs, func(n gate.Need) bool {
		return s.dead[cellKey{n.Scenario, n.Subject, n.Variant}] || len(s.rules.Limits) > 0 && !n.Open
	})
}

// cost is what a trial of a cell took, on average.
func (s *spender) cost(n gate.Need) time.Duration {
	k := cellKey{n.Scenario, n.Subject, n.Variant}
	if s.done[k] == 0 {
		return guess
	}
	return s.took[k] / time.Duration(s.done[k])
}

// account is what was spent, the most first.
func (s *spender) account() *gate.Spent {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &gate.Spent{Budget: int64(s.budget), Used: int64(s.used), Stopped: s.stopped, Cells: []gate.SpentCell{}}
	if s.stopped == "" {
		out.Stopped = "the run was interrupted, or its environment gave in"
	}
	for _, c := range s.res.Cells {
		k := cellKey{c.Scenario, c.Subject, c.Variant}
		out.Trials += s.done[k]
		out.Cells = append(out.Cells, gate.SpentCell{Name: gate.Need{Scenario: c.Scenario, Subject: c.Subject, Variant: c.Variant}.Name(), Trials: s.done[k], Ns: int64(s.took[k])})
	}
	slices.SortStableFunc(out.Cells, func(a, b gate.SpentCell) int { return int(b.Ns/1e6 - a.Ns/1e6) })
	return out
}
