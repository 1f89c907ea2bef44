package verdict_test

import (
	"slices"
	"strings"
	"testing"

	"faultbed/reports/history"
	"faultbed/reports/verdict"
)

// TestAnEventThatDidNotCome: the fault bit nothing, and the reason names the event.
func TestAnEventThatDidNotCome(t *testing.T) {
	wait := func(t *history.Trial) {
		t.Fault, t.Client[3].Outcome = nil, history.OK
		t.Plan.Faults = []history.Fault{{ID: "f1", Kind: "wire.rst", Leg: "back", After: "response-byte stream 3", For: 100 * ms}}
	}
	j := verdict.JudgeTrial(timeline(wait))
	if j.Verdict != verdict.Inconclusive || !slices.ContainsFunc(j.Reasons, func(s string) bool {
		return strings.Contains(s, "bit nothing") && strings.Contains(s, `"response-byte stream 3", did not come`)
	}) {
		t.Errorf("%s: %q", j.Verdict, j.Reasons)
	}
	// Nothing acted, so a request that failed failed by itself.
	j = verdict.JudgeTrial(timeline(wait, func(t *history.Trial) { t.Client[3].Outcome = history.Reset }))
	if j.Verdict != verdict.Fail {
		t.Errorf("%s: %q", j.Verdict, j.Reasons)
	}
}
