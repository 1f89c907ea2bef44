// Command h2spec runs the HTTP/2 conformance tests against the subjects that speak
// HTTP/2 and prints, for each, what got worse and what got better than its baseline.
//
//	h2spec [--subjects go,nginx] [--all]   exit 1 if a case got worse or did not run
//
// It runs in the process runtime, from the source tree. It is thin: suites/h2spec
// does the work.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"faultbed/suites/h2spec"
)

func main() {
	subjects := flag.String("subjects", "go,nginx", "names, separated by commas")
	all := flag.Bool("all", false, "also list every case that failed as the baseline knows")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, strings.Split(*subjects, ","), *all)
	if err != nil {
		fmt.Fprintln(os.Stderr, "h2spec:", err)
		os.Exit(4)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(ctx context.Context, subjects []string, all bool) (bool, error) {
	root, err := os.Getwd()
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "faultbed-h2spec-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	results, err := h2spec.Run(ctx, root, dir, subjects...)
	ok := err == nil
	for _, r := range results {
		show(r, all)
		ok = ok && r.OK()
	}
	return ok, err
}

func show(r h2spec.Result, all bool) {
	failed := 0
	for _, c := range r.Cases {
		if !c.Failed {
			continue
		}
		failed++
		if all {
			fmt.Printf("%s: fails: %s %s: %s\n", r.Subject, c.ID, c.Title, c.Detail)
		}
	}
	for _, c := range r.Worse {
		fmt.Printf("%s: WORSE: %s %s: %s\n", r.Subject, c.ID, c.Title, c.Detail)
	}
	for _, k := range r.Better {
		fmt.Printf("%s: better: %s %s\n", r.Subject, k.Case, k.Title)
	}
	fmt.Printf("%s: %d cases, %d fail, %d worse and %d better than the baseline, %d did not run\n", r.Subject, len(r.Cases), failed, len(r.Worse), len(r.Better), r.Missing)
}
