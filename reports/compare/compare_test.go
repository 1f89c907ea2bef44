package compare

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"faultbed/reports/stats"
	"faultbed/reports/verdict"
	"pgregory.net/rapid"
)

// trial is one of cell drain/sigterm on a subject; ns > 0 is its drain.
func trial(subject string, n int, v verdict.Verdict, ns int64, cut bool) verdict.Trial {
	t := verdict.Trial{Key: fmt.Sprint("drain/sigterm/", subject, "/", n), Scenario: "drain/sigterm", Subject: subject, Trial: n, Verdict: v}
	if ns > 0 {
		t.Drain = &verdict.Drain{Time: stats.Duration{Ns: ns, Censored: cut}}
	}
	return t
}

// trials are so many failed of so many, then undecided ones.
func trials(subject string, failed, decided, undecided int) (out []verdict.Trial) {
	for n := range decided + undecided {
		v := verdict.Pass
		switch {
		case n < failed:
			v = verdict.Fail
		case n >= decided:
			v = verdict.Inconclusive
		}
		out = append(out, trial(subject, n+1, v, 0, false))
	}
	return out
}

// run makes cells of trials, as a judge does.
func run(ts ...verdict.Trial) (r verdict.Result) {
	r.Trials = ts
	for _, t := range ts {
		i := -1
		for j, c := range r.Cells {
			if c.Subject == t.Subject && c.Variant == t.Variant {
				i = j
			}
		}
		if i < 0 {
			i = len(r.Cells)
			r.Cells = append(r.Cells, verdict.Cell{Scenario: t.Scenario, Subject: t.Subject, Variant: t.Variant, Verdict: verdict.Pass, Requests: make([]verdict.EpochCount, 3)})
		}
		if t.Verdict == verdict.Fail {
			r.Cells[i].Verdict = verdict.Fail
		}
	}
	for i := range r.Cells {
		var ds []stats.Duration
		for _, t := range ts {
			if t.Drain != nil && t.Subject == r.Cells[i].Subject {
				ds = append(ds, t.Drain.Time)
			}
		}
		if len(ds) > 0 {
			s := stats.KaplanMeier(ds)
			r.Cells[i].Drain = &s
		}
	}
	return r
}

// drains are passed trials with these drains, ms; negative: killed at it.
func drainsOf(subject string, ms ...int64) (out []verdict.Trial) {
	for i, d := range ms {
		out = append(out, trial(subject, i+1, verdict.Pass, max(d, -d)*1e6, d < 0))
	}
	return out
}

func TestChange(t *testing.T) {
	for name, c := range map[string]struct {
		a, b   []verdict.Trial
		change Change
		why    string
	}{
		"clean twice":                {trials("go", 0, 10, 0), trials("go", 0, 10, 0), Same, "with 10 + 10 trials only a change from 0 % to ≥ 40 % could have been seen"},
		"all fail now":               {trials("go", 0, 10, 0), trials("go", 10, 10, 0), Worse, "failed trials 0/10, then 10/10: +100 % [+61, +100], p < 0.001"},
		"none fail now":              {trials("go", 10, 10, 0), trials("go", 0, 10, 0), Better, "-100 %"},
		"fails now, one trial each":  {trials("go", 0, 1, 0), trials("go", 1, 1, 0), Unknown, "1 + 1 trials can show no change for the worse"},
		"two each":                   {trials("go", 0, 2, 0), trials("go", 2, 2, 0), Unknown, "2 + 2 trials"},
		"three each can":             {trials("go", 0, 3, 0), trials("go", 3, 3, 0), Worse, "p 0.031"},
		"five each":                  {trials("go", 0, 5, 0), trials("go", 0, 5, 0), Same, "with 5 + 5 trials only a change from 0 % to ≥ 80 % could have been seen"},
		"more often, not apart":      {trials("go", 1, 10, 0), trials("go", 4, 10, 0), Same, "could have been seen"},
		"more often, apart":          {trials("go", 1, 50, 0), trials("go", 30, 50, 0), Worse, "1/50"},
		"the undecided do not count": {trials("go", 0, 1, 5), trials("go", 0, 9, 0), Unknown, "0/1, then 0/9"},
		"nothing was decided":        {trials("go", 0, 9, 0), trials("go", 0, 0, 9), Unknown, "a side has no decided trial"},
		"slower":                     {drainsOf("go", 400, 410, 420, 430, 440), drainsOf("go", 900, 910, 920, 930, 940), Worse, "median drain 420 ms, then 920 ms: +500 ms [+470 ms, +530 ms], p 0.0079"},
		"killed now":                 {drainsOf("go", 400, 410, 420, 430, 440), drainsOf("go", -3000, -3000, -3000, -3000, -3000), Worse, "median drain 420 ms, then > 3.00 s, p 0.0079"},
		"faster":                     {drainsOf("go", 900, 910, 920, 930, 940), drainsOf("go", 400, 410, 420, 430, 440), Better, "-500 ms"},
		"slower once":                {drainsOf("go", 400), drainsOf("go", 900), Unknown, "so few drains can't tell"},
		"as slow":                    {drainsOf("go", 400, 410, 420, 430, 440), drainsOf("go", 401, 411, 421, 431, 441), Same, "could have been seen"},
		"a drain on one side alone":  {drainsOf("go", 400, 410, 420), trials("go", 0, 3, 0), Same, "failed trials"},
	} {
		r := Runs(run(c.a...), run(c.b...), Options{})
		if len(r.Rows) != 1 || r.Rows[0].Change != c.change || !strings.Contains(r.Rows[0].Why, c.why) {
			t.Errorf("%s: %s: %s, want %s and %q", name, r.Rows[0].Change, r.Rows[0].Why, c.change, c.why)
		}
	}
}

// TestIsAntisymmetric: what is worse one way is better the other way round.
func TestIsAntisymmetric(t *testing.T) {
	back := map[Change]Change{Worse: Better, Better: Worse, Same: Same, Unknown: Unknown}
	rapid.Check(t, func(t *rapid.T) {
		na, nb := rapid.IntRange(0, 15).Draw(t, "na"), rapid.IntRange(0, 15).Draw(t, "nb")
		ka, kb := rapid.IntRange(0, na).Draw(t, "ka"), rapid.IntRange(0, nb).Draw(t, "kb")
		a, b := run(append(trials("go", ka, na, 0), trials("x", 0, 1, 0)...)...), run(append(trials("go", kb, nb, 0), trials("x", 0, 1, 0)...)...)
		if na == 0 || nb == 0 {
			t.Skip()
		}
		there, here := Runs(a, b, Options{}).Rows[0].Change, Runs(b, a, Options{}).Rows[0].Change
		if back[there] != here {
			t.Fatalf("%d/%d then %d/%d: %s, the other way round %s", ka, na, kb, nb, there, here)
		}
	})
}

// TestPairsCells keeps the first run's order, then what only the second has.
func TestPairsCells(t *testing.T) {
	init := trials("go", 0, 1, 0)
	init[0].Variant = "init"
	a := run(append(trials("go", 0, 1, 0), trials("nginx", 0, 1, 0)...)...)
	b := run(append(append(trials("python", 0, 1, 0), trials("go", 0, 1, 0)...), init...)...)
	var got []string
	for _, r := range Runs(a, b, Options{}).Rows {
		got = append(got, strings.TrimSpace(r.Subject+" "+r.Variant)+" "+string(r.Change))
	}
	want := "go can't tell; nginx only in A; python only in B; go init only in B"
	if s := strings.Join(got, "; "); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
	if r := Runs(run(), run(), Options{}); len(r.Rows) != 0 {
		t.Errorf("nothing compared with nothing: %v", r.Rows)
	}
}

// interleave puts two subjects' trials in ABBA order.
func interleave(a, b []verdict.Trial) (out []verdict.Trial) {
	for i := range a {
		if i%2 == 0 {
			out = append(out, a[i], b[i])
		} else {
			out = append(out, b[i], a[i])
		}
	}
	return out
}

// mixed are 12 trials of which every other failed; backwards turns trials round.
func mixed(subject string) []verdict.Trial {
	out := trials(subject, 0, 12, 0)
	for i := 1; i < len(out); i += 2 {
		out[i].Verdict = verdict.Fail
	}
	return out
}

func backwards(ts []verdict.Trial) []verdict.Trial { slices.Reverse(ts); return ts }

func TestWithin(t *testing.T) {
	for name, c := range map[string]struct {
		trials []verdict.Trial
		change Change
		why    string
	}{
		"six pairs":        {interleave(trials("a", 0, 6, 0), trials("b", 6, 6, 0)), Worse, "of 6 pairs A alone failed in 0, B alone in 6: +100 %"},
		"five pairs":       {interleave(trials("a", 0, 5, 0), trials("b", 5, 5, 0)), Unknown, "5 pairs can show nothing: it takes 6"},
		"alike":            {interleave(trials("a", 3, 8, 0), trials("b", 3, 8, 0)), Unknown, "A alone failed in 0, B alone in 0"},
		"clean":            {interleave(trials("a", 0, 8, 0), trials("b", 0, 8, 0)), Same, "only 6 pairs of 8 that differ one way could have been seen"},
		"slower":           {interleave(drainsOf("a", 10, 20, 30, 40, 50, 60), drainsOf("b", 11, 22, 33, 44, 55, 66)), Worse, "+3.50 ms [+1.00 ms, +6.00 ms], p 0.031"},
		"in any order":     {append(backwards(mixed("a")), mixed("b")...), Same, "A alone failed in 0, B alone in 0"},
		"not side by side": {append(trials("a", 0, 6, 0), trials("b", 6, 6, 0)...), Worse, "not interleaved"},
	} {
		r := Within(run(c.trials...), "a", "b", Options{})
		if len(r.Rows) != 1 || r.Rows[0].Change != c.change || !strings.Contains(r.Rows[0].Why, c.why) {
			t.Errorf("%s: %s: %s, want %s and %q", name, r.Rows[0].Change, r.Rows[0].Why, c.change, c.why)
		}
	}
	if r := Within(run(trials("a", 0, 2, 0)...), "a", "b", Options{}); len(r.Rows) != 1 || r.Rows[0].Change != OnlyInA {
		t.Errorf("a subject alone: %+v", r.Rows)
	}
	if r := Subjects(run(trials("a", 0, 6, 0)...), "a", run(trials("b", 6, 6, 0)...), "b", Options{}); len(r.Rows) != 1 || r.Rows[0].Change != Worse || r.Rows[0].Name() != "drain/sigterm on a and b" {
		t.Errorf("two runs' subjects: %+v", r.Rows)
	}
}

// TestPairsSeeWhatDriftHides: where both subjects slow down together, pairs tell
// a constant difference that independent series can't.
func TestPairsSeeWhatDriftHides(t *testing.T) {
	var a, b []int64
	for i := range int64(8) {
		a, b = append(a, 100+100*i), append(b, 110+100*i)
	}
	r := run(interleave(drainsOf("a", a...), drainsOf("b", b...))...)
	if got := Within(r, "a", "b", Options{}).Rows[0].Change; got != Worse {
		t.Errorf("paired: %s", got)
	}
	if got := Subjects(r, "a", r, "b", Options{}).Rows[0].Change; got != Same {
		t.Errorf("as if independent: %s", got)
	}
}

// TestCriesWolfSeldom compares a subject with itself: of two series from one
// distribution, differences are seen in at most 5 % of failures and of drains.
func TestCriesWolfSeldom(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	draw := func() (out []verdict.Trial) {
		for n := range 6 {
			v := verdict.Pass
			if rng.Float64() < 0.3 {
				v = verdict.Fail
			}
			out = append(out, trial("go", n, v, 1+int64(1e9*rng.ExpFloat64()), false))
		}
		return out
	}
	failures, slower := 0, 0
	const n = 300
	for range n {
		row := Runs(run(draw()...), run(draw()...), Options{}).Rows[0]
		differs := func(c Change) bool { return c == Worse || c == Better }
		if differs(row.Failures.Change) {
			failures++
		}
		if differs(row.Drains.Change) {
			slower++
		}
	}
	if slower == 0 {
		t.Error("a test that never rejects")
	}
	if most := n/20 + 15; failures > most || slower > most { // 5 % and four standard deviations
		t.Errorf("of %d A/A comparisons %d and %d differ", n, failures, slower)
	}
}

func TestHolm(t *testing.T) {
	var a, b []verdict.Trial
	for i := range 30 {
		name := fmt.Sprintf("s%02d", i)
		a = append(a, trials(name, 0, 3, 0)...)
		b = append(b, trials(name, 3*(1-min(i, 1)), 3, 0)...)
	}
	a, b = append(a, trials("z", 0, 20, 0)...), append(b, trials("z", 20, 20, 0)...)
	r := Runs(run(a...), run(b...), Options{})
	if r.Rows[0].Change != Worse || len(r.Sure) != 1 || r.Sure[0] != "drain/sigterm on z: failures worse" {
		t.Errorf("%s, sure %v", r.Rows[0].Change, r.Sure)
	}
	if want := "31 cells: 2 worse, 29 no difference seen; of 31 comparisons at 5 % about 2 differ by chance, 1 differ beyond that (Holm)"; r.Summary != want {
		t.Errorf("got %s", r.Summary)
	}
}

// TestUnlikeRuns: of two scenarios of one name neither is better, and what else
// differs between the runs is said.
func TestUnlikeRuns(t *testing.T) {
	for name, c := range map[string]struct {
		a, b   string // digests of the plans
		seed   uint64 // of B; A's is 1
		change Change
		notes  int
	}{
		"alike":          {"x", "x", 1, Worse, 0},
		"changed":        {"x", "y", 1, Differs, 0},
		"other seeds":    {"x", "y", 2, Worse, 1},
		"an old verdict": {"", "y", 1, Worse, 0},
	} {
		a, b := run(trials("go", 0, 20, 0)...), run(trials("go", 20, 20, 0)...)
		a.Manifest.Seed, b.Manifest.Seed = 1, c.seed
		a.Cells[0].Plan, b.Cells[0].Plan = c.a, c.b
		r := Runs(a, b, Options{})
		if r.Rows[0].Change != c.change || len(r.Notes) != c.notes || !strings.Contains(r.Summary, "1 "+string(c.change)) {
			t.Errorf("%s: %s, notes %q: %s", name, r.Rows[0].Change, r.Notes, r.Summary)
		}
	}
	a, b := run(trials("go", 0, 3, 0)...), run(trials("go", 0, 3, 0)...)
	a.Manifest.Runtime, b.Manifest.Runtime = "docker", "process"
	if n := Runs(a, b, Options{}).Notes; len(n) != 1 || !strings.Contains(n[0], "runtime docker, B in process") {
		t.Errorf("%q", n)
	}
}
