// Package catalogue runs the scenarios of fixtures/catalogue: one or more for each
// fault, which the default campaign leaves out because it has to be short.
//
// A fault that this host can't have is skipped with its reason, and the skip is in
// the manifest. What happens stands in fixtures/catalogue/*.yaml. One trial whose
// fault bit nothing is undecided; the suite's test wants of each family that its
// faults bit. Start with [Specs].
package catalogue

import (
	"faultbed/suites/campaign"
	"faultbed/suites/spec"
)

// Specs declares the specs of all its groups for a campaign.
func Specs(c *campaign.Campaign) { spec.Each(c, nil) }
