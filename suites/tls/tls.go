// Package tls holds the specs of malformed certificate chains on two legs: the subject verifies the
// origin, and clients verify the subject.
//
// What happens stands in fixtures/scenarios/tls-*.yaml, how it is executed in
// suites/scenario; here is only what the group asserts beyond the verdict.
// Start with [Specs].
package tls

import (
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"faultbed/suites/spec"
	"github.com/onsi/gomega"
)

// Specs declares the group's specs for a campaign.
func Specs(c *campaign.Campaign) { spec.Group(c, "tls", "certificate chains", gated) }

// gated asserts that the verifier rejected some chain and accepted some: one
// that says the same to all verifies nothing.
func gated(t verdict.Trial) {
	if len(t.TLS) == 0 {
		return // a user's scenario of this group, without chains
	}
	seen := map[string]bool{}
	for _, c := range t.TLS {
		seen[c.Verdict] = true
	}
	gomega.Expect(seen).To(gomega.HaveKey("accept"), t.Key)
	gomega.Expect(seen).To(gomega.HaveKey("reject"), t.Key)
}
