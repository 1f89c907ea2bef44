package layout

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"faultbed/reports/history"
	"faultbed/reports/stats"
	"faultbed/reports/verdict"
)

func TestSplitIsTheInverseOfKey(t *testing.T) {
	for _, variant := range []string{"", "pid1"} {
		p := history.Plan{Scenario: "drain/sigterm", Subject: "go", Variant: variant, Trial: 12}
		if k := Split(p.Key()); k != (Key{p.Scenario, p.Subject, variant, "12"}) {
			t.Errorf("%s: got %+v", p.Key(), k)
		}
	}
	if k := Split("no key at all"); k != (Key{Scenario: "no key at all"}) {
		t.Errorf("got %+v", k)
	}
}

// TestMatrixHasAllThatWasPlanned: measured, skipped and never begun, also a group
// of which nothing began, each in its column.
func TestMatrixHasAllThatWasPlanned(t *testing.T) {
	r := verdict.Result{
		Cells:    []verdict.Cell{{Scenario: "a/x", Subject: "go", Variant: "pid1"}},
		Manifest: history.Manifest{Skipped: []history.Skip{{Scenario: "a/x", Subject: "python", Reason: "no"}}},
		Missing:  []string{"a/x/go/pid1/2", "a/x/go/init/1", "a/x/go/init/2", "b/y/nginx/1", "odd"},
	}
	got := map[string][]string{}
	m := Of(r)
	for _, g := range m.Groups {
		for _, row := range g.Rows {
			for i, slots := range row.Slots {
				for _, s := range slots {
					what := "missing"
					if s.Cell != nil {
						what = "cell"
					} else if s.Skip != "" {
						what = "skip"
					}
					got[row.Scenario] = append(got[row.Scenario], what+" "+Name(m.Subjects[i], s.Variant))
				}
			}
			if len(row.Slots) != len(m.Subjects) {
				t.Errorf("%s has %d columns of %d", row.Scenario, len(row.Slots), len(m.Subjects))
			}
		}
	}
	want := map[string][]string{"a/x": {"cell go [pid1]", "missing go [init]", "skip python"}, "b/y": {"missing nginx"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"go", "python", "nginx"}, m.Subjects); d != "" {
		t.Error(d)
	}
}

func TestFigures(t *testing.T) {
	for ns, want := range map[int64]string{0: "0", 1: "0.00 ms", 420_000: "0.42 ms", 9_990_000: "9.99 ms", 412_000_000: "412 ms", 999_499_999: "999 ms",
		999_500_000: "1.00 s", 2_310_000_000: "2.31 s", 61_000_000_000: "61.0 s", -5_000_000: "-5.00 ms"} {
		if got := Dur(ns); got != want {
			t.Errorf("%d ns: got %s, want %s", ns, got, want)
		}
	}
	if got := Time(&stats.Duration{Ns: 3e9, Censored: true}); got != "> 3.00 s" {
		t.Error(got)
	}
	if got := Rate(stats.ClopperPearson(1, 10, 0.95)); got != "1/10 = 10.0 % [0.3, 44.5]" {
		t.Error(got)
	}
	if Time(nil) != None || DurPtr(nil) != None || Rate(stats.Interval{}) != None {
		t.Error("what was not measured has a figure")
	}
}

func TestExitOf(t *testing.T) {
	for want, d := range map[string]verdict.Drain{
		"0":       {Time: stats.Duration{Ns: 5}},
		"2":       {Time: stats.Duration{Ns: 5}, ExitCode: 2},
		"SIGKILL": {Time: stats.Duration{Ns: 5, Censored: true}, ExitCode: 137, ExitSignal: "KILL"},
		None:      {Time: stats.Duration{Ns: 5, Censored: true}},
	} {
		if got := ExitOf(d); got != want {
			t.Errorf("%+v: got %s, want %s", d, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"short", 5, "short"}, {"longer", 4, "long…"}, {"ää", 3, "ä…"}} {
		if got := Clip(c.in, c.n); got != c.want {
			t.Errorf("%q to %d: got %q, want %q", c.in, c.n, got, c.want)
		}
	}
}
