package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"faultbed/fixtures"
	"faultbed/proxy"
	"faultbed/reports"
	"faultbed/reports/gate"
	"faultbed/reports/history"
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"faultbed/suites/scenario"
	"faultbed/suites/spec"
	"github.com/spf13/cobra"
)

// runFlags are shared by run, gate and replay.
type runFlags struct {
	subjects  []string
	scenarios []string
	seed      uint64
	trials    int
	runtime   string
	out       string
	quiet     bool
	json      bool
	pairs     bool

	decide func(verdict.Result) gate.Result // a gate's; nil if none is asked
	forget bool                             // what a gate decided before
	gated  *gate.Result                     // what it said
	opened func(*campaign.Campaign)         // is shown the campaign before it runs
}

func (f *runFlags) bind(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringSliceVar(&f.subjects, "subject", nil, "subjects: names, globs, or YAML files (default: all built in)")
	fl.StringSliceVar(&f.scenarios, "scenario", nil, "scenarios: names, globs such as 'drain/*', or YAML files (default: the default campaign; faultbed list scenarios shows more)")
	fl.Uint64Var(&f.seed, "seed", 1, "seed: the same seed gives the same plans, byte for byte")
	fl.IntVar(&f.trials, "trials", 1, "trials of each scenario on each subject")
	fl.BoolVar(&f.pairs, "interleave", true, "with several subjects and trials: execute trials as A B B A, so that compare RUN --subjects a,b has pairs")
	f.bindOutput(cmd)
}

func (f *runFlags) bindOutput(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.runtime, "runtime", "auto", "auto, docker or process")
	fl.StringVar(&f.out, "out", "", "run folder to make (default: runs/TIME)")
	fl.BoolVar(&f.quiet, "quiet", false, "print nothing but errors")
	fl.BoolVar(&f.json, "json", false, "print verdict.json instead of the table")
}

// options turns flags into a campaign.
func (f *runFlags) options() (campaign.Options, error) {
	opt := campaign.Options{Seed: f.seed, Trials: f.trials, Runtime: f.runtime, Out: f.out, Args: os.Args[1:], Interleave: f.pairs && f.trials > 1, Asked: len(f.subjects) > 0}
	if f.trials < 1 || f.trials > 100000 {
		return opt, fmt.Errorf("%w: --trials %d: want 1 to 100000", errUsage, f.trials)
	}
	switch f.runtime {
	case "auto", "docker", "process":
	default:
		return opt, fmt.Errorf("%w: --runtime %q: want auto, docker or process", errUsage, f.runtime)
	}
	if opt.Out == "" {
		opt.Out = filepath.Join("runs", time.Now().Format("20060102-150405"))
	}
	var err error
	if opt.Subjects, err = pickSubjects(f.subjects); err != nil {
		return opt, err
	}
	opt.Scenarios, err = pickScenarios(f.scenarios)
	return opt, err
}

func isFile(s string) bool { ext := filepath.Ext(s); return ext == ".yaml" || ext == ".yml" }

func pickSubjects(want []string) ([]*proxy.Spec, error) {
	all, err := proxy.Embedded()
	if err != nil || len(want) == 0 {
		return all, err
	}
	return pick("subject", want, all, func(s *proxy.Spec) string { return s.Name }, proxy.Load)
}

func pickScenarios(want []string) ([]*scenario.Scenario, error) {
	all, err := scenario.LoadFS(fixtures.Scenarios, "scenarios")
	if err != nil || len(want) == 0 {
		return all, err
	}
	more, err := scenario.LoadFS(fixtures.Catalogue, "catalogue")
	if err != nil {
		return nil, err
	}
	all = append(all, more...)
	load := func(file string) (*scenario.Scenario, error) {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", campaign.ErrInput, err)
		}
		return scenario.Load(file, data)
	}
	return pick("scenario", want, all, func(s *scenario.Scenario) string { return s.Name }, load)
}

// pick takes names and globs from those built in and reads files.
func pick[T any](what string, want []string, all []T, name func(T) string, load func(string) (T, error)) ([]T, error) {
	var out []T
	var names []string
	for _, x := range all {
		names = append(names, name(x))
	}
	seen := map[string]bool{}
	add := func(x T) {
		if !seen[name(x)] {
			seen[name(x)] = true
			out = append(out, x)
		}
	}
	for _, w := range want {
		if isFile(w) {
			x, err := load(w)
			if err != nil {
				return nil, err
			}
			if slices.Contains(names, name(x)) {
				return nil, fmt.Errorf("%w: --%s %s: %q is the name of a built-in %s: give it another", campaign.ErrInput, what, w, name(x), what)
			}
			if seen[name(x)] {
				return nil, fmt.Errorf("%w: --%s %s: there is another %s with the name %q", campaign.ErrInput, what, w, what, name(x))
			}
			add(x)
			continue
		}
		found := false
		for _, x := range all {
			ok, err := path.Match(w, name(x))
			if err != nil {
				return nil, fmt.Errorf("%w: --%s %q: %w", errUsage, what, w, err)
			}
			if ok {
				found = true
				add(x)
			}
		}
		if !found {
			return nil, fmt.Errorf("%w: --%s %q: no such %s (faultbed list %ss shows all)%s", campaign.ErrInput, what, w, what, what, meant(w, names))
		}
	}
	return out, nil
}

func runCommand() *cobra.Command {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use: "run", Short: "Measure: run scenarios on subjects and write a run folder with reports",
		Example: "  faultbed run\n  faultbed run --subject go --scenario 'drain/*' --trials 5\n  faultbed run --subject ./my-proxy.yaml --runtime process",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt, err := f.options()
			if err != nil {
				return err
			}
			_, err = f.campaign(cmd.Context(), opt)
			return err
		},
	}
	f.bind(cmd)
	return cmd
}

// campaign runs, judges and renders. It reports what was measured also when it
// was interrupted or the environment gave in.
func (f *runFlags) campaign(ctx context.Context, opt campaign.Options) (verdict.Result, error) {
	show := newProgress(os.Stderr, f.quiet || f.json)
	opt.Progress = watch(opt.Progress, show.step)
	c, err := campaign.Open(ctx, opt)
	if err != nil {
		show.end()
		return verdict.Result{}, err
	}
	if f.opened != nil {
		f.opened(c)
	}
	specs := make(chan map[string]string, 1)
	go func() { specs <- runSpecs(c) }()
	runErr := c.Run(ctx)
	var failed map[string]string
	if ctx.Err() == nil {
		failed = <-specs
	}
	closeErr := c.Close(ctx)
	show.end()
	res, err := f.finish(c.Dir())
	if ctx.Err() != nil {
		return res, errors.Join(errInterrupted, closeErr, err)
	}
	return res, errors.Join(runErr, closeErr, err, agree(res, failed))
}

// watch shows progress to two.
func watch(first, second func(campaign.Progress)) func(campaign.Progress) {
	if first == nil {
		return second
	}
	return func(p campaign.Progress) { first(p); second(p) }
}

// agree sees that what the specs assert beyond the verdicts held too: a spec
// that failed while its cell's verdict is pass would otherwise go unseen.
func agree(res verdict.Result, failed map[string]string) error {
	for _, c := range res.Cells {
		if why, ok := failed[spec.Title(c.Scenario, c.Subject, c.Variant)]; ok && c.Verdict == verdict.Pass {
			return fmt.Errorf("%w: the verdict of %s on %s is pass, yet its spec failed: %s", campaign.ErrEnvironment, c.Scenario, c.Subject, why)
		}
	}
	return nil
}

// finish judges a run folder, renders it and prints the table.
func (f *runFlags) finish(dir string) (verdict.Result, error) {
	res, drawings, err := reports.Judge(dir)
	if err != nil {
		return res, fmt.Errorf("%w: %w", campaign.ErrInput, err)
	}
	gates, err := f.gates(dir, res)
	if err := errors.Join(err, reports.Write(dir, res, drawings, gates...)); err != nil {
		return res, err
	}
	switch {
	case f.json:
		return res, f.printVerdict(dir)
	case !f.quiet:
		printTable(os.Stdout, res)
		printProblems(os.Stdout, dir, res)
		if f.gated != nil {
			printGate(os.Stdout, *f.gated)
		}
		if res.SelfTest != nil {
			fmt.Printf("\nself-test: %s: %s\n", res.SelfTest.Verdict, res.SelfTest.Reason)
		}
		if f.gated == nil { // else the gate has the last word
			fmt.Printf("\n%s: %s\n", res.Verdict, res.Reason)
		}
		fmt.Printf("report: %s\n", filepath.Join(dir, reports.HTMLFile))
	}
	return res, nil
}

func reportCommand() *cobra.Command {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use: "report DIR", Short: "Judge and render an old run again; needs no Docker",
		Args: exactly(1, "one run folder"),
		RunE: func(_ *cobra.Command, args []string) error { _, err := f.finish(args[0]); return err },
	}
	cmd.Flags().BoolVar(&f.quiet, "quiet", false, "print nothing but errors")
	cmd.Flags().BoolVar(&f.json, "json", false, "print verdict.json instead of the table")
	return cmd
}

func replayCommand() *cobra.Command {
	f := &runFlags{}
	var only string
	cmd := &cobra.Command{
		Use: "replay DIR", Short: "Execute a run's stored plans again and show planned against realised",
		Args: exactly(1, "one run folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			old, err := history.ReadRun(args[0])
			if err != nil {
				return fmt.Errorf("%w: %w", campaign.ErrInput, err)
			}
			if !cmd.Flags().Changed("runtime") {
				f.runtime = old.Manifest.Runtime
			}
			opt, err := f.options0()
			if err != nil {
				return err
			}
			var unreadable []string
			if opt.Plans, unreadable = storedPlans(old, only); len(opt.Plans) == 0 {
				return fmt.Errorf("%w: no stored plan matches --trial %q%s", campaign.ErrInput, only, leftOut(unreadable))
			}
			if len(unreadable) > 0 {
				fmt.Fprintf(os.Stderr, "warning: replay%s\n", leftOut(unreadable))
			}
			opt.Seed = old.Manifest.Seed
			res, err := f.campaign(cmd.Context(), opt)
			if err == nil && !f.quiet && !f.json {
				printReplay(os.Stdout, old, opt.Out, res)
			}
			return err
		},
	}
	f.bindOutput(cmd)
	cmd.Flags().StringVar(&only, "trial", "", "only trials whose key matches, such as 'drain/sigterm/go/pid1/1'")
	cmd.Flags().StringSliceVar(&f.subjects, "subject", nil, "YAML files of subjects that are not built in")
	return cmd
}

// storedPlans are those of a run whose key matches, and the keys of trials whose
// plan can't be read.
func storedPlans(old *history.Run, only string) (plans []history.Plan, unreadable []string) {
	for _, t := range old.Trials {
		key := t.Plan.Key()
		switch ok, _ := path.Match(only, key); {
		case only != "" && !ok:
		case t.Info.Status == history.Unreadable:
			unreadable = append(unreadable, key)
		default:
			plans = append(plans, t.Plan)
		}
	}
	return plans, unreadable
}

func leftOut(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return fmt.Sprintf(": %d stored trials are left out, for their plans can't be read, the first is %s", len(keys), keys[0])
}

// options0 are a replay's: no scenarios, one trial, and the files' subjects in
// place of or beside those built in.
func (f *runFlags) options0() (campaign.Options, error) {
	f.trials = 1
	opt, err := f.options()
	if err != nil {
		return opt, err
	}
	opt.Scenarios, opt.Asked = nil, true
	all, err := proxy.Embedded()
	opt.Subjects = append(all, opt.Subjects...)
	return opt, err
}
