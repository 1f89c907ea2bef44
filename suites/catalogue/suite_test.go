package catalogue_test

import (
	"testing"

	"faultbed/fixtures"
	"faultbed/suites/catalogue"
	"faultbed/suites/spec"
)

func TestSuite(t *testing.T) { spec.All(t, fixtures.Catalogue, "catalogue", catalogue.Specs, "go") }
