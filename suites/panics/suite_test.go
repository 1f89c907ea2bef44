package panics_test

import (
	"testing"

	"faultbed/suites/panics"
	"faultbed/suites/spec"
)

func TestSuite(t *testing.T) { spec.Main(t, "panics", panics.Specs, "go", "python") }
