package campaign

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"faultbed/reports/history"
	"pgregory.net/rapid"
)

// planned are plans in the order in which a campaign makes them.
func planned(scenarios, subjects, variants, trials int) (out []history.Plan) {
	for s := range scenarios {
		for sub := range subjects {
			for v := range variants {
				for n := range trials {
					out = append(out, history.Plan{Scenario: fmt.Sprint("s/", s), Subject: string(rune('A' + sub)), Variant: fmt.Sprint("v", v), Trial: n + 1})
				}
			}
		}
	}
	return out
}

func TestInterleave(t *testing.T) {
	for subjects, want := range map[int]string{1: "AAAAA", 2: "ABBAABBAAB", 3: "ABCCBAABCCBAABC"} {
		var got strings.Builder
		for _, p := range Interleave(planned(1, subjects, 1, 5)) {
			got.WriteString(p.Subject)
		}
		if got.String() != want {
			t.Errorf("%d subjects: %s, want %s", subjects, got.String(), want)
		}
	}
}

func keys(plans []history.Plan) (out []string) {
	for _, p := range plans {
		out = append(out, p.Key())
	}
	return out
}

// TestInterleaveProperties: every plan is kept, whatever was left out before; a
// round's trials stand side by side; each subject is first as often as last; and
// scenarios keep their order.
func TestInterleaveProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := func(name string, most int) int { return rapid.IntRange(1, most).Draw(t, name) }
		all := planned(size("scenarios", 3), size("subjects", 4), size("variants", 2), size("trials", 7))
		holes := rapid.Bool().Draw(t, "holes")
		in := slices.DeleteFunc(slices.Clone(all), func(history.Plan) bool { return holes && rapid.IntRange(0, 4).Draw(t, "hole") == 0 })
		before := slices.Clone(keys(in))
		out := Interleave(in)
		if !slices.Equal(keys(in), before) {
			t.Fatal("the argument was changed")
		}
		if !slices.Equal(slices.Sorted(slices.Values(keys(out))), slices.Sorted(slices.Values(before))) {
			t.Fatalf("not the same plans: %v, want %v", keys(out), before)
		}
		beside(t, out)
		if !holes {
			balanced(t, out)
		}
	})
}

// beside wants each round whole: a scenario's, variant's and trial's plans in one
// stretch.
func beside(t *rapid.T, out []history.Plan) {
	seen, last := map[string]bool{}, ""
	for _, p := range out {
		round := fmt.Sprint(p.Scenario, p.Variant, p.Trial)
		if round != last && seen[round] {
			t.Fatalf("round %s is torn: %v", round, keys(out))
		}
		seen[round], last = true, round
	}
}

// balanced wants each subject first of its round as often as last, save for one.
func balanced(t *rapid.T, out []history.Plan) {
	lead := map[string]int{}
	for i, p := range out {
		round := func(j int) bool {
			return j >= 0 && j < len(out) && out[j].Scenario == p.Scenario && out[j].Variant == p.Variant && out[j].Trial == p.Trial
		}
		if !round(i - 1) {
			lead[p.Scenario+p.Variant+p.Subject]++
		}
		if !round(i + 1) {
			lead[p.Scenario+p.Variant+p.Subject]--
		}
	}
	for who, n := range lead {
		if n < -1 || n > 1 {
			t.Fatalf("%s leads %d times more than it trails", who, n)
		}
	}
}
