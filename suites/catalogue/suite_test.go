package catalogue_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"faultbed/fixtures"
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"faultbed/suites/catalogue"
	"faultbed/suites/spec"
)

// TestSuite runs the whole catalogue. One trial of a busy machine may be undecided;
// that no fault of a family bit in any is none's fault but the family's.
func TestSuite(t *testing.T) {
	var c *campaign.Campaign
	spec.All(t, fixtures.Catalogue, "catalogue", func(of *campaign.Campaign) { c = of; catalogue.Specs(of) }, "go")
	res, err := verdict.JudgeDir(c.Dir())
	if err != nil {
		t.Fatal(err)
	}
	bitten := map[string]int64{}
	for _, x := range res.Trials {
		for _, f := range x.Faults {
			family, _, _ := strings.Cut(f.Kind, ".")
			bitten[family] += f.Bites
		}
	}
	for _, family := range slices.Sorted(maps.Keys(bitten)) {
		if bitten[family] == 0 {
			t.Errorf("no fault of family %s bit anything", family)
		}
	}
}
