// Package protocol holds the specs of HTTP itself: every shape of request, answers
// that the origin breaks on purpose, and a client that reads slowly.
//
// No fault acts in them: what is wrong here is wrong on a quiet day. What happens
// stands in fixtures/scenarios/protocol-*.yaml, how it is executed in
// suites/scenario, what is promised in reports/check. Start with [Specs].
package protocol

import (
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"faultbed/suites/spec"
	"github.com/onsi/gomega"
)

// Specs declares the group's specs for a campaign.
func Specs(c *campaign.Campaign) { spec.Group(c, "protocol", "the protocol", bitten) }

// bitten asserts that what the origin was told to break reached the origin.
func bitten(t verdict.Trial) {
	for _, f := range t.Faults {
		gomega.Expect(f.Bites).To(gomega.BeNumerically(">", 0), "%s of %s", f.Kind, t.Key)
	}
}
