package markdown

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"faultbed/reports/gate"
	"faultbed/reports/internal/sample"
	"faultbed/reports/verdict"
)

// TestTellsWhatTheGateDecided wants every decision that did not pass, with what
// it lacks, every known failure, and a foreign reason as text.
func TestTellsWhatTheGateDecided(t *testing.T) {
	r := verdict.Judge(sample.Run(1))
	f, err := gate.Load("gate.yaml", []byte("limits: [{scenario: 'network/*', failure_rate: 1%}]\nknown: [{scenario: 'drain/*', check: drain-time, reason: '"+strings.ReplaceAll(strings.ReplaceAll(markup, "\x00", ""), "\n", " ")[:40]+"', until: 2027-03-01}]"))
	if err != nil {
		t.Fatal(err)
	}
	g := gate.Judge(r, f, gate.Options{Day: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)})
	g.Spent = &gate.Spent{Budget: 6e11, Used: 59e10, Trials: 41, Stopped: "the budget is spent"}
	var b bytes.Buffer
	if err := Write(&b, r, g); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{"### ✗ Gate, asked on 2026-11-25: fail", "41 trials in 9m50s of 10m0s: the budget is spent.", "decisions passed</summary>"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing", want)
		}
	}
	open := 0
	for _, d := range g.Decisions {
		if d.Verdict == verdict.Pass {
			continue
		}
		open++
		if d.Lacking != "" && !strings.Contains(got, text(d.Lacking, maxReason)) {
			t.Errorf("%s: what it lacks is not told: %s", d.Name(), d.Lacking)
		}
	}
	if open == 0 {
		t.Error("the sample leaves nothing to tell")
	}
	if strings.Contains(got, "<script") || !strings.Contains(got, text(g.Known[0].Message, maxReason)) {
		t.Error("a known failure's reason is markup, or not told")
	}
	if len(got) > Limit {
		t.Errorf("%d bytes", len(got))
	}
}
