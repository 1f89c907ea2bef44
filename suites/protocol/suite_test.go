package protocol_test

import (
	"testing"

	"faultbed/suites/protocol"
	"faultbed/suites/spec"
)

func TestSuite(t *testing.T) { spec.Main(t, "protocol", protocol.Specs, "go", "python") }
