package spec

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"faultbed/fixtures"
	"faultbed/proxy"
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"faultbed/suites/scenario"
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
)

// minDecided is the share of a campaign's trials that must be decided under go
// test: a machine too noisy for one is no failure, for many it tests nothing.
const minDecided = 0.8

// Main runs one group's specs under go test: on FAULTBED_RUNTIME (process if
// unset), with the subjects that are named, or those in FAULTBED_SUBJECTS (a
// comma list).
func Main(t *testing.T, group string, specs func(*campaign.Campaign), subjects ...string) {
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	opt := campaign.Options{Seed: 1, Trials: 1, Runtime: cmp.Or(os.Getenv("FAULTBED_RUNTIME"), "process"),
		Out: filepath.Join(t.TempDir(), "run"), Slots: 2}
	all, err := scenario.LoadFS(fixtures.Scenarios, "scenarios")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Group() == group {
			opt.Scenarios = append(opt.Scenarios, s)
		}
	}
	if opt.Subjects, err = proxy.Embedded(); err != nil {
		t.Fatal(err)
	}
	opt.Subjects = only(opt.Subjects, cmp.Or(os.Getenv("FAULTBED_SUBJECTS"), strings.Join(subjects, ",")))
	run(t, group, opt, specs)
}

func only(specs []*proxy.Spec, names string) []*proxy.Spec {
	var out []*proxy.Spec
	for _, s := range specs {
		if strings.Contains(","+names+",", ","+s.Name+",") {
			out = append(out, s)
		}
	}
	return out
}

func run(t *testing.T, group string, opt campaign.Options, specs func(*campaign.Campaign)) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	c, err := campaign.Open(ctx, opt)
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- c.Run(ctx) }()
	gomega.RegisterFailHandler(ginkgo.Fail)
	specs(c)
	suite, reporter := ginkgo.GinkgoConfiguration()
	suite.FailOnEmpty, suite.FlakeAttempts = true, 0
	ginkgo.RunSpecs(t, group, suite, reporter)
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
	decided(t, opt.Out)
}

func decided(t *testing.T, dir string) {
	res, err := verdict.JudgeDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, x := range res.Trials {
		if x.Verdict != verdict.Inconclusive {
			n++
		} else {
			t.Logf("undecided: %s: %s", x.Key, strings.Join(x.Reasons, "; "))
		}
	}
	if float64(n) < minDecided*float64(len(res.Trials)) {
		t.Errorf("only %d of %d trials were decided", n, len(res.Trials))
	}
}
