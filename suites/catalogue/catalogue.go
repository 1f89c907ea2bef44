// Package catalogue runs the scenarios of fixtures/catalogue: one or more for each
// fault, which the default campaign leaves out because it has to be short.
//
// A fault that this host can't have is skipped with its reason, and the skip is in
// the manifest. What happens stands in fixtures/catalogue/*.yaml; here is only what
// is asserted beyond the verdict: that the fault bit. Start with [Specs].
package catalogue

import (
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"faultbed/suites/spec"
	"github.com/onsi/gomega"
)

// Specs declares the specs of all its groups for a campaign.
func Specs(c *campaign.Campaign) { spec.Each(c, bitten) }

func bitten(t verdict.Trial) {
	for _, f := range t.Faults {
		gomega.Expect(f.Bites).To(gomega.BeNumerically(">", 0), "fault %s of %s", f.Kind, t.Key)
	}
}
