package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"faultbed/reports/history"
	"faultbed/reports/verdict"
)

func twoFaults() *history.Trial {
	return &history.Trial{Info: history.TrialInfo{Status: "complete", T0: 1e9}, Plan: history.Plan{Version: 1, Scenario: "a/b", Engine: "timeline", Subject: "go", Trial: 1,
		Faults: []history.Fault{{ID: "f1", Kind: "wire.rst", At: 1e6}, {ID: "f2", Kind: "wire.cut", At: 2e6}}},
		Fault: []history.Event{{T: 1e9 + 1e6, Kind: history.Inject, ID: "f1"}, {T: 1e9 + 3e6, Kind: history.Inject, ID: "f2"}}}
}

// TestReplayOfFewerFaults: the same trial may have other faults now, by a plan
// that was damaged or a file that was changed; each is held against itself alone.
func TestReplayOfFewerFaults(t *testing.T) {
	old := &history.Run{Dir: "old", Trials: []*history.Trial{twoFaults()}}
	now := verdict.JudgeTrial(twoFaults())
	line := func(id string, faults []verdict.FaultBite) string {
		now.Faults = faults
		var b bytes.Buffer
		printReplay(&b, old, "new", verdict.Result{Trials: []verdict.Trial{now}})
		for l := range strings.Lines(b.String()) {
			if strings.Contains(l, " "+id+" ") {
				return strings.Join(strings.Fields(l)[1:], " ")
			}
		}
		return ""
	}
	all := now.Faults
	for name, c := range map[string]struct {
		id     string
		faults []verdict.FaultBite
		want   string
	}{
		"as it was":     {"f2", all, "f2 wire.cut 2.0 3.0 3.0 0 0"},
		"the first":     {"f2", all[:1], "f2 wire.cut 2.0 3.0 – 0 –"},
		"the second":    {"f2", all[1:], "f2 wire.cut 2.0 3.0 3.0 0 0"},
		"none":          {"f1", nil, "f1 wire.rst 1.0 1.0 – 0 –"},
		"another order": {"f1", []verdict.FaultBite{all[1], all[0]}, "f1 wire.rst 1.0 1.0 1.0 0 0"},
	} {
		if got := line(c.id, c.faults); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestStoredPlans: what a replay leaves out is said.
func TestStoredPlans(t *testing.T) {
	bad := &history.Trial{Plan: history.Plan{Scenario: "a/b", Subject: "go", Trial: 2}, Info: history.TrialInfo{Status: history.Unreadable}}
	old := &history.Run{Trials: []*history.Trial{twoFaults(), bad}}
	for only, want := range map[string]struct {
		plans int
		left  []string
		says  string
	}{
		"":         {1, []string{"a/b/go/2"}, "1 stored trials are left out, for their plans can't be read, the first is a/b/go/2"},
		"a/b/go/1": {1, nil, ""},
		"a/b/go/2": {0, []string{"a/b/go/2"}, "left out"},
		"a/b/go/*": {1, []string{"a/b/go/2"}, "left out"},
	} {
		plans, left := storedPlans(old, only)
		if len(plans) != want.plans || !slices.Equal(left, want.left) || !strings.Contains(leftOut(left), want.says) {
			t.Errorf("--trial %q: %d plans, left out %v: %q", only, len(plans), left, leftOut(left))
		}
	}
}
