package junit

import (
	"slices"

	"faultbed/reports/gate"
	"faultbed/reports/internal/layout"
	"faultbed/reports/verdict"
)

// letPass is what gates said of a cell that all of them let pass; nothing if one
// did not, or there is none.
func letPass(c verdict.Cell, gates []gate.Result) (why string) {
	for _, g := range gates {
		if g.Of(c.Scenario, c.Subject, c.Variant) != verdict.Pass {
			return ""
		}
		why = g.About(c.Scenario, c.Subject, c.Variant)
	}
	return why
}

// gateSuite has a testcase for each decision and for the run's own state.
func gateSuite(r verdict.Result, g gate.Result) suite {
	s := emptySuite(r, "gate")
	s.Properties = append(s.Properties, property{"asked on", g.Day})
	for _, d := range g.Decisions {
		s.Cases = append(s.Cases, gateCase(d))
	}
	for _, k := range g.Known {
		s.Cases = append(s.Cases, testcase{Class: "known failures", Name: k.Check + " of " + k.Where, Skipped: skipUnlessExpired(k), Out: prosePtr(k.Message)})
	}
	return s
}

func prosePtr(lines ...string) *prose {
	p := newProse(slices.DeleteFunc(lines, func(s string) bool { return s == "" })...)
	return &p
}

// skipUnlessExpired marks what is excused as skipped; an expired one has failed
// its cell already.
func skipUnlessExpired(k gate.Fate) *result {
	if k.State != gate.Excused {
		return nil
	}
	return &result{Message: layout.Clip(k.Message, maxText)}
}

func gateCase(d gate.Decision) testcase {
	t := testcase{Class: "gate: " + d.Scenario, Name: layout.Name(d.Subject, d.Variant) + ": " + d.Rule, Out: prosePtr(d.Figure, d.Lacking, d.Excused)}
	said := &result{Message: layout.Clip(d.Text(), maxText), Type: string(d.Verdict), prose: newProse(d.Text())}
	switch d.Verdict {
	case verdict.Fail:
		t.Failure = said
	case verdict.Inconclusive:
		t.Error = said
	}
	return t
}
