package sample_test

import (
	"encoding/json"
	"testing"

	"faultbed/reports/internal/sample"
	"faultbed/reports/verdict"
)

// TestRunHasEverything holds the sample to its purpose: every kind of verdict
// and every part of a result occurs, and the same call gives the same bytes.
func TestRunHasEverything(t *testing.T) {
	run := sample.Run(2)
	r := verdict.Judge(run)
	verdicts, parts := map[verdict.Verdict]int{}, map[string]int{}
	for _, c := range r.Cells {
		verdicts[c.Verdict]++
		t.Logf("%-12s %-26s %-7s %-5s %s | %.120s", c.Verdict, c.Scenario, c.Subject, c.Variant, c.Headline, c.Reason)
	}
	count := func(name string, there bool) {
		if there {
			parts[name]++
		}
	}
	for _, x := range r.Trials {
		count("drain", x.Drain != nil)
		count("censored drain", x.Drain != nil && x.Drain.Time.Censored)
		count("blast", x.Blast != nil)
		count("starting", x.Starting != nil)
		count("tls", x.TLS != nil)
		count("recovery", x.Recovery != nil)
		count("evidence", len(x.Violations) > 0 && len(x.Violations[0].Evidence) > 0)
		count("ambiguous", x.Ambiguous > 0)
	}
	if len(verdicts) != 3 || verdicts[verdict.Pass] <= verdicts[verdict.Fail] {
		t.Errorf("verdicts %v, want all three and mostly pass", verdicts)
	}
	for _, name := range []string{"drain", "censored drain", "blast", "starting", "tls", "recovery", "evidence", "ambiguous"} {
		if parts[name] == 0 {
			t.Errorf("no trial has %s", name)
		}
	}
	a, _ := json.Marshal(r)
	b, _ := json.Marshal(verdict.Judge(sample.Run(2)))
	if string(a) != string(b) {
		t.Error("the same call gave another run")
	}
}
