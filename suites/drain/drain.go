// Package drain holds the specs of the end of a subject: one SIGTERM under load, a storm of them, a rolling
// restart behind clients that learn late, SIGTERM while starting, and SIGKILL as
// the control.
//
// What happens stands in fixtures/scenarios/drain-*.yaml, how it is executed in
// suites/scenario; here is only what the group asserts beyond the verdict.
// Start with [Specs].
package drain

import (
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"faultbed/suites/spec"
	"github.com/onsi/gomega"
)

// Specs declares the group's specs for a campaign.
func Specs(c *campaign.Campaign) { spec.Group(c, "drain", "drain", ended) }

// ended asserts that an end was seen: an exit, or the kill that censors it.
func ended(t verdict.Trial) {
	if t.Drain == nil {
		return
	}
	gomega.Expect(t.Drain.Time.Ns).To(gomega.BeNumerically(">", 0), t.Key)
	gomega.Expect(t.Drain.Via).To(gomega.BeElementOf("pidfd", "kill", "api"))
}
