package main

import (
	"io"
	"path/filepath"
	"strings"

	"faultbed/suites/campaign"
	"faultbed/suites/drain"
	"faultbed/suites/network"
	"faultbed/suites/panics"
	"faultbed/suites/protocol"
	"faultbed/suites/spec"
	"faultbed/suites/tls"
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/formatter"
	"github.com/onsi/ginkgo/v2/types"
	"github.com/onsi/gomega"
)

// quietT is Ginkgo's view of a test: faultbed's exit code comes from verdicts.
type quietT struct{}

func (quietT) Fail() {}

// runSpecs runs the campaign's specs in process: serially, in order, without
// retries; a selection that matches nothing fails. Its JSON report goes to the
// run folder as an index; the verdicts are faultbed's own. What it returns is
// why specs failed, by their titles.
func runSpecs(c *campaign.Campaign) map[string]string {
	failed := map[string]string{}
	formatter.ColorableStdOut = io.Discard // progress and table are ours
	gomega.RegisterFailHandler(ginkgo.Fail)
	network.Specs(c)
	drain.Specs(c)
	panics.Specs(c)
	tls.Specs(c)
	protocol.Specs(c)
	spec.Others(c, "network", "drain", "panics", "tls", "protocol")
	ginkgo.ReportAfterSuite("what failed", func(r ginkgo.Report) {
		for _, s := range r.SpecReports.WithState(types.SpecStateFailureStates) {
			why, _, _ := strings.Cut(s.FailureMessage(), "\n")
			failed[s.LeafNodeText] = why
		}
	})
	suite, reporter := ginkgo.GinkgoConfiguration()
	suite.FailOnEmpty, suite.FlakeAttempts, suite.ParallelTotal = true, 0, 1
	suite.RandomizeAllSpecs = false
	suite.Timeout = 0 // Ginkgo's hour is less than some budgets; trials have deadlines of their own
	reporter.NoColor, reporter.Succinct = true, true
	reporter.JSONReport = filepath.Join(c.Dir(), "ginkgo.json")
	ginkgo.RunSpecs(quietT{}, "faultbed", suite, reporter)
	return failed
}
