package verdict_test

import (
	"encoding/json"
	"testing"

	"faultbed/reports/history"
	"faultbed/reports/verdict"
)

// TestSweep: what became of each instant stands in the trial, also of one whose
// fault did not bite and of a request that was tried again.
func TestSweep(t *testing.T) {
	fault := func(id, request, place string) history.Fault {
		return history.Fault{ID: id, Kind: "wire.cut", Leg: "back", For: 50, With: json.RawMessage(`{"request":"` + request + `","direction":"down",` + place + `}`)}
	}
	trial := &history.Trial{
		Plan: history.Plan{Scenario: "sweep/cut", Engine: "timeline", Subject: "x", Trial: 1, Replicas: 1, Timeout: 1e9, Expect: history.Expectation{Allow: []history.Outcome{history.Truncated}},
			Arrivals: []history.Arrival{{ID: "0001-aa", Class: history.Short, Size: 8}, {ID: "0002-bb", Class: history.Short, Size: 8}},
			Faults:   []history.Fault{fault("f1", "0001-", `"when":"response-body-byte","nth":1,"byte":4`), fault("f2", "0002-", `"when":"any","at_byte":7`)}},
		Info: history.TrialInfo{T0: 1000, Status: "complete"},
		Client: []history.Event{{T: 1001, Planned: 1000, Kind: history.Begin, Node: "load", ID: "0001-aa"}, {T: 1010, Kind: history.End, Node: "load", ID: "0001-aa", Outcome: history.Truncated, Status: 200, Bytes: 4},
			{T: 1001, Planned: 1000, Kind: history.Begin, Node: "load", ID: "0002-bb"}, {T: 1011, Kind: history.End, Node: "load", ID: "0002-bb", Outcome: history.OK, Status: 200, Bytes: 8}},
		Origin: []history.Event{{T: 1004, Kind: history.Request, Node: "origin", ID: "0001-aa"}, {T: 1005, Kind: history.Response, Node: "origin", ID: "0001-aa", Bytes: 8},
			{T: 1004, Kind: history.Request, Node: "origin", ID: "0002-bb"}, {T: 1005, Kind: history.Response, Node: "origin", ID: "0002-bb", Detail: "write: reset"},
			{T: 1006, Kind: history.Request, Node: "origin", ID: "0002-bb"}},
		Fault: []history.Event{{T: 1000, Kind: history.Inject, ID: "f1"}, {T: 1000, Kind: history.Inject, ID: "f2"}, {T: 1005, Kind: history.Bite, ID: "f1", Count: 1}},
	}
	got := verdict.JudgeTrial(trial).Sweep
	if len(got) != 2 {
		t.Fatalf("%d instants: %+v", len(got), got)
	}
	a, b := got[0], got[1]
	if a.At != "response-body-byte 4" || a.Outcome != history.Truncated || a.Bytes != 4 || a.Reached != 1 || a.Origin != "all of it, answered in full" || a.Bites != 1 || len(a.Violations) > 0 {
		t.Errorf("first: %+v", a)
	}
	if b.At != "down byte 7" || b.Outcome != history.OK || b.Reached != 2 || b.Origin != "its head" || b.Bites != 0 || len(b.Violations) == 0 {
		t.Errorf("second: %+v", b) // the origin got it twice: a violation
	}
	trial.Plan.Scenario = "wire/cut"
	if n := len(verdict.JudgeTrial(trial).Sweep); n != 0 {
		t.Errorf("%d instants of what is no sweep", n)
	}
}
