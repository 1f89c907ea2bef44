package zoo

import (
	"fmt"
	"strings"
	"testing"

	"faultbed/reports/verdict"
)

// aa is a judged run of n trials, of which the first are undecided and a check
// fired in the last.
func aa(n, undecided, fired int) (r verdict.Result) {
	r.SelfTest = &verdict.SelfTest{Verdict: verdict.Pass}
	for i := range n {
		t := verdict.Trial{Key: fmt.Sprint(i), Verdict: verdict.Pass}
		if i < undecided {
			t.Verdict = verdict.Inconclusive
		}
		if n-i <= fired {
			t.Found = 1
		}
		r.Trials = append(r.Trials, t)
	}
	return r
}

// TestReference: a check that fires in an undecided trial has fired, and silence
// in trials that were not decided proves nothing.
func TestReference(t *testing.T) {
	distrusted := aa(500, 0, 0)
	distrusted.SelfTest = &verdict.SelfTest{Verdict: verdict.Inconclusive, Reason: "the stall was not seen"}
	untested := aa(500, 0, 0)
	untested.SelfTest = nil
	for name, c := range map[string]struct {
		res   verdict.Result
		says  string
		doubt string
	}{
		"clean":             {aa(500, 2, 0), "0 of 500 trials (498 decided) had a check fire", ""},
		"fired, undecided":  {aa(500, 500, 1), "1 of 500 trials (0 decided) had a check fire", "only 0 of 500"},
		"fired":             {aa(500, 0, 3), "3 of 500 trials (500 decided) had a check fire", ""},
		"just enough":       {aa(500, 25, 0), "(475 decided)", ""},
		"too few decided":   {aa(500, 26, 0), "(474 decided)", "only 474 of 500 trials were decided, want 95 %"},
		"never began":       {aa(474, 0, 0), "0 of 500 trials (474 decided)", "only 474 of 500"},
		"can't be trusted":  {distrusted, "0 of 500", "the stall was not seen"},
		"without self-test": {untested, "0 of 500", "did not test itself"},
	} {
		r := reference(500, c.res)
		if d := r.Doubt(); !strings.Contains(r.String(), c.says) || !strings.Contains(d, c.doubt) || (d == "") != (c.doubt == "") {
			t.Errorf("%s: %q, doubt %q; want %q, %q", name, r, d, c.says, c.doubt)
		}
	}
}
