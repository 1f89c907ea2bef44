// Package zoo puts every broken proxy of fixtures/zoo on the bed and tells which
// checks caught it: the proof that a check sees what it must.
//
// The other half of the proof is that no check fires on the reference proxy that
// the bugs are planted in: [AA] runs it on the same scenarios again and again.
// Bugs are built from source and run in the process runtime. It judges as every
// run is judged and has no rule of its own. Start with [Run].
package zoo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"faultbed/fixtures"
	"faultbed/fixtures/zoo"
	"faultbed/proxy"
	"faultbed/reports/history"
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"faultbed/suites/scenario"
)

// Row is one bug and what the bed said of it.
type Row struct {
	zoo.Bug
	Verdict verdict.Verdict
	Reasons []string
	Fired   map[string]int // violations by check
}

// Caught tells whether the check that the bug names has found it.
func (r Row) Caught() bool { return r.Verdict == verdict.Fail && r.Fired[r.Check] > 0 }

// Options of a run.
type Options struct {
	Root     string // the module's folder
	Dir      string // work folder: programs, and the run in Dir/run
	Seed     uint64
	Slots    int // light trials side by side
	Progress func(campaign.Progress)
}

// scenarios are those of the default campaign, the catalogue and the zoo's own, by name.
func scenarios() (map[string]*scenario.Scenario, error) {
	out := map[string]*scenario.Scenario{}
	for _, from := range []struct {
		fs.FS
		dir string
	}{{fixtures.Scenarios, "scenarios"}, {fixtures.Catalogue, "catalogue"}, {zoo.Scenarios, "scenarios"}} {
		ss, err := scenario.LoadFS(from, from.dir)
		if err != nil {
			return nil, err
		}
		for _, s := range ss {
			out[s.Name] = s
		}
	}
	return out, nil
}

// Run builds the bugs, runs each on its scenario and judges.
func Run(ctx context.Context, bugs []zoo.Bug, opt Options) ([]Row, error) {
	all, err := scenarios()
	if err != nil {
		return nil, err
	}
	specs, err := build(ctx, bugs, opt)
	if err != nil {
		return nil, err
	}
	var plans []history.Plan
	for i, b := range bugs {
		p, err := plan(all, b.Scenario, b.Variant, specs[i], opt.Seed, 1)
		if err != nil {
			return nil, fmt.Errorf("bug %s: %w", b.Name, err)
		}
		plans = append(plans, p)
	}
	res, err := measure(ctx, plans, specs, opt)
	if err != nil {
		return nil, err
	}
	return rows(bugs, res), nil
}

// plan resolves a scenario by name, in its first variant unless one is asked for.
func plan(all map[string]*scenario.Scenario, name, variant string, spec *proxy.Spec, seed uint64, trial int) (history.Plan, error) {
	s, ok := all[name]
	if !ok {
		return history.Plan{}, fmt.Errorf("no scenario %s", name)
	}
	if variant == "" && len(s.Variants) > 0 {
		variant = s.Variants[0]
	}
	return scenario.Resolve(s, spec, variant, seed, trial)
}

func measure(ctx context.Context, plans []history.Plan, specs []*proxy.Spec, opt Options) (res verdict.Result, err error) {
	out := filepath.Join(opt.Dir, "run")
	c, err := campaign.Open(ctx, campaign.Options{Plans: plans, Subjects: specs, Seed: opt.Seed, Trials: 1, Runtime: "process", Out: out, Slots: opt.Slots, Progress: opt.Progress})
	if err != nil {
		return res, err
	}
	if err := errors.Join(c.Run(ctx), c.Close(ctx)); err != nil {
		return res, err
	}
	return verdict.JudgeDir(out)
}

// build makes two programs at a time and the subjects that run them.
func build(ctx context.Context, bugs []zoo.Bug, opt Options) ([]*proxy.Spec, error) {
	base, err := os.ReadFile(filepath.Join(opt.Root, "proxy", "subjects", "go.yaml"))
	if err != nil {
		return nil, err
	}
	specs, errs := make([]*proxy.Spec, len(bugs)), make([]error, len(bugs))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 2)
	for i, b := range bugs {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			specs[i], errs[i] = subject(ctx, string(base), b, opt)
		})
	}
	wg.Wait()
	return specs, errors.Join(errs...)
}

// subject is the reference's own file with another name and program.
func subject(ctx context.Context, base string, b zoo.Bug, opt Options) (*proxy.Spec, error) {
	bin, err := b.Build(ctx, opt.Root, opt.Dir)
	if err != nil {
		return nil, err
	}
	text := strings.NewReplacer("name: go\n", "name: "+b.Name+"\n", "build: {go: ./proxy/goproxy}", "executable: {path: "+bin+"}").Replace(base)
	file := filepath.Join(opt.Dir, b.Name+".yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return proxy.Load(file)
}

func rows(bugs []zoo.Bug, res verdict.Result) []Row {
	out := make([]Row, len(bugs))
	for i, b := range bugs {
		out[i] = Row{Bug: b, Verdict: verdict.Inconclusive, Fired: map[string]int{}}
		for _, t := range res.Trials {
			if t.Subject != b.Name {
				continue
			}
			out[i].Verdict, out[i].Reasons = t.Verdict, t.Reasons
			for _, v := range t.Violations {
				out[i].Fired[v.Check]++
			}
		}
	}
	return out
}

// Reference is what came of trials of the reference proxy.
type Reference struct {
	Planned  int
	Decided  int
	Fired    []verdict.Trial // in which a check found something, whatever the verdict
	SelfTest *verdict.SelfTest
}

// minDecided is the share of the planned trials that must be decided: of trials
// that were not, the checks' silence says less.
const minDecided = 0.95

// Doubt says why the trials prove nothing; nothing if they do.
func (r Reference) Doubt() string {
	switch {
	case r.SelfTest == nil:
		return "the bed did not test itself"
	case r.SelfTest.Verdict != verdict.Pass:
		return "the bed can't be trusted: " + r.SelfTest.Reason
	case r.Planned == 0 || float64(r.Decided) < minDecided*float64(r.Planned):
		return fmt.Sprintf("only %d of %d trials were decided, want %.0f %%: try again on a machine with less to do", r.Decided, r.Planned, 100*minDecided)
	}
	return ""
}

// String is the result in one sentence.
func (r Reference) String() string {
	return fmt.Sprintf("%d of %d trials (%d decided) had a check fire", len(r.Fired), r.Planned, r.Decided)
}

// reference counts what a judged run of the reference proxy showed.
func reference(planned int, res verdict.Result) Reference {
	r := Reference{Planned: planned, SelfTest: res.SelfTest}
	for _, t := range res.Trials {
		if t.Verdict != verdict.Inconclusive {
			r.Decided++
		}
		if t.Found > 0 {
			r.Fired = append(r.Fired, t)
		}
	}
	return r
}

// AA runs the reference proxy n times on each scenario on which a bug must be
// caught and whose name one of the globs matches.
func AA(ctx context.Context, n int, only []string, opt Options) (Reference, error) {
	all, err := scenarios()
	if err != nil {
		return Reference{}, err
	}
	ref, err := proxy.Load(filepath.Join(opt.Root, "proxy", "subjects", "go.yaml"))
	if err != nil {
		return Reference{}, err
	}
	names := map[string]string{}
	for _, b := range zoo.Bugs() {
		names[b.Scenario+" "+b.Variant] = b.Variant
	}
	var plans []history.Plan
	for _, key := range slices.Sorted(maps.Keys(names)) {
		name, variant, _ := strings.Cut(key, " ")
		if !slices.ContainsFunc(only, func(glob string) bool { ok, _ := path.Match(glob, name); return ok }) {
			continue
		}
		for trial := 1; trial <= n; trial++ {
			p, err := plan(all, name, variant, ref, opt.Seed, trial)
			if err != nil {
				return Reference{}, err
			}
			plans = append(plans, p)
		}
	}
	if len(plans) == 0 {
		return Reference{}, fmt.Errorf("no scenario of the zoo matches %s", strings.Join(only, ","))
	}
	plans = unique(plans)
	res, err := measure(ctx, plans, []*proxy.Spec{ref}, opt)
	return reference(len(plans), res), err
}

// unique drops plans of the same key: a bug may ask for the variant that is first anyway.
func unique(plans []history.Plan) []history.Plan {
	seen := map[string]bool{}
	return slices.DeleteFunc(plans, func(p history.Plan) bool {
		was := seen[p.Key()]
		seen[p.Key()] = true
		return was
	})
}
