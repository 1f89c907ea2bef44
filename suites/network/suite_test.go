package network_test

import (
	"testing"

	"faultbed/suites/network"
	"faultbed/suites/spec"
)

func TestSuite(t *testing.T) { spec.Main(t, "network", network.Specs, "go", "nginx", "python") }
