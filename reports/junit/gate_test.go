package junit

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"faultbed/reports/gate"
	"faultbed/reports/internal/sample"
	"faultbed/reports/verdict"
)

// judged is the sample run and a gate that excuses its drain checks and asks more
// than was measured of another group.
func judged(t *testing.T) (verdict.Result, gate.Result) {
	t.Helper()
	r := verdict.Judge(sample.Run(1))
	f, err := gate.Load("gate.yaml", []byte("limits: [{scenario: 'network/*', failure_rate: 1%}]\nknown: [{scenario: 'drain/*', check: 'drain-time, drain-inflight, drain-exit, stragglers', reason: <known>, until: 2027-03-01}]"))
	if err != nil {
		t.Fatal(err)
	}
	return r, gate.Judge(r, f, gate.Options{Day: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)})
}

// TestGateAgrees: no cell that the gate lets pass is a failure or an error, every
// one that it fails is, and its own suite has each decision once.
func TestGateAgrees(t *testing.T) {
	r, g := judged(t)
	var b bytes.Buffer
	if err := Write(&b, r, g); err != nil {
		t.Fatal(err)
	}
	var got seen
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	let, failed, own := 0, 0, 0
	for _, s := range got.Suites {
		for _, c := range s.Cases {
			own += len(c.Failure) * boolInt(s.Name == "gate")
		}
	}
	for _, c := range r.Cells {
		v := g.Of(c.Scenario, c.Subject, c.Variant)
		failed += boolInt(v == verdict.Fail)
		if v == verdict.Pass && c.Verdict != verdict.Pass {
			let++
		}
	}
	if n := strings.Count(b.String(), "the gate lets it pass"); n != let || let == 0 {
		t.Errorf("%d cells are said to be let pass, %d were", n, let)
	}
	if own != failed {
		t.Errorf("the gate's suite has %d failures, the gate %d", own, failed)
	}
	if n := len(got.Suites[len(got.Suites)-1].Cases); n != len(g.Decisions)+len(g.Known) {
		t.Errorf("%d testcases of %d decisions and %d known failures", n, len(g.Decisions), len(g.Known))
	}
	if strings.Contains(b.String(), "<known>") {
		t.Error("a reason became markup")
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
