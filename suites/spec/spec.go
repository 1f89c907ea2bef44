// Package spec turns a running campaign's trials into Ginkgo specs: one spec
// for each scenario, subject and variant, which awaits its trials, judges them
// and states the verdict with Gomega.
//
// Specs stand in ordinary files, so that `faultbed run` executes them in
// process and `go test ./suites/...` does too. They start nothing themselves:
// the campaign decides what runs when. Start with [Group] and [Main].
package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"faultbed/reports/history"
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
)

// Also is what a group asserts of a judged trial beyond its verdict.
type Also func(t verdict.Trial)

// Group declares the specs of all scenarios whose names begin with group.
func Group(c *campaign.Campaign, group, text string, also Also) {
	cells := cellsOf(c, group+"/")
	if len(cells) == 0 {
		return
	}
	ginkgo.Describe(text, ginkgo.Label(group), func() {
		for _, plans := range cells {
			p := plans[0]
			ginkgo.It(title(p), ginkgo.Label(strings.ReplaceAll(p.Scenario, "/", "-"), p.Subject), func(ctx ginkgo.SpecContext) {
				for _, p := range plans {
					one(ctx, c, p, also)
				}
				for _, p := range c.Added(ctx, p.Scenario, p.Subject, p.Variant) {
					one(ctx, c, p, also)
				}
			})
		}
	})
}

// Others declares the specs of scenarios that belong to none of the groups: a
// user's own.
func Others(c *campaign.Campaign, groups ...string) {
	seen := map[string]bool{}
	for _, p := range c.Plans {
		g, _, _ := strings.Cut(p.Scenario, "/")
		if !slices.Contains(groups, g) && !seen[g] {
			seen[g] = true
			Group(c, g, g, nil)
		}
	}
}

func title(p history.Plan) string { return Title(p.Scenario, p.Subject, p.Variant) }

// Title is the text of a cell's spec.
func Title(scenario, subject, variant string) string {
	s := scenario + " on " + subject
	if variant != "" {
		s += " as " + variant
	}
	return s
}

// cellsOf groups a campaign's plans by scenario, subject and variant, in order.
func cellsOf(c *campaign.Campaign, prefix string) [][]history.Plan {
	var out [][]history.Plan
	at := map[string]int{}
	for _, p := range c.Plans {
		if !strings.HasPrefix(p.Scenario, prefix) {
			continue
		}
		key := title(p)
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key], out = i, append(out, nil)
		}
		out[i] = append(out[i], p)
	}
	return out
}

// one awaits and judges one trial.
func one(ctx ginkgo.SpecContext, c *campaign.Campaign, p history.Plan, also Also) {
	dir, err := c.Await(ctx, p.Key())
	if errors.Is(err, campaign.ErrNotBegun) {
		ginkgo.Skip(err.Error())
	}
	gomega.Expect(err).NotTo(gomega.HaveOccurred(), "trial %s", p.Key())
	t, err := history.ReadTrial(dir)
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	judged := verdict.JudgeTrial(t)
	ginkgo.AddReportEntry(p.Key(), ginkgo.ReportEntryVisibilityNever, string(judged.Verdict)+": "+strings.Join(judged.Reasons, "; "))
	if judged.Verdict == verdict.Inconclusive {
		ginkgo.Skip("inconclusive: " + strings.Join(judged.Reasons, "; "))
	}
	gomega.Expect(judged).To(KeepItsPromises())
	if also != nil {
		also(judged)
	}
}

// KeepItsPromises matches a judged trial whose verdict is pass.
func KeepItsPromises() types.GomegaMatcher { return promises{} }

type promises struct{}

func (promises) Match(actual any) (bool, error) {
	t, ok := actual.(verdict.Trial)
	if !ok {
		return false, fmt.Errorf("want a verdict.Trial, got %T", actual)
	}
	return t.Verdict == verdict.Pass, nil
}

func (promises) FailureMessage(actual any) string {
	t := actual.(verdict.Trial)
	return fmt.Sprintf("%s: %s: %s", t.Key, t.Verdict, strings.Join(t.Reasons, "; "))
}

func (promises) NegatedFailureMessage(actual any) string {
	return fmt.Sprintf("%s kept its promises", actual.(verdict.Trial).Key)
}
