package catalogue_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"faultbed/fixtures"
	"faultbed/proxy"
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"faultbed/suites/scenario"
)

// again is how many more trials a scenario gets that failed once.
const again = 2

// TestSuite runs the whole catalogue on subject go. A trial that fails is no bad
// proxy yet and may be no bad scenario: the scenario gets two more trials and has to
// pass both. What failed once and not again is logged. A fault that bit nothing on a
// busy machine leaves its trial undecided; that none of a family bit is an error.
func TestSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	all, err := scenario.LoadFS(fixtures.Catalogue, "catalogue")
	if err != nil {
		t.Fatal(err)
	}
	first := measure(t, all, 1)
	bitten(t, first)
	suspects := failed(first)
	decided := 0
	for _, x := range first.Trials {
		if x.Verdict != verdict.Inconclusive {
			decided++
		}
		t.Logf("%-12s %s %s", x.Verdict, x.Scenario, strings.Join(x.Reasons, "; "))
	}
	if 5*decided < 4*len(first.Trials) {
		t.Errorf("only %d of %d trials were decided", decided, len(first.Trials))
	}
	if len(suspects) == 0 {
		return
	}
	second := measure(t, slices.DeleteFunc(all, func(s *scenario.Scenario) bool { return suspects[s.Name] == "" }), again)
	repeated := failed(second)
	for _, name := range slices.Sorted(maps.Keys(suspects)) {
		if repeated[name] != "" {
			t.Errorf("%s failed again:\n%s\n%s", name, suspects[name], repeated[name])
		} else {
			t.Logf("%s failed once and in none of %d more trials: %s", name, again, suspects[name])
		}
	}
}

// measure runs scenarios on subject go and judges.
func measure(t *testing.T, all []*scenario.Scenario, trials int) verdict.Result {
	t.Helper()
	runtime := os.Getenv("FAULTBED_RUNTIME")
	if runtime == "" {
		runtime = "process"
	}
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	defer cancel()
	c, err := campaign.Open(ctx, campaign.Options{Scenarios: all, Subjects: []*proxy.Spec{subject(t, "go")}, Seed: 1, Trials: trials,
		Runtime: runtime, Out: filepath.Join(t.TempDir(), "run"), Slots: 4})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
	res, err := verdict.JudgeDir(c.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range res.Manifest.Skipped {
		t.Logf("skipped      %s: %s", s.Scenario, s.Reason)
	}
	return res
}

// failed has the reasons of each scenario with a trial that failed.
func failed(r verdict.Result) map[string]string {
	out := map[string]string{}
	for _, x := range r.Trials {
		if x.Verdict == verdict.Fail {
			out[x.Scenario] = strings.Join(x.Reasons, "; ")
		}
	}
	return out
}

func bitten(t *testing.T, r verdict.Result) {
	t.Helper()
	bites := map[string]int64{}
	for _, x := range r.Trials {
		for _, f := range x.Faults {
			family, _, _ := strings.Cut(f.Kind, ".")
			bites[family] += f.Bites
		}
	}
	for _, family := range slices.Sorted(maps.Keys(bites)) {
		if bites[family] == 0 {
			t.Errorf("no fault of family %s bit anything", family)
		}
	}
}
