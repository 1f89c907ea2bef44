package scenario_test

import (
	"testing"

	"faultbed/suites/scenario"
)

// TestNamesAreAskedForWhereTheyFail: a dns fault makes the subject dial its origin
// by name.
func TestNamesAreAskedForWhereTheyFail(t *testing.T) {
	with := yaml(t, "duration: 1s\nload: [{class: short, rate: 1}]\nfaults: [{fault: dns.move, at: 0ms, for: 500ms}]\n")
	without := yaml(t, "duration: 1s\nload: [{class: short, rate: 1}]\n")
	p, err := scenario.Resolve(with, subject(t, "go"), "", 1, 1)
	if err != nil || !p.Names {
		t.Errorf("names %v, %v", p.Names, err)
	}
	if p, err = scenario.Resolve(without, subject(t, "go"), "", 1, 1); err != nil || p.Names {
		t.Errorf("without a dns fault: names %v, %v", p.Names, err)
	}
}
