package compare

import (
	"strings"
	"testing"

	"faultbed/reports/stats"
	"faultbed/reports/verdict"
)

// cell is one with so many failed of so many trials; the rest is undecided.
func cell(subject string, failed, decided, undecided int) verdict.Cell {
	c := verdict.Cell{Scenario: "drain/sigterm", Subject: subject, Variant: "pid1", Verdict: verdict.Pass, Undecided: undecided,
		Trials: stats.ClopperPearson(failed, decided, 0.95), Requests: make([]verdict.EpochCount, 3)}
	switch {
	case failed > 0:
		c.Verdict = verdict.Fail
	case undecided > 0:
		c.Verdict = verdict.Inconclusive
	}
	return c
}

func run(cells ...verdict.Cell) verdict.Result { return verdict.Result{Cells: cells} }

func drains(c verdict.Cell, ds ...stats.Duration) verdict.Cell {
	s := stats.KaplanMeier(ds)
	c.Drain = &s
	return c
}

func TestChange(t *testing.T) {
	slow, cut := stats.Duration{Ns: 2_500_000_000}, stats.Duration{Ns: 3_000_000_000, Censored: true}
	for name, c := range map[string]struct {
		a, b   verdict.Cell
		change string
		why    string
	}{
		"clean twice":                   {cell("go", 0, 10, 0), cell("go", 0, 10, 0), "same", "requests failed during the fault"},
		"all fail now":                  {cell("go", 0, 10, 0), cell("go", 10, 10, 0), "worse", "0/10 [0.0, 30.8] %, then 10/10 [69.2, 100.0] %"},
		"none fail now":                 {cell("go", 10, 10, 0), cell("go", 0, 10, 0), "better", "10/10"},
		"fails now, one trial each":     {cell("go", 0, 1, 0), cell("go", 1, 1, 0), "undecided", "can't tell it from chance"},
		"three trials each still can't": {cell("go", 0, 3, 0), cell("go", 3, 3, 0), "undecided", "can't tell it from chance"},
		"four each, neither":            {cell("go", 0, 4, 0), cell("go", 4, 4, 0), "undecided", "chance"},
		"five each, neither":            {cell("go", 0, 5, 0), cell("go", 5, 5, 0), "undecided", "chance"},
		"six each can":                  {cell("go", 0, 6, 0), cell("go", 6, 6, 0), "worse", "6/6"},
		"fails more often, not apart":   {cell("go", 1, 10, 0), cell("go", 4, 10, 0), "same", "requests failed"},
		"fails more often, apart":       {cell("go", 1, 50, 0), cell("go", 30, 50, 0), "worse", "1/50"},
		"undecided then clean":          {cell("go", 0, 1, 1), cell("go", 0, 9, 0), "undecided", "inconclusive, then pass"},
		"clean then undecided":          {cell("go", 0, 9, 0), cell("go", 0, 0, 9), "undecided", "pass, then inconclusive"},
		"drains":                        {drains(cell("go", 0, 1, 0), slow), drains(cell("go", 0, 1, 0), cut), "same", "median drain 2.5s, then > 3s"},
		"a drain without a median":      {drains(cell("go", 0, 1, 0), slow), drains(cell("go", 0, 1, 0)), "same", "requests failed"},
		"a drain on one side alone":     {drains(cell("go", 0, 1, 0), slow), cell("go", 0, 1, 0), "same", "requests failed"},
	} {
		rows := Runs(run(c.a), run(c.b))
		if len(rows) != 1 || rows[0].Change != c.change || !strings.Contains(rows[0].Why, c.why) {
			t.Errorf("%s: %+v, want %s and %q", name, rows, c.change, c.why)
		}
	}
}

// TestIsAntisymmetric: what is worse one way is better the other way round.
func TestIsAntisymmetric(t *testing.T) {
	back := map[string]string{"worse": "better", "better": "worse", "same": "same", "undecided": "undecided"}
	for failed := range 21 {
		for before := range 21 {
			a, b := cell("go", before, 20, 0), cell("go", failed, 20, 0)
			there, here := Runs(run(a), run(b))[0].Change, Runs(run(b), run(a))[0].Change
			if back[there] != here {
				t.Errorf("%d then %d of 20: %s, the other way round %s", before, failed, there, here)
			}
			if (there == "worse" && failed <= before) || (there == "better" && failed >= before) {
				t.Errorf("%d then %d of 20 failed is said to be %s", before, failed, there)
			}
		}
	}
}

// TestPairs keeps the first run's order, then what only the second has.
func TestPairs(t *testing.T) {
	other := cell("go", 0, 1, 0)
	other.Variant = "init"
	var got []string
	for _, r := range Runs(run(cell("go", 0, 1, 0), cell("nginx", 0, 1, 0)), run(cell("python", 0, 1, 0), cell("go", 0, 1, 0), other)) {
		got = append(got, r.Subject+" "+r.Variant+" "+r.Change)
	}
	want := "go pid1 same; nginx pid1 only in A; python pid1 only in B; go init only in B"
	if s := strings.Join(got, "; "); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
	if rows := Runs(run(), run()); len(rows) != 0 {
		t.Errorf("nothing compared with nothing: %v", rows)
	}
}
