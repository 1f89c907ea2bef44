package check

import (
	"slices"
	"testing"

	"faultbed/reports/history"
)

// escalated is a drain that a fault ended with SIGKILL at 1300.
func escalated() *bed {
	return newBed(drain).
		req("a", history.Short, 100, 110, history.OK).
		req("b", history.Slow, 700, 1301, history.EOF).
		fault(history.Signal, 800, sig("TERM")).fault(history.Signal, 1300, sig("KILL")).fault(history.Exit, 1301, code(137), sig("KILL")).
		fault(history.Orphan, 1301)
}

// frozen is a drain whose signal found the subject stopped from 700 to 1700.
func frozen(exit int64) *bed {
	b := newBed(drain).req("a", history.Short, 100, 110, history.OK).req("b", history.Slow, 600, 1750, history.OK)
	return b.fault(history.Inject, 700, id("f1")).fault(history.Signal, 800, sig("TERM")).fault(history.Lift, 1700, id("f1")).fault(history.Exit, exit).
		planned(history.Fault{ID: "f1", Kind: "process.pause", At: 700 * msN, For: 1000 * msN})
}

func id(s string) func(*history.Event) { return func(e *history.Event) { e.ID = s } }

func (b *bed) planned(f history.Fault) *bed {
	b.t.Plan.Faults = append(b.t.Plan.Faults, f)
	return b
}

// oneKilled is a drain of subject-0 beside a subject-1 that a fault kills.
func oneKilled() *bed {
	b := drained()
	b.t.Plan.Replicas = 2
	b.t.Plan.Expect.Allow = []history.Outcome{history.Refused}
	return b.fault(history.Exit, 1201, on("subject-1"), code(137), sig("KILL")).
		fault(history.Start, 1300, on("subject-1")).fault(history.Ready, 1400, on("subject-1")).fault(history.Orphan, 1202, on("subject-1"))
}

// TestWhatAFaultKilled is no failed drain, and what it did not kill is.
func TestWhatAFaultKilled(t *testing.T) {
	killed := oneKilled()
	killed.t.Fault = slices.Insert(killed.t.Fault, 1, history.Event{T: t0 + 1200*msN, Kind: history.Signal, Node: "subject-1", Signal: "KILL"})
	late := escalated().req("c", history.Slow, 750, 1000, history.EOF)
	slow := escalated()
	slow.t.Plan.Settings.Grace = 100 * msN
	for name, c := range map[string]struct {
		b    *bed
		want []string
	}{
		"escalated":                           {escalated(), nil},
		"lost before the kill":                {late, []string{"drain-inflight"}},
		"an exit code without a kill":         {drained().fault(history.Exit, 1201, on("subject-0")), nil},
		"killed by nobody":                    {newBed(drain).req("a", history.Short, 100, 110, history.OK).fault(history.Signal, 800, sig("TERM")).fault(history.Exit, 900, code(137), sig("KILL")), []string{"drain-exit"}},
		"another replica is killed":           {killed, nil},
		"another replica dies by itself":      {oneKilled(), []string{"stragglers", "survives"}},
		"gone, which the engine said late":    {drained().fault(history.Killed, 3800), nil},
		"frozen":                              {frozen(2100), nil},
		"frozen, and too slow when it thawed": {frozen(4100), []string{"drain-time"}},
	} {
		got := c.b.names()
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	d := New(&escalated().t).Drains()
	if len(d) != 1 || d[0].Signal != "TERM" {
		t.Errorf("drains %+v", d)
	}
}

// TestAWindowIsWhatCameOfAnEvent: a fault that waited excuses what overlaps its real
// time, and one whose event did not come nothing.
func TestAWindowIsWhatCameOfAnEvent(t *testing.T) {
	waited := func(acted bool, at int64) *bed {
		b := newBed(plain).req("a", history.Short, 100, 110, history.OK).req("b", history.Short, at, at+10, history.Reset)
		b.t.Plan.Expect.Allow = []history.Outcome{history.Reset}
		b.planned(history.Fault{ID: "f1", Kind: "wire.rst", After: "error", For: 100 * msN})
		if acted {
			b.fault(history.Inject, 500, id("f1")).fault(history.Lift, 600, id("f1"))
		}
		return b
	}
	for name, c := range map[string]struct {
		b    *bed
		want []string
	}{
		"within": {waited(true, 550), nil}, "before": {waited(true, 300), []string{"outside"}}, "after": {waited(true, 700), []string{"recovery"}},
		"never": {waited(false, 550), []string{"outside"}},
	} {
		if got := c.b.names(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
