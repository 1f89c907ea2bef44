// Package campaign runs many plans: it chooses the runtime, makes subjects and
// beds ready, executes light trials side by side and those that measure time
// alone, and writes the run folder.
//
// It judges nothing but the bed's own test, which it repeats if the bed can't be
// trusted, and prints nothing: progress goes to a callback. Ginkgo's
// specs await single trials of a running campaign, so that the order and the
// concurrency of trials are decided here and nowhere else.
//
// Start with [Open], then [Campaign.Run].
package campaign

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"faultbed/fixtures/topology"
	"faultbed/proxy"
	"faultbed/reports/history"
	"faultbed/reports/verdict"
	"faultbed/suites/scenario"
)

// Options choose what a campaign runs.
type Options struct {
	Scenarios []*scenario.Scenario
	Subjects  []*proxy.Spec
	Seed      uint64
	Trials    int
	Runtime   string // auto, docker or process
	Out       string // run folder; it must not exist or be empty
	Slots     int    // light trials side by side; 4 if 0
	Args      []string
	Plans     []history.Plan // replay: exactly these instead of scenarios × subjects
	Progress  func(Progress)

	// Asked says that Subjects were named, and are not merely all that there are: a
	// run that lacks one of them can't pass.
	Asked bool
	// Interleave executes trials in the order of the function of that name; not
	// with Plans, whose order is kept.
	Interleave bool
	// Begin is asked before each of the first plans; one that it refuses never
	// begins, and is missing in the run. Nil begins all.
	Begin func(history.Plan) bool
	// Next is asked for more plans whenever all so far have ended, until it has
	// none: a budget is spent so. It is called by the goroutine of Run alone.
	// [Campaign.Another] makes plans for it.
	Next func() ([]history.Plan, error)
}

// Progress is one step of a campaign.
type Progress struct {
	Stage   string // setup, trial, done, teardown
	Text    string
	Running []string // keys of the trials that run
	Done    int
	Total   int
	Err     error // of the trial that has just ended
}

// Campaign is one run.
type Campaign struct {
	opt  Options
	lab  *scenario.Lab
	mani history.Manifest
	rt   *environment
	held *os.File // the run's lock

	Plans []history.Plan // the first ones; see Options.Next

	ended chan struct{} // Run has returned

	mu      sync.Mutex
	added   []history.Plan // by Next
	running []string
	done    int
	results map[string]*result
	broken  map[string]error // subjects that could not be set up
}

type result struct {
	done chan struct{}
	err  error
}

// ErrInput is a choice that can't be run: bad input, not a bad environment.
var ErrInput = errors.New("bad input")

// NewRunID is a short random name for a run.
func NewRunID() string {
	var b [4]byte
	rand.Read(b[:])
	return time.Now().UTC().Format("20060102-150405-") + hex.EncodeToString(b[:])
}

// Open plans the campaign and makes everything ready that trials share.
func Open(ctx context.Context, opt Options) (*Campaign, error) {
	if opt.Progress == nil {
		opt.Progress = func(Progress) {}
	}
	if opt.Slots == 0 {
		opt.Slots = 4
	}
	c := &Campaign{opt: opt, ended: make(chan struct{}), results: map[string]*result{}, broken: map[string]error{}}
	run := NewRunID()
	var err error
	if c.held, err = lock(run); err != nil {
		return nil, err
	}
	if c.rt, err = openRuntime(ctx, run, opt.Runtime, c.say); err != nil {
		return nil, errors.Join(err, c.unlock())
	}
	if err := c.prepare(ctx, run); err != nil {
		return nil, errors.Join(err, c.rt.close(context.WithoutCancel(ctx)), c.unlock())
	}
	return c, nil
}

func (c *Campaign) unlock() error {
	return errors.Join(os.Remove(c.held.Name()), c.held.Close())
}

func (c *Campaign) say(text string) { c.opt.Progress(Progress{Stage: "setup", Text: text}) }

func (c *Campaign) prepare(ctx context.Context, run string) error {
	c.mani = history.Manifest{Version: 1, Run: run, Started: time.Now().UTC(), Status: "running", Args: c.opt.Args,
		Seed: c.opt.Seed, Trials: c.opt.Trials, Runtime: c.rt.kind, Why: c.rt.why, Mono: history.Now(), Subjects: map[string]string{}}
	if err := c.plan(); err != nil {
		return err
	}
	certs, err := scenario.NewCerts(ctx, c.opt.Seed, c.mani.Started)
	if err != nil {
		return err
	}
	for _, p := range c.Plans {
		for _, name := range p.Cases {
			if _, err := certs.Case(name); err != nil {
				return fmt.Errorf("%w: %s: %w", ErrInput, p.Scenario, err)
			}
		}
	}
	if err := makeOut(c.opt.Out); err != nil {
		return err
	}
	c.lab = &scenario.Lab{Run: run, Runtime: c.rt.kind, Dir: c.opt.Out, Beds: c.rt.nodes, Driver: c.rt.driver,
		Subjects: map[string]*scenario.Subject{}, Certs: certs, Images: c.rt.images, Labnode: c.rt.labnode, Tmp: tmpPath(run)}
	c.mani.Env = environmentOf(c.rt)
	c.mani.Calibration = kept()
	return c.subjects(ctx)
}

// makeOut makes the run folder, which must be new: no run is ever overwritten.
func makeOut(dir string) error {
	if es, err := os.ReadDir(dir); err == nil && len(es) > 0 {
		return fmt.Errorf("%w: --out %s is not empty", ErrInput, dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("%w: --out: %w", ErrInput, err)
	}
	return nil
}

// subjects prepares the subjects at the same time. One that is not to be had
// here is skipped and listed; the others run.
func (c *Campaign) subjects(ctx context.Context) error {
	names := map[string]*proxy.Spec{}
	for _, s := range c.opt.Subjects {
		names[s.Name] = s
	}
	maps.DeleteFunc(names, func(name string, _ *proxy.Spec) bool {
		return !slices.ContainsFunc(c.Plans, func(p history.Plan) bool { return p.Subject == name })
	})
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	gone := map[string]string{}
	for name, spec := range names {
		wg.Go(func() {
			c.say("preparing subject " + name)
			s, err := c.lab.Prepare(ctx, spec)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, scenario.ErrUnavailable):
				gone[name] = err.Error()
			case err != nil:
				errs = append(errs, err)
			default:
				c.lab.Subjects[name] = s
				c.mani.Subjects[name] = describe(s)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		c.drop(name, gone[name])
	}
	if len(c.Plans) == 0 {
		return fmt.Errorf("%w: nothing to run: %s", ErrEnvironment, skipped(c.mani.Skipped))
	}
	return c.register()
}

// describe says what a subject is: version, image and digest, as far as known.
func describe(s *scenario.Subject) string {
	v := s.Versions
	parts := slices.DeleteFunc([]string{v["version"], v["image"], v["digest"]}, func(x string) bool { return x == "" })
	return cmp.Or(strings.Join(parts, ", "), s.Program)
}

func skipped(ss []history.Skip) string {
	if len(ss) == 0 {
		return "no scenario and subject match"
	}
	return ss[0].Reason
}

// drop takes a subject's plans out and says why.
func (c *Campaign) drop(subject, reason string) {
	dropped := map[string]bool{} // scenario and variant: a replay may have no first trial
	c.Plans = slices.DeleteFunc(c.Plans, func(p history.Plan) bool {
		if p.Subject != subject {
			return false
		}
		if cell := p.Scenario + " " + p.Variant; !dropped[cell] {
			dropped[cell] = true
			c.mani.Skipped = append(c.mani.Skipped, history.Skip{Scenario: p.Scenario, Subject: subject, Variant: p.Variant, Reason: reason, Unavailable: c.opt.Asked})
		}
		return true
	})
}

// plan resolves every scenario for every subject, variant and trial.
func (c *Campaign) plan() error {
	if c.opt.Plans != nil {
		c.Plans = slices.Clone(c.opt.Plans)
		return c.known()
	}
	for _, s := range c.opt.Scenarios {
		for _, spec := range c.opt.Subjects {
			ok, why := scenario.Supports(s, spec)
			if ok {
				ok, why = scenario.Here(s, c.rt.kind)
			}
			if !ok {
				c.mani.Skipped = append(c.mani.Skipped, history.Skip{Scenario: s.Name, Subject: spec.Name, Reason: why})
				continue
			}
			if err := c.planOne(s, spec); err != nil {
				return err
			}
		}
	}
	if len(c.Plans) == 0 {
		return fmt.Errorf("%w: nothing to run: %s", ErrInput, skipped(c.mani.Skipped))
	}
	if c.opt.Interleave {
		c.Plans = Interleave(c.Plans)
	}
	return nil
}

// known sees that there is a subject for every stored plan.
func (c *Campaign) known() error {
	for _, p := range c.Plans {
		if !slices.ContainsFunc(c.opt.Subjects, func(s *proxy.Spec) bool { return s.Name == p.Subject }) {
			return fmt.Errorf("%w: subject %s of %s is not built in: give its file with --subject", ErrInput, p.Subject, p.Key())
		}
	}
	return nil
}

func (c *Campaign) planOne(s *scenario.Scenario, spec *proxy.Spec) error {
	variants := s.Variants
	if len(variants) == 0 {
		variants = []string{""}
	}
	for _, v := range variants {
		if why := c.rt.lacks(v); why != "" {
			c.mani.Skipped = append(c.mani.Skipped, history.Skip{Scenario: s.Name, Subject: spec.Name, Variant: v, Reason: why})
			continue
		}
		for n := 1; n <= max(1, c.opt.Trials); n++ {
			p, err := scenario.Resolve(s, spec, v, c.opt.Seed, n)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrInput, err)
			}
			c.Plans = append(c.Plans, p)
		}
	}
	return nil
}

// Another is the plan of a further trial of a cell of this campaign.
func (c *Campaign) Another(scenarioName, subject, variant string, trial int) (history.Plan, error) {
	i := slices.IndexFunc(c.opt.Scenarios, func(s *scenario.Scenario) bool { return s.Name == scenarioName })
	j := slices.IndexFunc(c.opt.Subjects, func(s *proxy.Spec) bool { return s.Name == subject })
	if i < 0 || j < 0 {
		return history.Plan{}, fmt.Errorf("%w: %s on %s is not in this campaign", ErrInput, scenarioName, subject)
	}
	return scenario.Resolve(c.opt.Scenarios[i], c.opt.Subjects[j], variant, c.opt.Seed, trial)
}

func (c *Campaign) register() error { return c.enlist(c.Plans) }

// enlist makes plans known, so that they count as missing until they have begun.
func (c *Campaign) enlist(plans []history.Plan) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range plans {
		c.mani.Planned = append(c.mani.Planned, p.Key())
		c.results[p.Key()] = &result{done: make(chan struct{})}
	}
	return c.saveManifest()
}

func (c *Campaign) saveManifest() error {
	return history.WriteJSON(filepath.Join(c.opt.Out, history.ManifestFile), c.mani)
}

// Manifest is what is known of the run so far.
func (c *Campaign) Manifest() history.Manifest { return c.mani }

// Dir is the run folder.
func (c *Campaign) Dir() string { return c.opt.Out }

// Run executes every plan: light ones side by side on beds of their own, then
// those that measure time, alone; then what Options.Next adds, likewise. It
// returns when all have ended or ctx has.
func (c *Campaign) Run(ctx context.Context) error {
	defer close(c.ended)
	if err := c.selfTest(ctx); err != nil {
		c.abandon(err)
		return err
	}
	c.batch(ctx, c.Plans, c.opt.Begin)
	for c.opt.Next != nil && ctx.Err() == nil {
		more, err := c.opt.Next()
		if err != nil || len(more) == 0 {
			return errors.Join(err, c.failure(ctx))
		}
		if err := c.enlist(more); err != nil {
			return err
		}
		c.mu.Lock()
		c.added = append(c.added, more...)
		c.mu.Unlock()
		c.batch(ctx, more, nil)
	}
	return c.failure(ctx)
}

// attempts is how often the bed may test itself: a machine that is busy for a
// moment can be trusted in the next.
const attempts = 3

// selfTest has the bed test itself before anything else, while nothing else runs,
// until it can be trusted. What the last attempt shows is the verdict's matter:
// only a bed that did not come up is an error. All attempts stay in the run folder.
func (c *Campaign) selfTest(ctx context.Context) error {
	c.say("the bed tests itself: a stall of known length at the bare origin")
	p, bed := scenario.SelfTestPlan(c.opt.Seed), topology.NewBed(c.rt.nodes, c.opt.Slots+1)
	return untilTrusted(func(n int) (bool, error) {
		p.Trial = n
		said, err := c.attempt(ctx, bed, p)
		if err == nil && said.Verdict != verdict.Pass && ctx.Err() == nil {
			c.say("self-test: " + said.Reason)
		}
		return said.Verdict == verdict.Pass, errors.Join(err, ctx.Err())
	})
}

// untilTrusted makes attempts, from 1, until one passes or can't be made.
func untilTrusted(attempt func(n int) (passed bool, err error)) error {
	for n := 1; n <= attempts; n++ {
		if passed, err := attempt(n); passed || err != nil {
			return err
		}
	}
	return nil
}

// attempt is one self-test, and the manifest's until there is another.
func (c *Campaign) attempt(ctx context.Context, bed *topology.Bed, p history.Plan) (verdict.SelfTest, error) {
	c.mu.Lock()
	c.mani.SelfTest = p.Key()
	err := c.saveManifest()
	c.mu.Unlock()
	if err != nil {
		return verdict.SelfTest{}, err
	}
	if err := c.lab.Execute(ctx, bed, p); errors.Is(err, scenario.ErrSetup) {
		return verdict.SelfTest{}, err
	}
	t, err := history.ReadTrial(history.TrialDir(c.opt.Out, p.Key()))
	if err != nil {
		return verdict.SelfTest{}, fmt.Errorf("self-test: %w", err)
	}
	return verdict.JudgeSelfTest(t), nil
}

// abandon ends trials that will never begin, so that nobody awaits them.
func (c *Campaign) abandon(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.results {
		r.err = err
		close(r.done)
	}
}

func (c *Campaign) batch(ctx context.Context, plans []history.Plan, begin func(history.Plan) bool) {
	var light, alone []history.Plan
	for _, p := range plans {
		if p.Exclusive {
			alone = append(alone, p)
		} else {
			light = append(light, p)
		}
	}
	queue := make(chan history.Plan)
	var wg sync.WaitGroup
	for slot := range min(c.opt.Slots, max(1, len(light))) {
		bed := topology.NewBed(c.rt.nodes, slot)
		wg.Go(func() {
			for p := range queue {
				c.execute(ctx, bed, p, begin)
			}
		})
	}
	for _, p := range light {
		queue <- p
	}
	close(queue)
	wg.Wait()
	bed := topology.NewBed(c.rt.nodes, c.opt.Slots)
	for _, p := range alone {
		c.execute(ctx, bed, p, begin)
	}
}

// all are the plans so far.
func (c *Campaign) all() []history.Plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Concat(c.Plans, c.added)
}

func (c *Campaign) result(key string) *result {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.results[key]
}

// Added awaits the campaign's end and returns the plans of a cell that
// Options.Next added; none, at once, if there is no such option.
func (c *Campaign) Added(ctx context.Context, scenario, subject, variant string) []history.Plan {
	if c.opt.Next == nil {
		return nil
	}
	select {
	case <-c.ended:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.added), func(p history.Plan) bool {
		return p.Scenario != scenario || p.Subject != subject || p.Variant != variant
	})
}

// failure is the first set-up error, which is the environment's.
func (c *Campaign) failure(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, p := range c.all() {
		if err := c.result(p.Key()).err; errors.Is(err, scenario.ErrSetup) {
			return err
		}
	}
	return nil
}

func (c *Campaign) execute(ctx context.Context, bed *topology.Bed, p history.Plan, begin func(history.Plan) bool) {
	r := c.result(p.Key())
	defer close(r.done)
	if r.err = c.may(ctx, p); r.err != nil {
		if ctx.Err() == nil {
			c.step(p.Key(), false, errNotBegun)
		}
		return
	}
	if begin != nil && !begin(p) {
		r.err = ErrNotBegun
		c.step(p.Key(), false, ErrNotBegun)
		return
	}
	c.step(p.Key(), true, nil)
	r.err = c.lab.Execute(ctx, bed, p)
	if errors.Is(r.err, scenario.ErrSetup) {
		c.mu.Lock()
		c.broken[p.Subject] = r.err
		c.mu.Unlock()
	}
	c.step(p.Key(), false, r.err)
}

// ErrNotBegun is a trial that Options.Begin refused.
var ErrNotBegun = errors.New("not begun, for nothing is left to spend on it")

var errNotBegun = errors.New("not begun, for its subject could not be set up before")

// may tells whether a trial should begin: the run goes on, and its subject was
// not found broken by an earlier one.
func (c *Campaign) may(ctx context.Context, p history.Plan) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken[p.Subject]
}

func (c *Campaign) step(key string, begin bool, err error) {
	c.mu.Lock()
	pr := Progress{Stage: "trial", Text: key, Total: len(c.Plans) + len(c.added), Err: err}
	if begin {
		c.running = append(c.running, key)
	} else {
		c.running = slices.DeleteFunc(c.running, func(k string) bool { return k == key })
		c.done++
		pr.Stage = "done"
	}
	pr.Running, pr.Done = slices.Clone(c.running), c.done
	c.mu.Unlock()
	c.opt.Progress(pr)
}

// Await waits until the trial has ended and returns its folder.
func (c *Campaign) Await(ctx context.Context, key string) (string, error) {
	r := c.result(key)
	if r == nil {
		return "", fmt.Errorf("no trial %s in this campaign", key)
	}
	select {
	case <-r.done:
		return history.TrialDir(c.opt.Out, key), r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Close removes everything that the run made, verifies that, and finishes the
// manifest.
func (c *Campaign) Close(ctx context.Context) error {
	interrupted := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	c.opt.Progress(Progress{Stage: "teardown", Text: "removing the bed"})
	err := errors.Join(c.rt.close(ctx), unmarked(ctx, c.lab.Run), os.RemoveAll(c.lab.Tmp), c.unlock())
	c.mani.Status, c.mani.Ended = "complete", time.Now().UTC()
	if interrupted {
		c.mani.Status = "interrupted"
	}
	return errors.Join(err, c.saveManifest())
}
