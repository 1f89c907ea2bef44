// Package network holds the specs of the network's faults: toxiproxy's on the back leg (latency, bandwidth,
// slicing, the origin away and back) and our own wire's on both (RST, half-close,
// cut at a byte, black hole).
//
// What happens stands in fixtures/scenarios/network-*.yaml, how it is executed in
// suites/scenario; here is only what the group asserts beyond the verdict.
// Start with [Specs].
package network

import (
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"faultbed/suites/spec"
	"github.com/onsi/gomega"
)

// Specs declares the group's specs for a campaign.
func Specs(c *campaign.Campaign) { spec.Group(c, "network", "network faults", bitten) }

// bitten asserts that the fault is in the ledger with what it touched: a pass
// over a fault that bit nothing would be no pass.
func bitten(t verdict.Trial) {
	for _, f := range t.Faults {
		gomega.Expect(f.Bites).To(gomega.BeNumerically(">", 0), "fault %s of %s", f.Kind, t.Key)
	}
}
