package tls_test

import (
	"testing"

	"faultbed/suites/spec"
	"faultbed/suites/tls"
)

func TestSuite(t *testing.T) { spec.Main(t, "tls", tls.Specs, "go", "nginx", "python") }
