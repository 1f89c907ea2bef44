package main

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"faultbed/fixtures"
	"faultbed/fixtures/zoo"
	"faultbed/proxy"
	"faultbed/reports/check"
	"faultbed/suites/campaign"
	"faultbed/suites/scenario"
	"github.com/spf13/cobra"
)

// explanation is all that is known of a check.
type explanation struct {
	Name      string   `json:"name"`
	Promise   string   `json:"promise"`
	Source    string   `json:"source"`
	Scenarios []string `json:"scenarios"`
	Declares  []string `json:"declares"` // what narrows it, or switches it off
	Bugs      []bug    `json:"bugs"`     // planted, that it must catch
	Show      string   `json:"show"`     // the command that shows it
}

type bug struct {
	Name     string `json:"name"`
	Sentence string `json:"sentence"`
	Scenario string `json:"scenario"`
}

func explainCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "explain CHECK", Short: "Say what a check promises, from which source, and how it is proven", Args: exactly(1, "one check: faultbed list checks shows all"),
		RunE: func(_ *cobra.Command, args []string) error {
			e, err := explain(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(e)
			}
			e.print()
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func explain(name string) (explanation, error) {
	all := check.All()
	i := slices.IndexFunc(all, func(c check.Check) bool { return c.Name == name })
	if i < 0 {
		var names []string
		for _, c := range all {
			names = append(names, c.Name)
		}
		return explanation{}, fmt.Errorf("%w: no such check %q%s (faultbed list checks shows all)", campaign.ErrInput, name, meant(name, names))
	}
	c := all[i]
	e := explanation{Name: c.Name, Promise: c.Promise, Source: c.Source, Declares: append([]string{}, c.Declares...), Bugs: []bug{}}
	for _, b := range zoo.Bugs() {
		if b.Check == name {
			e.Bugs = append(e.Bugs, bug{b.Name, b.Sentence, b.Scenario})
		}
	}
	var err error
	e.Scenarios, err = exercising(c, fixtures.Scenarios)
	if s := e.best(); s != "" {
		e.Show = "faultbed run --scenario " + s
	}
	return e, err
}

// best is the scenario that shows the check best: one on which a planted bug is
// caught, if it is built in.
func (e explanation) best() string {
	for _, b := range e.Bugs {
		if slices.Contains(e.Scenarios, b.Scenario) {
			return b.Scenario
		}
	}
	if len(e.Scenarios) > 0 {
		return e.Scenarios[0]
	}
	return ""
}

// exercising are the scenarios on which a check applies to a subject that is
// built in.
func exercising(c check.Check, from fs.FS) ([]string, error) {
	subjects, err := proxy.Embedded()
	if err != nil {
		return nil, err
	}
	all, err := scenario.LoadFS(from, "scenarios")
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, s := range all {
		if slices.ContainsFunc(subjects, func(p *proxy.Spec) bool { return applies(c, s, p) }) {
			out = append(out, s.Name)
		}
	}
	return out, nil
}

func applies(c check.Check, s *scenario.Scenario, p *proxy.Spec) bool {
	if ok, _ := scenario.Supports(s, p); !ok {
		return false
	}
	plan, err := scenario.Resolve(s, p, "", 1, 1)
	return err == nil && c.Applies(plan)
}

func (e explanation) print() {
	fmt.Printf("%s\n  promise    %s\n  source     %s\n", e.Name, e.Promise, e.Source)
	fmt.Printf("  scenarios  %s\n", orNone(strings.Join(e.Scenarios, ", "), "none of those built in"))
	fmt.Printf("  declares   %s\n", orNone(strings.Join(e.Declares, ", "), "nothing that a subject declares switches it off"))
	fmt.Printf("  proven by  %s\n", orNone(e.proofs(), "no planted bug names it"))
	if e.Show != "" {
		fmt.Printf("  see it     %s\n", e.Show)
	}
}

// proofs are the planted bugs, one a line.
func (e explanation) proofs() string {
	var out []string
	for _, b := range e.Bugs {
		out = append(out, fmt.Sprintf("%s, which %s, on %s", b.Name, b.Sentence, b.Scenario))
	}
	return strings.Join(out, "\n             ")
}

func orNone(s, none string) string {
	if s == "" {
		return none
	}
	return s
}
