package verdict_test

import (
	"fmt"
	"strings"
	"testing"

	"faultbed/reports/history"
	"faultbed/reports/verdict"
)

// stalled is a self-test of 1,000 requests in 2.5 s at an origin that stood still
// from 800 to 1300 ms. late is what the generator made of a planned instant (ms).
func stalled(late func(at float64) float64) *history.Trial {
	t := &history.Trial{Plan: history.Plan{Version: 1, Scenario: "selftest/stall", Engine: "selftest", Subject: "bare", Trial: 1, Duration: 2500 * ms,
		Faults: []history.Fault{{ID: "f1", Kind: "origin.stall", At: 800 * ms, For: 500 * ms}}},
		Info:  history.TrialInfo{T0: t0, Status: "complete"},
		Fault: []history.Event{{T: t0 + 800*ms, Kind: history.Inject, ID: "f1"}, {T: t0 + 1300*ms, Kind: history.Lift, ID: "f1"}}}
	for i := range 1000 {
		at, id := float64(i)*2.5, fmt.Sprint(i)
		planned := t0 + int64(at*float64(ms))
		t.Plan.Arrivals = append(t.Plan.Arrivals, history.Arrival{ID: id, Class: history.Short, At: planned - t0})
		t.Client = append(t.Client, history.Event{T: planned, Kind: history.Begin, ID: id, Planned: planned},
			history.Event{T: planned + int64(late(at)*float64(ms)), Kind: history.End, ID: id, Planned: planned, Outcome: history.OK})
	}
	return t
}

// open is a generator that sends when it should: each waits for the stall's end.
func open(at float64) float64 {
	if at >= 800 && at < 1300 {
		return 1300 - at + 0.5
	}
	return 0.5
}

// closed is one that waits for answers: it sends 8 requests into the stall and
// no other, and calls that the truth (coordinated omission).
func closed(at float64) float64 {
	if at >= 800 && at < 820 {
		return 500
	}
	return 0.5
}

// TestARunWhoseSelfTestFailsCantPass: all cells pass, and that is not enough.
func TestARunWhoseSelfTestFailsCantPass(t *testing.T) {
	for name, want := range map[string]verdict.Verdict{"": verdict.Pass, "selftest/stall/bare/1": verdict.Inconclusive} {
		r := verdict.Judge(&history.Run{Dir: t.TempDir(), Manifest: history.Manifest{Status: "complete", SelfTest: name}, Trials: []*history.Trial{timeline()}})
		if r.Verdict != want {
			t.Errorf("self-test %q: %s: %s", name, r.Verdict, r.Reason)
		}
	}
}

// TestARunThatLacksASubjectCantPass: one that was asked for and could not be had
// was not measured; a capability that one lacks is a fair skip.
func TestARunThatLacksASubjectCantPass(t *testing.T) {
	for unavailable, want := range map[bool]verdict.Verdict{false: verdict.Pass, true: verdict.Inconclusive} {
		m := history.Manifest{Status: "complete", Skipped: []history.Skip{{Scenario: "a/b", Subject: "nginx", Reason: "no such file", Unavailable: unavailable}}}
		r := verdict.Judge(&history.Run{Dir: t.TempDir(), Manifest: m, Trials: []*history.Trial{timeline()}})
		if r.Verdict != want || unavailable && !strings.Contains(r.Reason, "subject nginx could not be had: no such file") {
			t.Errorf("unavailable %v: %s: %s", unavailable, r.Verdict, r.Reason)
		}
	}
}

// fewer takes nine of ten requests out of the stall: 20 of 820 are left in it, and
// the 99th percentile is as computed still.
func fewer(t *history.Trial) {
	var arrivals []history.Arrival
	var client []history.Event
	for i, a := range t.Plan.Arrivals {
		if a.At >= 800*ms && a.At < 1300*ms && i%10 != 0 {
			continue
		}
		arrivals, client = append(arrivals, a), append(client, t.Client[2*i:2*i+2]...)
	}
	t.Plan.Arrivals, t.Client = arrivals, client
}

func TestSelfTest(t *testing.T) {
	if s := verdict.JudgeSelfTest(stalled(open)); s.Verdict != verdict.Pass || s.Within != 200 || s.Stall != 500*ms {
		t.Errorf("an honest generator: %+v", s)
	}
	if s := verdict.JudgeSelfTest(stalled(closed)); s.Verdict == verdict.Pass || !strings.Contains(s.Reason, "the load reports") {
		t.Errorf("a generator that waits for answers: %+v", s)
	}
	unsent := stalled(open)
	unsent.Client = unsent.Client[:1900]
	if s := verdict.JudgeSelfTest(unsent); s.Verdict == verdict.Pass || !strings.Contains(s.Reason, "were sent") {
		t.Errorf("unsent requests: %+v", s)
	}
	failed := stalled(open)
	failed.Client[1].Outcome = history.Refused
	if s := verdict.JudgeSelfTest(failed); s.Verdict == verdict.Pass || !strings.Contains(s.Reason, "failed") {
		t.Errorf("a failed request: %+v", s)
	}
	for says, spoil := range map[string]func(*history.Trial){
		"ends in the middle of a line":   func(t *history.Trial) { t.Torn = true },
		"client ledger: one is no":       func(t *history.Trial) { t.Defects = []string{"client ledger: one is no event"} },
		"stood still for 500ms, planned": func(t *history.Trial) { t.Plan.Faults[0].For = 600 * ms },
		"planned in the stall":           func(t *history.Trial) { fewer(t) },
	} {
		x := stalled(open)
		spoil(x)
		if s := verdict.JudgeSelfTest(x); s.Verdict != verdict.Inconclusive || !strings.Contains(s.Reason, says) {
			t.Errorf("%s: %+v", says, s)
		}
	}
	again := stalled(open)
	again.Plan.Trial = 2
	if s := verdict.JudgeSelfTest(again); s.Verdict != verdict.Pass || !strings.HasSuffix(s.Reason, "(second attempt)") {
		t.Errorf("a second attempt: %+v", s)
	}
	for _, broken := range []func(*history.Trial){
		func(t *history.Trial) { t.Info.Status = "interrupted" }, func(t *history.Trial) { t.Fault = nil }, func(t *history.Trial) { t.Plan.Faults = nil },
	} {
		x := stalled(open)
		broken(x)
		if s := verdict.JudgeSelfTest(x); s.Verdict != verdict.Inconclusive || s.Reason == "" {
			t.Errorf("%+v", s)
		}
	}
}

// TestAnOriginThatKnowsNothing: clients were answered, and the origin ledger is
// empty, or another trial's. That is no verdict on the subject.
func TestAnOriginThatKnowsNothing(t *testing.T) {
	var many []build
	for i := range 12 {
		many = append(many, request(fmt.Sprint("m", i), history.Short, 2100+int64(i), 2105+int64(i), history.OK))
	}
	x := timeline(many...)
	x.Origin = nil
	if j := verdict.JudgeTrial(x); j.Verdict != verdict.Inconclusive || !strings.Contains(strings.Join(j.Reasons, "; "), "knows none of them") {
		t.Errorf("%s: %v", j.Verdict, j.Reasons)
	}
	x.Origin = []history.Event{{T: t0 + 2102*ms, Kind: history.Request, ID: "m1"}}
	if j := verdict.JudgeTrial(x); j.Verdict != verdict.Pass {
		t.Errorf("one is known: %s: %v", j.Verdict, j.Reasons)
	}
}
