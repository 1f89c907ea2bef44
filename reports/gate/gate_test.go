package gate

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"faultbed/reports/check"
	"faultbed/reports/history"
	"faultbed/reports/schema"
	"faultbed/reports/stats"
	"faultbed/reports/verdict"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden file anew")

var day = time.Date(2026, 11, 25, 22, 0, 0, 0, time.UTC)

func load(t *testing.T, text string) *File {
	t.Helper()
	f, err := Load("gate.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// trial is one of a cell "scenario subject variant"; checks are those that it
// broke.
func trial(cell string, v verdict.Verdict, checks ...string) verdict.Trial {
	p := append(strings.Fields(cell), "", "")
	t := verdict.Trial{Scenario: p[0], Subject: p[1], Variant: p[2], Verdict: v, Reasons: []string{"why it is so"}, Found: len(checks)}
	for _, c := range checks {
		t.Violations = append(t.Violations, check.Violation{Check: c})
	}
	return t
}

// failing are so many trials, of which the first k broke a check.
func failing(cell, by string, k, n int) (out []verdict.Trial) {
	for i := range n {
		if i < k {
			out = append(out, trial(cell, verdict.Fail, by))
		} else {
			out = append(out, trial(cell, verdict.Pass))
		}
	}
	return out
}

// draining are passed trials with these drains, ms; negative ones were killed.
func draining(cell string, ms ...int64) (out []verdict.Trial) {
	for _, d := range ms {
		t := trial(cell, verdict.Pass)
		t.Drain = &verdict.Drain{Time: stats.Duration{Ns: max(d, -d) * 1e6, Censored: d < 0}}
		out = append(out, t)
	}
	return out
}

// requesting are trials of 100 requests after the faults of which so many failed.
func requesting(cell string, failed ...int) (out []verdict.Trial) {
	for _, k := range failed {
		t := trial(cell, verdict.Pass)
		t.Requests = []verdict.EpochCount{{Epoch: "before", N: 50}, {Epoch: "after", N: 100, Failed: k}}
		out = append(out, t)
	}
	return out
}

// run makes a complete run of trials, as a judge does.
func run(ts ...[]verdict.Trial) (r verdict.Result) {
	r.Manifest.Status, r.Manifest.Run, r.Manifest.Runtime = "complete", "20261125-220000-00000000", "process"
	for _, t := range slices.Concat(ts...) {
		i := slices.IndexFunc(r.Cells, func(c verdict.Cell) bool {
			return c.Scenario == t.Scenario && c.Subject == t.Subject && c.Variant == t.Variant
		})
		if i < 0 {
			i = len(r.Cells)
			r.Cells = append(r.Cells, verdict.Cell{Scenario: t.Scenario, Subject: t.Subject, Variant: t.Variant})
		}
		t.Trial = 1
		for _, u := range r.Trials {
			if u.Scenario == t.Scenario && u.Subject == t.Subject && u.Variant == t.Variant {
				t.Trial++
			}
		}
		t.Key = fmt.Sprintf("%s/%s/%d", t.Scenario, t.Subject, t.Trial)
		r.Trials = append(r.Trials, t)
		if t.Drain != nil {
			ds := []stats.Duration{}
			for _, u := range r.Trials {
				if u.Scenario == t.Scenario && u.Subject == t.Subject && u.Drain != nil {
					ds = append(ds, u.Drain.Time)
				}
			}
			s := stats.KaplanMeier(ds)
			r.Cells[i].Drain = &s
		}
	}
	return r
}

func many(n int, t verdict.Trial) []verdict.Trial { return slices.Repeat([]verdict.Trial{t}, n) }

const five = "limits: [{scenario: '*/*', failure_rate: 5%}]"

func TestLimits(t *testing.T) {
	const cell = "drain/sigterm go pid1"
	drainLimit := "limits: [{scenario: 'drain/*', drain_time: 2s, quantile: 0.9}]"
	after := "limits: [{scenario: 'drain/*', requests_failed: 10%, epoch: after}]"
	for name, c := range map[string]struct {
		file   string
		trials []verdict.Trial
		want   verdict.Verdict
		text   string
	}{
		"59 clean are enough":       {five, failing(cell, "during", 0, 59), verdict.Pass, "0 of 59 trials failed, at most 4.95 % do at 95 %"},
		"58 are not":                {five, failing(cell, "during", 0, 58), verdict.Inconclusive, "1 more clean trial is needed for ≤ 5 % at 95 %"},
		"one clean trial":           {five, failing(cell, "during", 0, 1), verdict.Inconclusive, "58 more clean trials are needed"},
		"one failure of 20":         {five, failing(cell, "during", 1, 20), verdict.Inconclusive, "1 of 20 trials failed, 5 % [0.256 %, 21.6 %]; 73 more clean trials"},
		"half fail":                 {five, failing(cell, "during", 5, 10), verdict.Fail, "5 of 10 trials failed, 50 % [22.2 %, 77.8 %]: why it is so"},
		"nothing decided":           {five, []verdict.Trial{trial(cell, verdict.Inconclusive)}, verdict.Inconclusive, "no trial is decided (1 undecided); 59 more"},
		"undecided do not count":    {five, append(failing(cell, "during", 0, 59), trial(cell, verdict.Inconclusive)), verdict.Pass, "(1 undecided)"},
		"another confidence":        {"limits: [{scenario: 'drain/*', failure_rate: 5%, confidence: 80%}]", failing(cell, "during", 0, 32), verdict.Pass, "at 80 %"},
		"quick drains":              {drainLimit, draining(cell, slices.Repeat([]int64{400}, 29)...), verdict.Pass, "90 % of 29 drains take 400 ms [400 ms, 400 ms]"},
		"too few quick drains":      {drainLimit, draining(cell, 400, 410, 420), verdict.Inconclusive, "take 420 ms [410 ms, no bound]; 26 more clean trials are needed for 2s at 95 %"},
		"slow drains":               {drainLimit, draining(cell, 2500, 2600, 2700), verdict.Fail, "take 2.70 s"},
		"killed":                    {drainLimit, draining(cell, -3000, -3000, -3000), verdict.Fail, "take > 3.00 s [3.00 s, no bound], 3 killed at their limit"},
		"killed before the limit":   {drainLimit, draining(cell, append(slices.Repeat([]int64{400}, 28), -1000)...), verdict.Inconclusive, "1 killed at their limit; 17 more"},
		"killed at the limit":       {drainLimit, draining(cell, -2000, -2000, -2000), verdict.Fail, "> 2.00 s"},
		"no drain":                  {drainLimit, failing(cell, "during", 0, 3), verdict.Inconclusive, "no drain was measured; 29 more"},
		"few trials, many requests": {after, requesting(cell, 0, 0, 0), verdict.Inconclusive, "0 of 300 requests failed, in 3 trials: a trial's mean share is within [0 %, 68.4 %]; 31 more"},
		"many clean trials":         {after, requesting(cell, make([]int, 35)...), verdict.Pass, "0 of 3500 requests failed"},
		"a third fails each time":   {after, requesting(cell, 33, 34, 35, 33, 33, 33), verdict.Fail, "201 of 600 requests failed"},
		"a sixth is undecided":      {five, append(failing(cell, "during", 0, 59), many(12, trial(cell, verdict.Inconclusive))...), verdict.Pass, "(12 undecided)"},
		"too many are undecided":    {five, append(failing(cell, "during", 0, 59), many(15, trial(cell, verdict.Inconclusive))...), verdict.Inconclusive, "15 of 74 trials are undecided, more than 20 %: why it is so"},
		"undecided, and it failed":  {five, append(failing(cell, "during", 5, 10), many(15, trial(cell, verdict.Inconclusive))...), verdict.Fail, "5 of 10"},
		"drains that are undecided": {drainLimit, append(draining(cell, slices.Repeat([]int64{400}, 29)...), many(8, trial(cell, verdict.Inconclusive))...), verdict.Inconclusive, "8 of 37 trials are undecided"},
		"one trial lost all":        {after, requesting(cell, append(make([]int, 34), 100)...), verdict.Inconclusive, "more clean trials are needed for ≤ 10 % at 95 %, as requests of a trial fail together"},
	} {
		r := Judge(run(c.trials), load(t, c.file), Options{Day: day})
		d := r.Decisions[0]
		if d.Verdict != c.want || !strings.Contains(d.Text(), c.text) {
			t.Errorf("%s: %s: %s, want %s and %q", name, d.Verdict, d.Text(), c.want, c.text)
		}
	}
}

// TestEachLimitStandsBesidePromises: only a limit of the failure rate replaces the
// rule that no promise is broken.
func TestEachLimitStandsBesidePromises(t *testing.T) {
	f := load(t, "limits: [{scenario: 'drain/*', drain_time: 9s}, {scenario: 'network/*', failure_rate: 90%}]")
	r := Judge(run(failing("drain/a go", "during", 1, 9), failing("network/a go", "during", 1, 9)), f, Options{Day: day})
	if r.Of("drain/a", "go", "") != verdict.Fail || r.Of("network/a", "go", "") != verdict.Pass || r.Verdict != verdict.Fail {
		t.Errorf("%+v", r.Decisions)
	}
}

func TestPromises(t *testing.T) {
	for name, c := range map[string]struct {
		trials     []verdict.Trial
		sequential bool
		want       verdict.Verdict
	}{
		"clean":                   {failing("a/b go", "during", 0, 1), false, verdict.Pass},
		"one failed":              {failing("a/b go", "during", 1, 50), false, verdict.Fail},
		"one undecided":           {append(failing("a/b go", "", 0, 3), trial("a/b go", verdict.Inconclusive)), false, verdict.Inconclusive},
		"one undecided, retried":  {append(failing("a/b go", "", 0, 3), trial("a/b go", verdict.Inconclusive)), true, verdict.Pass},
		"all undecided":           {[]verdict.Trial{trial("a/b go", verdict.Inconclusive)}, true, verdict.Inconclusive},
		"fail beats inconclusive": {append(failing("a/b go", "during", 1, 1), trial("a/b go", verdict.Inconclusive)), false, verdict.Fail},
	} {
		if r := Judge(run(c.trials), &File{}, Options{Day: day, Sequential: c.sequential}); r.Verdict != c.want {
			t.Errorf("%s: %s, want %s: %s", name, r.Verdict, c.want, r.Decisions[0].Text())
		}
	}
}

func TestKnown(t *testing.T) {
	known := func(until string) string {
		return "known: [{scenario: drain/storm, subject: nginx, variant: '*', check: 'drain-time, drain-exit', reason: half a head, until: " + until + "}]"
	}
	cell := "drain/storm nginx init"
	both := []verdict.Trial{trial(cell, verdict.Fail, "drain-time", "integrity")}
	for name, c := range map[string]struct {
		file   string
		trials []verdict.Trial
		want   verdict.Verdict
		state  string
		says   string
	}{
		"excused":             {known("2027-03-01"), failing(cell, "drain-time", 2, 3), verdict.Pass, Excused, "occurred in 2 trials and is excused until 2027-03-01: half a head"},
		"its second check":    {known("2027-03-01"), failing(cell, "drain-exit", 1, 3), verdict.Pass, Excused, ""},
		"on its last day":     {known("2026-11-25"), failing(cell, "drain-time", 1, 3), verdict.Pass, Excused, ""},
		"the day after":       {known("2026-11-24"), failing(cell, "drain-time", 1, 3), verdict.Fail, Expired, "expired on 2026-11-24 and excuses nothing"},
		"another check":       {known("2027-03-01"), failing(cell, "integrity", 1, 3), verdict.Fail, Absent, ""},
		"another check too":   {known("2027-03-01"), both, verdict.Fail, Excused, ""},
		"another subject":     {known("2027-03-01"), failing("drain/storm go init", "drain-time", 1, 3), verdict.Fail, Unmatched, "matches no cell of this run"},
		"did not occur":       {known("2027-03-01"), failing(cell, "drain-time", 0, 3), verdict.Pass, Absent, "known failure drain-time, drain-exit of drain/storm on nginx did not occur: remove it?"},
		"expired and absent":  {known("2026-11-24"), failing(cell, "drain-time", 0, 3), verdict.Pass, Absent, "remove it?"},
		"undecided stays":     {known("2027-03-01"), []verdict.Trial{trial(cell, verdict.Inconclusive, "drain-time")}, verdict.Inconclusive, Excused, ""},
		"within a limit":      {five + "\n" + known("2027-03-01"), failing(cell, "drain-time", 9, 59), verdict.Pass, Excused, ""},
		"expired and a limit": {five + "\n" + known("2026-11-24"), failing(cell, "drain-time", 9, 59), verdict.Fail, Expired, ""},
	} {
		r := Judge(run(c.trials), load(t, c.file), Options{Day: day})
		if r.Verdict != c.want || r.Known[0].State != c.state || !strings.Contains(r.Known[0].Message, c.says) {
			t.Errorf("%s: %s, %s: %s", name, r.Verdict, r.Known[0].State, r.Known[0].Message)
		}
	}
	r := Judge(run(failing(cell, "drain-time", 1, 3)), load(t, known("2026-11-24")), Options{Day: day})
	if !strings.Contains(r.Decisions[0].Text(), "expired on 2026-11-24") {
		t.Errorf("the failed cell does not say so: %s", r.Decisions[0].Text())
	}
}

// TestNothingIsExcusedByChance: whatever is known, a trial that broke a check that
// no rule names for its cell fails the gate.
func TestNothingIsExcusedByChance(t *testing.T) {
	names := checkNames()
	rapid.Check(t, func(t *rapid.T) {
		check := rapid.SampledFrom(names)
		excused := rapid.SliceOfDistinct(check, rapid.ID).Draw(t, "excused")
		broken := rapid.SliceOfNDistinct(check, 1, 4, rapid.ID).Draw(t, "broken")
		f := &File{}
		for _, c := range excused {
			f.Known = append(f.Known, Known{Where: Where{Scenario: "a/*"}, checks: []string{c}, until: day})
		}
		all := !slices.ContainsFunc(broken, func(c string) bool { return !slices.Contains(excused, c) })
		r := Judge(run([]verdict.Trial{trial("a/b go", verdict.Fail, broken...)}), f, Options{Day: day})
		if pass := r.Verdict == verdict.Pass; pass != all {
			t.Fatalf("broke %v, excused %v: %s", broken, excused, r.Verdict)
		}
	})
}

func TestUnfinishedRunsPassNothing(t *testing.T) {
	clean := run(failing("a/b go", "", 0, 3))
	clean.SelfTest = &verdict.SelfTest{Verdict: verdict.Pass}
	clean.Manifest.Skipped = []history.Skip{{Subject: "go", Reason: "it lacks h2"}}
	if g := Judge(clean, &File{}, Options{Day: day}); g.Verdict != verdict.Pass {
		t.Errorf("a whole run: %s: %s", g.Verdict, g.Reason)
	}
	for name, spoil := range map[string]func(*verdict.Result){
		"interrupted": func(r *verdict.Result) { r.Manifest.Status = "interrupted" },
		"missing":     func(r *verdict.Result) { r.Missing = []string{"a/b/go/4"} },
		"empty":       func(r *verdict.Result) { r.Cells, r.Trials = nil, nil },
		"can't be trusted": func(r *verdict.Result) {
			r.SelfTest = &verdict.SelfTest{Verdict: verdict.Inconclusive, Reason: "the stall was not seen"}
		},
		"subject nginx could not be had: no such file": func(r *verdict.Result) {
			r.Manifest.Skipped = []history.Skip{{Subject: "go", Reason: "it lacks h2"}, {Subject: "nginx", Reason: "no such file", Unavailable: true}}
		},
	} {
		r := clean
		spoil(&r)
		if g := Judge(r, &File{}, Options{Day: day}); g.Verdict != verdict.Inconclusive || strings.Contains(name, " ") && !strings.Contains(g.Reason, name) {
			t.Errorf("%s: %s: %s", name, g.Verdict, g.Reason)
		}
	}
	g := Judge(clean, load(t, "limits: [{scenario: 'drain/*', failure_rate: 5%}]"), Options{Day: day})
	if g.Verdict != verdict.Inconclusive || !strings.Contains(g.Decisions[1].Figure, "matches no cell") {
		t.Errorf("a limit that is for nothing: %+v", g)
	}
}

func TestBaseline(t *testing.T) {
	quick, slow := draining("d/a go", 400, 410, 420, 430, 440, 450), draining("d/a go", 900, 910, 920, 930, 940, 950)
	for name, c := range map[string]struct {
		base, now []verdict.Trial
		want      verdict.Verdict
	}{
		"as before":          {quick, quick, verdict.Pass},
		"slower":             {quick, slow, verdict.Fail},
		"faster":             {slow, quick, verdict.Pass},
		"slower once":        {quick[:1], slow[:1], verdict.Pass},
		"as bad as before":   {failing("d/a go", "during", 9, 9), failing("d/a go", "during", 9, 9), verdict.Pass},
		"worse than before":  {failing("d/a go", "during", 1, 20), failing("d/a go", "during", 12, 20), verdict.Fail},
		"better than before": {failing("d/a go", "during", 12, 20), failing("d/a go", "during", 1, 20), verdict.Pass},
	} {
		b := run(c.base)
		f := load(t, "baseline: old\nlimits: [{scenario: '*/*', failure_rate: 99.9%}]")
		r := Judge(run(c.now), f, Options{Day: day, Baseline: &b})
		got := verdict.Pass
		for _, d := range r.Decisions {
			if d.Kind == Baseline {
				got = worst(got, d.Verdict)
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s: %+v", name, got, c.want, r.Decisions)
		}
	}
}

// TestBaselineOfWhatWasNotMeasured: what was not compared must not read as kept.
func TestBaselineOfWhatWasNotMeasured(t *testing.T) {
	undecided := many(3, trial("d/a go", verdict.Inconclusive))
	for name, c := range map[string]struct {
		base, now []verdict.Trial
		says      string
	}{
		"no cell in common":       {failing("d/a go", "", 0, 3), failing("d/b go", "", 0, 3), "have no cell in common"},
		"a cell gone":             {append(failing("d/a go", "", 0, 3), failing("d/b go init", "", 0, 3)...), failing("d/a go", "", 0, 3), "d/b on go [init]: no worse than the baseline's: 1 cell is of the baseline not in this run"},
		"two cells gone":          {slices.Concat(failing("d/a go", "", 0, 3), failing("d/b go", "", 0, 3), failing("d/c go", "", 0, 3)), failing("d/a go", "", 0, 3), "2 cells are"},
		"another scenario":        {failing("d/x go", "", 0, 3), failing("d/x go", "", 0, 3), "the scenario differs"},
		"an empty baseline":       {nil, failing("d/a go", "", 0, 3), "have no cell in common"},
		"an undecided baseline":   {undecided, failing("d/a go", "", 0, 3), "a decided trial of the baseline"},
		"an undecided run":        {failing("d/a go", "", 0, 3), undecided, "a decided trial of this run"},
		"neither side is decided": {undecided, undecided, "a decided trial of either run"},
	} {
		b, now := run(c.base), run(c.now)
		if name == "another scenario" {
			b.Cells[0].Plan, now.Cells[0].Plan = "0001", "0002"
		}
		r := Judge(now, &File{}, Options{Day: day, Baseline: &b})
		i := slices.IndexFunc(r.Decisions, func(d Decision) bool { return d.Kind == Baseline && d.Verdict == verdict.Inconclusive })
		if i < 0 || r.Verdict != verdict.Inconclusive || !strings.Contains(r.Decisions[i].Text(), c.says) {
			t.Errorf("%s: %s, want %q: %+v", name, r.Verdict, c.says, r.Decisions)
		}
	}
}

func TestBaselineNotes(t *testing.T) {
	clean := failing("d/a go", "", 0, 3)
	for says, spoil := range map[string]func(base, now *verdict.Result){
		"the baseline passes no gate itself: the run did not come to its end: it is interrupted": func(b, _ *verdict.Result) { b.Manifest.Status = "interrupted" },
		"made with a budget": func(b, _ *verdict.Result) { b.Manifest.Args = []string{"--budget=1m"} },
		"a run that was made with": func(b, r *verdict.Result) {
			b.Manifest.Args, r.Manifest.Args = []string{"--budget=1m"}, []string{"--budget=1m"}
		},
		"measured in runtime docker": func(b, _ *verdict.Result) { b.Manifest.Runtime = "docker" },
		"A has seed 0, B 7":          func(_, r *verdict.Result) { r.Manifest.Seed = 7 },
	} {
		b, r := run(clean), run(clean)
		if g := Judge(r, &File{}, Options{Day: day, Baseline: &b}); len(g.Notes) != 0 {
			t.Errorf("alike: %q", g.Notes)
		}
		spoil(&b, &r)
		if g := Judge(r, &File{}, Options{Day: day, Baseline: &b}); len(g.Notes) != 1 || !strings.Contains(g.Notes[0], says) {
			t.Errorf("%q, want %q", g.Notes, says)
		}
	}
}

// TestBoundsThatContradictFail: sequential bounds of a series that failed at once
// and went well for ever after can cross; what was shown once stands.
func TestBoundsThatContradictFail(t *testing.T) {
	for want, b := range map[verdict.Verdict][3]float64{
		verdict.Fail: {0.6, 0.1, 0.5}, verdict.Pass: {0, 0.5, 0.5}, verdict.Inconclusive: {0.1, 0.6, 0.5},
	} {
		if got := between(b[0], b[1], b[2]); got != want {
			t.Errorf("[%g, %g] against %g: %s, want %s", b[0], b[1], b[2], got, want)
		}
	}
	f := load(t, "limits: [{scenario: '*/*', failure_rate: 40%}]")
	ts := append(failing("a/b go", "during", 9, 9), failing("a/b go", "during", 0, 300)...)
	if r := Judge(run(ts), f, Options{Day: day, Sequential: true}); r.Verdict != verdict.Fail {
		t.Errorf("%s: %s", r.Verdict, r.Decisions[0].Text())
	}
}

// TestOrderIsThatOfTheNumbers: light trials end in any order, and the gate's
// answer may not depend on it.
func TestOrderIsThatOfTheNumbers(t *testing.T) {
	f := load(t, "limits: [{scenario: '*/*', failure_rate: 40%}]")
	r := run(append(failing("a/b go", "during", 0, 20), failing("a/b go", "during", 6, 6)...))
	want := Judge(r, f, Options{Day: day, Sequential: true}).Decisions
	slices.Reverse(r.Trials)
	if d := cmp.Diff(want, Judge(r, f, Options{Day: day, Sequential: true}).Decisions); d != "" {
		t.Error(d)
	}
}

// TestSequentialDrainsHaveNoFixedInterval: bounds of a fixed number of trials
// would contradict a decision that looked at each.
func TestSequentialDrainsHaveNoFixedInterval(t *testing.T) {
	f := load(t, "limits: [{scenario: 'd/*', drain_time: 2s, quantile: 0.9}]")
	r := run(draining("d/a go", slices.Repeat([]int64{400}, 40)...))
	if d := Judge(r, f, Options{Day: day}).Decisions[0]; d.Low == 0 || d.High == nil {
		t.Errorf("a fixed number: %+v", d)
	}
	if d := Judge(r, f, Options{Day: day, Sequential: true}).Decisions[0]; d.Low != 0 || d.High != nil || !strings.Contains(d.Figure, "as if that number had been planned") {
		t.Errorf("sequential: %+v", d)
	}
}

// TestBaselineDoesNotCryWolf compares 25 cells with themselves again and again:
// one comparison of all may be called worse in 5 % of gates.
func TestBaselineDoesNotCryWolf(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	draw := func() verdict.Result {
		var ts []verdict.Trial
		for c := range 25 {
			for range 5 {
				x := draining(fmt.Sprintf("d/c%d go", c), 1+int64(1e3*rng.ExpFloat64()))[0]
				if c < 10 && rng.Float64() < 0.4 {
					x.Verdict = verdict.Fail
				}
				ts = append(ts, x)
			}
		}
		return run(ts)
	}
	alarms := 0
	const n = 40
	for range n {
		b, r := draw(), draw()
		j := judge{file: &File{}, opt: Options{Baseline: &b}, ex: newExcuses(nil, day)}
		var out Result
		j.baseline(&out, r)
		if slices.ContainsFunc(out.Decisions, func(d Decision) bool { return d.Verdict == verdict.Fail }) {
			alarms++
		}
	}
	if alarms > 7 { // more than 7 of 40 at 5 % comes once in 800 times
		t.Errorf("%d of %d gates cried wolf", alarms, n)
	}
}

func TestTarone(t *testing.T) {
	ts := []test{{least: 0.5}, {least: 0.5}, {least: 0.001}, {least: 0.02}}
	if got := tarone(ts); got != alpha/2 {
		t.Errorf("level %g, want that of the two that can be reached", got)
	}
	if got := tarone(nil); got != alpha {
		t.Errorf("no tests: %g", got)
	}
}

func TestSequentialIsToldByTheRun(t *testing.T) {
	r := run(failing("a/b go", "", 0, 60))
	f := load(t, five)
	if g := Judge(r, f, Options{Day: day}); g.Verdict != verdict.Pass || g.Sequential {
		t.Errorf("60 clean trials: %s", g.Verdict)
	}
	r.Manifest.Args = []string{"gate", "--budget", "10m"}
	if g := Judge(r, f, Options{Day: day}); g.Verdict != verdict.Inconclusive || !g.Sequential || g.Decisions[0].Needed != 5 {
		t.Errorf("60 clean trials of a run with a budget: %s, %+v", g.Verdict, g.Decisions)
	}
}

func TestNeeds(t *testing.T) {
	undecided := slices.Repeat([]verdict.Trial{trial("a/undecided go", verdict.Inconclusive)}, 3)
	r := run(failing("a/clean go", "", 0, 1), failing("b/near go", "", 0, 50), failing("b/far go", "during", 1, 9),
		failing("a/bad go", "during", 1, 1), failing("b/worse go", "during", 5, 5), undecided,
		[]verdict.Trial{trial("a/again go", verdict.Inconclusive)})
	g := Judge(r, load(t, "limits: [{scenario: 'b/*', failure_rate: 5%}]"), Options{Day: day, Sequential: true})
	var got []string
	for _, n := range Promising(g.Needs(r), func(Need) time.Duration { return time.Second }) {
		got = append(got, fmt.Sprintf("%s %d %v", n.Scenario, n.Trials, n.Open))
	}
	if want := "a/again 1 true; b/near 15 true; b/far 124 true; a/clean 64 false"; strings.Join(got, "; ") != want {
		t.Errorf("got %s", strings.Join(got, "; "))
	}
	dear := func(n Need) time.Duration {
		if n.Scenario == "b/near" {
			return time.Minute
		}
		return time.Second
	}
	if n := Promising(g.Needs(r), dear); n[1].Scenario != "b/far" || n[2].Scenario != "b/near" {
		t.Errorf("what is dear comes later: %v", n)
	}
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "the file is empty",
		"{}":                          "missing key",
		"limit:\n  - {scenario: a/b}": `gate.yaml:1:1: unknown key "limit"`,
		"limits: [{scenario: a/b}]":   "gate.yaml:1:21: want exactly one of failure_rate, drain_time and requests_failed",
		"limits: [{scenario: a/b, failure_rate: 5%, drain_time: 2s}]":              "want exactly one of",
		"limits: [{scenario: a/b, failure_rate: 0.05}]":                            "gate.yaml:1:40: ",
		"limits: [{scenario: a/b, failure_rate: 0%}]":                              "no number of trials can show",
		"limits: [{scenario: a/b, failure_rate: 100%}]":                            "limits nothing",
		"limits: [{scenario: '[', failure_rate: 5%}]":                              "gate.yaml:1:21: \"[\": syntax error in pattern",
		"limits: [{scenario: a/b, failure_rate: 5%, confidence: 10%}]":             "gate.yaml:1:56: want 50% to below 100%, got 10 %",
		"limits: [{scenario: a/b, failure_rate: 5%, quantile: 0.9}]":               "only drain_time has a quantile",
		"limits: [{scenario: a/b, drain_time: 2s, epoch: after}]":                  "only requests_failed has an epoch",
		"limits: [{scenario: a/b, drain_time: 2}]":                                 "got",
		"limits: [{scenario: a/b, requests_failed: 1%, epoch: afterwards}]":        `did you mean "after"?`,
		"known: [{scenario: a/b, check: drain-tme, reason: x, until: 2027-03-01}]": `gate.yaml:1:32: unknown check "drain-tme": did you mean "drain-time"?`,
		"known: [{scenario: a/b, check: during, reason: x, until: 2027-02-30}]":    `gate.yaml:1:58: "2027-02-30" is no date`,
		"known: [{scenario: a/b, check: during, reason: x}]":                       `missing key "until"`,
		"known: [{scenario: a/b, check: during, until: 2027-03-01}]":               `missing key "reason"`,
	} {
		_, err := Load("gate.yaml", []byte(text))
		var se *schema.Error
		if !errors.As(err, &se) || !strings.Contains(se.Error(), want) || strings.Contains(se.Error(), "\n") {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestPercent(t *testing.T) {
	for in, want := range map[string]float64{"5%": 0.05, "0.1 %": 0.001, "12.5%": 0.125} {
		var p Percent
		if err := p.UnmarshalText([]byte(in)); err != nil || p != Percent(want) {
			t.Errorf("%s: %v, %v", in, float64(p), err)
		}
		b, _ := p.MarshalText()
		var back Percent
		if err := back.UnmarshalText(b); err != nil || back != p {
			t.Errorf("%s: back %v, %v", in, back, err)
		}
	}
}

// sampleRun has one of each: passed, failed, open, excused, expired, absent.
func sampleRun() verdict.Result {
	return run(failing("drain/sigterm go pid1", "drain-time", 0, 60), failing("drain/storm nginx", "drain-time", 2, 3),
		failing("drain/rolling python", "drain-exit", 1, 3), draining("drain/slow go", 400, 500, -3000), failing("network/rst go", "during", 0, 5))
}

const sampleFile = `limits:
  - {scenario: drain/sigterm, failure_rate: 5%}
  - {scenario: drain/slow, drain_time: 2s, quantile: 0.9}
  - {scenario: network/*, failure_rate: 1%, confidence: 90%}
known:
  - {scenario: drain/storm, subject: nginx, check: drain-time, reason: half a head outlives worker_shutdown_timeout, issue: "https://example.org/1", until: 2027-03-01}
  - {scenario: drain/rolling, check: drain-exit, reason: a race, until: 2026-11-01}
  - {scenario: drain/slow, check: stragglers, reason: a helper, until: 2027-03-01}
`

func TestGolden(t *testing.T) {
	const golden = "testdata/gate.json"
	got, err := json.MarshalIndent(Judge(sampleRun(), load(t, sampleFile), Options{Day: day}), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		os.MkdirAll(filepath.Dir(golden), 0o755)
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); d != "" {
		t.Errorf("-want +got (go test -update writes it anew):\n%s", d)
	}
}

// FuzzLoad: whatever the input, an error is one line, and what is accepted can be
// judged by.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(sampleFile))
	f.Add([]byte(five))
	f.Add([]byte("known: [{scenario: a/b, check: during, reason: x, until: 2027-03-01}]\nbaseline: runs/x"))
	r := sampleRun()
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Load("gate.yaml", data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("several lines: %q", err)
			}
			return
		}
		g := Judge(r, file, Options{Day: day})
		if _, err := json.Marshal(g); err != nil || len(g.Known) != len(file.Known) {
			t.Errorf("%v, %d of %d known failures told", err, len(g.Known), len(file.Known))
		}
	})
}
