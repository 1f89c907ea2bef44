package verdict_test

import (
	"encoding/json"
	"slices"
	"testing"

	"faultbed/reports/history"
	"faultbed/reports/verdict"
)

// toxic is a trial whose only fault is a toxic, with one 16 KiB answer while it
// acts that took so many ms.
func toxic(kind, with string, took int64) *history.Trial {
	return timeline(func(t *history.Trial) {
		t.Plan.Faults = []history.Fault{{ID: "f1", Kind: kind, Leg: "back", At: 1000 * ms, For: 500 * ms, With: json.RawMessage(with)}}
		t.Plan.Arrivals, t.Client = nil, nil
	}, request("a", history.Short, 100, 105, history.OK), request("k", history.Control, 200, 201, history.OK), request("x", history.Short, 1100, 1100+took, history.OK), func(t *history.Trial) {
		t.Plan.Arrivals[len(t.Plan.Arrivals)-1].Size = 16384
	})
}

// TestToxicMustBite plants a toxic that did nothing: answers as quick as before.
func TestToxicMustBite(t *testing.T) {
	for _, c := range []struct {
		kind, with string
		took       int64 // ms
		bites      int64
	}{
		{"toxic.latency", `{"latency":100000000,"jitter":30000000}`, 70, 1},
		{"toxic.latency", `{"latency":100000000,"jitter":30000000}`, 69, 0},
		{"toxic.bandwidth", `{"rate":200}`, 41, 1}, // 16,384 B at 200 kB/s are 82 ms
		{"toxic.bandwidth", `{"rate":200}`, 39, 0},
		{"toxic.slicer", `{"size":256,"variation":64,"delay":1000000}`, 26, 1}, // 51 slices
		{"toxic.slicer", `{"size":256,"variation":64,"delay":1000000}`, 24, 0},
		{"toxic.slicer", `{"size":16384,"variation":0,"delay":1000000}`, 500, 0}, // what it adds can't be told
	} {
		j := verdict.JudgeTrial(toxic(c.kind, c.with, c.took))
		if got := j.Faults[0].Bites; got != c.bites {
			t.Errorf("%s %s, %d ms: %d bites, want %d", c.kind, c.with, c.took, got, c.bites)
		}
		if bitten := c.bites > 0; (j.Verdict == verdict.Inconclusive) == bitten {
			t.Errorf("%s %s, %d ms: %s, %v", c.kind, c.with, c.took, j.Verdict, j.Reasons)
		}
	}
}

// TestStruckMustFail plants a request that was hit inside the subject, by what the
// injector saw, and was answered all the same.
func TestStruckMustFail(t *testing.T) {
	for outcome, bites := range map[history.Outcome]int64{history.EOF: 1, history.OK: 0} {
		j := verdict.JudgeTrial(timeline(func(t *history.Trial) {
			t.Plan.Faults = []history.Fault{{ID: "f1", Kind: "inject.go-panic", At: 1000 * ms, For: 500 * ms}}
			t.Plan.Arrivals, t.Client, t.Plan.Expect.Allow = nil, nil, []history.Outcome{history.EOF}
			t.Fault = slices.DeleteFunc(t.Fault, func(e history.Event) bool { return e.Kind == history.Bite })
			t.Fault = append(t.Fault, history.Event{T: t.Info.T0 + 1101*ms, Kind: history.Bite, ID: "f1", Via: "requests", Count: 1, Detail: "/fb/short/x in a function"})
		}, request("a", history.Short, 100, 105, history.OK), request("k", history.Control, 200, 201, history.OK), request("x", history.Short, 1100, 1105, outcome)))
		if got := j.Faults[0].Bites; got != bites {
			t.Errorf("it ended %s: %d bites, want %d", outcome, got, bites)
		}
		if (j.Verdict == verdict.Inconclusive) == (bites > 0) {
			t.Errorf("it ended %s: %s, %v", outcome, j.Verdict, j.Reasons)
		}
	}
}
