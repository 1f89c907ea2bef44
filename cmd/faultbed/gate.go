package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"faultbed/proxy"
	"faultbed/suites/scenario"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"faultbed/reports"
	"faultbed/reports/gate"
	"faultbed/reports/history"
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"github.com/spf13/cobra"
)

// now is the clock by which known failures expire and budgets end; tests set it.
var now = time.Now

// gateFlags are those of gate alone.
type gateFlags struct {
	runFlags
	file      string
	budget    time.Duration
	keepGoing bool

	rules    *gate.File
	baseline *verdict.Result
	spender  *spender
}

func gateCommand() *cobra.Command {
	f := &gateFlags{}
	cmd := &cobra.Command{
		Use: "gate [DIR]", Short: "Judge: a fresh run, or a run folder; exit 0 pass, 1 fail, 2 inconclusive",
		Long: `Judge a fresh run, or the run folder DIR. Without --file every broken promise fails.

--file names limits, a baseline run and known failures; gate.json in the run folder and summary.md say
what was decided on what, and what is lacking where nothing could be.

--budget runs one trial of each cell, then spends further trials where a decision is open, those first
that are decided soonest, and stops at a clear failure. Its bounds hold at every look (likelihood ratios,
as in an SPRT), so that looking often passes nothing falsely.`,
		Example: "  faultbed gate --subject go --scenario 'drain/*' --trials 5\n  faultbed gate --file gate.yaml --budget 10m\n  faultbed gate --file gate.yaml runs/20261125-120000",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("%w: want at most one run folder", errUsage)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd, args); err != nil {
				return err
			}
			res, err := f.run(cmd.Context(), args)
			return f.outcome(res, err)
		},
	}
	f.bind(cmd)
	cmd.Flags().StringVar(&f.file, "file", "", "limits, baseline and known failures, in YAML")
	cmd.Flags().DurationVar(&f.budget, "budget", 0, "spend so much time on trials where a decision is open, such as 10m")
	cmd.Flags().BoolVar(&f.keepGoing, "keep-going", false, "with --budget: go on after a clear failure")
	return cmd
}

// check reads the gate's file before anything is run.
func (f *gateFlags) check(cmd *cobra.Command, args []string) error {
	changed := cmd.Flags().Changed
	for _, flag := range []string{"subject", "scenario", "trials", "seed", "runtime", "out", "interleave"} {
		if len(args) == 1 && changed(flag) {
			return fmt.Errorf("%w: --%s is for a fresh run, %s is one that was made", errUsage, flag, args[0])
		}
	}
	switch {
	case changed("budget") && f.budget <= 0:
		return fmt.Errorf("%w: --budget %v: want more than 0, such as 10m", errUsage, f.budget)
	case changed("budget") && len(args) == 1:
		return fmt.Errorf("%w: --budget is for a fresh run, %s is one that was made", errUsage, args[0])
	case changed("budget") && changed("trials"):
		return fmt.Errorf("%w: --budget decides how many trials there are: leave --trials out", errUsage)
	case f.keepGoing && !changed("budget"):
		return fmt.Errorf("%w: --keep-going is for --budget", errUsage)
	}
	if f.file == "" {
		f.rules = &gate.File{}
	} else if err := f.read(); err != nil {
		return err
	}
	if f.file != "" || f.budget > 0 {
		f.decide = f.judge
	} else {
		f.forget = true
	}
	return nil
}

func (f *gateFlags) read() error {
	data, err := os.ReadFile(f.file)
	if err != nil {
		return fmt.Errorf("%w: --file: %w", campaign.ErrInput, err)
	}
	if f.rules, err = gate.Load(f.file, data); err != nil || f.rules.Baseline == "" {
		return err
	}
	dir := f.rules.Baseline
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(filepath.Dir(f.file), dir)
	}
	base, err := verdict.JudgeDir(dir)
	if err != nil {
		return f.rules.BaselineError(err)
	}
	f.baseline = &base
	return nil
}

func (f *gateFlags) judge(res verdict.Result) gate.Result {
	g := gate.Judge(res, f.rules, gate.Options{Day: now(), Baseline: f.baseline, Sequential: f.budget > 0})
	if f.spender != nil {
		g.Spent = f.spender.account()
	}
	return g
}

func (f *gateFlags) run(ctx context.Context, args []string) (verdict.Result, error) {
	if len(args) == 1 {
		return f.finish(args[0])
	}
	opt, err := f.options()
	if err != nil {
		return verdict.Result{}, err
	}
	if err := f.aimless(opt); err != nil {
		return verdict.Result{}, err
	}
	if f.budget > 0 {
		opt.Trials = 1
		f.spender = newSpender(f.rules, f.budget, f.keepGoing)
		f.spender.attach(&opt)
		f.opened = f.spender.opened
	}
	return f.campaign(ctx, opt)
}

// aimless refuses a limit that no cell of a fresh run will match, before time is
// spent on it.
func (f *gateFlags) aimless(opt campaign.Options) error {
	matches := func(glob, name string) bool { ok, _ := path.Match(glob, name); return glob == "" || ok }
	for _, l := range f.rules.Limits {
		subject := slices.ContainsFunc(opt.Subjects, func(s *proxy.Spec) bool { return matches(l.Subject, s.Name) })
		if subject && slices.ContainsFunc(opt.Scenarios, func(s *scenario.Scenario) bool { return matches(l.Scenario, s.Name) }) {
			continue
		}
		return fmt.Errorf("%w: %s: the limit for scenario %q, subject %q matches nothing that this run would measure (a * does not cross a /: all scenarios are */*)",
			campaign.ErrInput, f.file, l.Scenario, cmp.Or(l.Subject, "*"))
	}
	return nil
}

// outcome is the gate's exit. A promise broken for good beats an environment that
// gave in elsewhere: both are said, and it fails.
func (f *gateFlags) outcome(res verdict.Result, err error) error {
	v := res.Verdict
	if f.gated != nil {
		v = f.gated.Verdict
	}
	interrupted := errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled)
	if err != nil && (interrupted || v != verdict.Fail || codeOf(err) != exitEnvironment) {
		return err
	}
	return &judged{v, err}
}

// gates are what gates decided of a run: now, or when it was last asked.
func (f *runFlags) gates(dir string, res verdict.Result) ([]gate.Result, error) {
	file := filepath.Join(dir, gate.FileName)
	if f.forget {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		return nil, nil
	}
	if f.decide == nil {
		var old gate.Result
		b, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(b, &old) != nil || old.Version != gate.Version {
			return nil, nil
		}
		return []gate.Result{old}, nil
	}
	g := f.decide(res)
	f.gated = &g
	return []gate.Result{g}, history.WriteJSON(file, g)
}

// printGate prints what a gate decided: all that did not pass, what became of
// known failures, and what a budget was spent on.
func printGate(w io.Writer, g gate.Result) {
	passed := 0
	fmt.Fprintln(w)
	for _, d := range g.Decisions {
		if d.Verdict == verdict.Pass {
			passed++
			if d.Excused == "" {
				continue
			}
		}
		fmt.Fprintf(w, "%s %s%s\n", marks[d.Verdict], clip(d.Text(), 400), at(g.File, d.Line))
	}
	if passed > 0 {
		fmt.Fprintf(w, "%s %d of %d decisions\n", marks[verdict.Pass], passed, len(g.Decisions))
	}
	for _, k := range g.Known {
		fmt.Fprintf(w, "     %s%s\n", k.Message, at(g.File, k.Line))
	}
	for _, n := range g.Notes {
		fmt.Fprintf(w, "     %s\n", n)
	}
	if g.Spent != nil {
		printSpent(w, g)
	}
	fmt.Fprintf(w, "gate: %s: %s\n", g.Verdict, g.Reason)
}

func at(file string, line int) string {
	if line == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s:%d)", file, line)
}

func printSpent(w io.Writer, g gate.Result) {
	s := g.Spent
	fmt.Fprintf(w, "budget: %d trials in %v of %v; it ended: %s\n", s.Trials, round(s.Used), round(s.Budget), s.Stopped)
	for _, c := range s.Cells {
		fmt.Fprintf(w, "     %4d trials, %8v of trials  %s\n", c.Trials, round(c.Ns), c.Name)
	}
}

func round(ns int64) time.Duration { return time.Duration(ns).Round(100 * time.Millisecond) }

// printVerdict prints what a program reads instead of the table: gate.json if a
// gate was asked, verdict.json otherwise.
func (f *runFlags) printVerdict(dir string) error {
	name := reports.VerdictFile
	if f.gated != nil {
		name = gate.FileName
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(b)
	return err
}
