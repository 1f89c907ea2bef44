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
	"faultbed/suites/campaign"
	"faultbed/suites/scenario"
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
)

// Main runs one group's specs under go test: on FAULTBED_RUNTIME (process if
// unset) and FAULTBED_SUBJECTS (go if unset, a comma list).
func Main(t *testing.T, group string, specs func(*campaign.Campaign)) {
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
	opt.Subjects = only(opt.Subjects, cmp.Or(os.Getenv("FAULTBED_SUBJECTS"), "go"))
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
	ginkgo.RunSpecs(t, group)
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
}
