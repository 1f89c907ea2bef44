// Command zoo prints bug × check: every broken proxy of fixtures/zoo, the check
// that must catch it, and which checks did.
//
//	zoo [--only GLOB] [--seed N]     run the bugs; exit 1 if one was not caught by its own check
//	zoo --aa N [--only GLOB,GLOB]    instead run the reference proxy N times on each of the bugs' scenarios
//	                                 that match; exit 1 if any check fired, whatever the verdict, if fewer
//	                                 than 95 % of the trials were decided, or if the bed's own test failed
//
// It runs in the process runtime, from the source tree. It is thin: suites/zoo
// does the work.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path"
	"slices"
	"strings"

	bugs "faultbed/fixtures/zoo"
	"faultbed/suites/campaign"
	"faultbed/suites/zoo"
)

func main() {
	only := flag.String("only", "", "globs of bug names, or with --aa of scenario names, separated by commas; all if empty")
	seed := flag.Uint64("seed", 1, "seed of the plans")
	aa := flag.Int("aa", 0, "trials of the reference proxy on each scenario, instead of the bugs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, *only, *seed, *aa)
	if err != nil {
		fmt.Fprintln(os.Stderr, "zoo:", err)
		os.Exit(4)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(ctx context.Context, globs string, seed uint64, aa int) (bool, error) {
	only := strings.Split(globs, ",")
	for _, glob := range only {
		if _, err := path.Match(glob, ""); err != nil {
			return false, fmt.Errorf("--only %s: %w", glob, err)
		}
	}
	if globs == "" {
		only = []string{"*", "*/*"}
	}
	root, err := os.Getwd()
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "faultbed-zoo-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	opt := zoo.Options{Root: root, Dir: dir, Seed: seed, Slots: 2, Progress: progress}
	if aa > 0 {
		return reference(ctx, aa, only, opt)
	}
	var chosen []bugs.Bug
	for _, b := range bugs.Bugs() {
		if slices.ContainsFunc(only, func(glob string) bool { ok, _ := path.Match(glob, b.Name); return ok }) {
			chosen = append(chosen, b)
		}
	}
	rows, err := zoo.Run(ctx, chosen, opt)
	return table(rows), err
}

func progress(p campaign.Progress) {
	if p.Stage == "done" {
		fmt.Fprintf(os.Stderr, "[%d/%d] %s\n", p.Done, p.Total, p.Text)
	}
}

func table(rows []zoo.Row) bool {
	caught := 0
	fmt.Printf("%-24s %-16s %-8s %-22s %s\n", "BUG", "MUST BE CAUGHT BY", "", "ON", "ALSO FIRED")
	for _, r := range rows {
		mark := "MISSED"
		if r.Caught() {
			mark = "caught"
			caught++
		}
		also := maps.Clone(r.Fired)
		delete(also, r.Check)
		fmt.Printf("%-24s %-16s  %-8s %-22s %s\n", r.Name, r.Check, mark, r.Scenario, strings.Join(slices.Sorted(maps.Keys(also)), ", "))
		if !r.Caught() {
			fmt.Printf("%26s%s: %s\n", "", r.Verdict, strings.Join(r.Reasons, "; "))
		}
	}
	fmt.Printf("\n%d of %d caught by their own check\n", caught, len(rows))
	return caught == len(rows)
}

func reference(ctx context.Context, n int, only []string, opt zoo.Options) (bool, error) {
	opt.Slots = 4
	r, err := zoo.AA(ctx, n, only, opt)
	if err != nil {
		return false, err
	}
	for _, t := range r.Fired {
		fmt.Printf("%s: %s: %s\n", t.Key, t.Verdict, strings.Join(t.Reasons, "; "))
		for _, v := range t.Violations {
			fmt.Printf("%4s%s: %s\n", "", v.Check, v.What)
		}
	}
	fmt.Println(r)
	if doubt := r.Doubt(); doubt != "" {
		fmt.Println("this proves nothing:", doubt)
		return false, nil
	}
	return len(r.Fired) == 0, nil
}
