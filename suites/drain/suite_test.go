package drain_test

import (
	"testing"

	"faultbed/suites/drain"
	"faultbed/suites/spec"
)

func TestSuite(t *testing.T) { spec.Main(t, "drain", drain.Specs, "go", "python") }
