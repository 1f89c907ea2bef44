// Package panics holds the specs of crashes inside the subject: what one faulty request does to those
// beside it, and whether the process lives.
//
// What happens stands in fixtures/scenarios/panics-*.yaml, how it is executed in
// suites/scenario; here is only what the group asserts beyond the verdict.
// Start with [Specs].
package panics

import (
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"faultbed/suites/spec"
	"github.com/onsi/gomega"
)

// Specs declares the group's specs for a campaign.
func Specs(c *campaign.Campaign) { spec.Group(c, "panics", "panics", radius) }

// radius asserts that there were bystanders to suffer: without them nothing
// was measured.
func radius(t verdict.Trial) {
	if t.Blast == nil {
		return // a user's scenario of this group, without a crash
	}
	gomega.Expect(t.Blast.Bystanders).To(gomega.BeNumerically(">", 0), t.Key)
}
