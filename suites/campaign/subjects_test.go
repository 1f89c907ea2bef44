package campaign

import (
	"errors"
	"slices"
	"testing"

	"faultbed/reports/history"
)

// TestDropNamesEachCellOnce: one skip for each scenario and variant of a subject
// that can't be had, whatever the numbers of its trials, and the others' plans stay.
func TestDropNamesEachCellOnce(t *testing.T) {
	for _, asked := range []bool{false, true} {
		c := &Campaign{opt: Options{Asked: asked}, Plans: []history.Plan{
			{Scenario: "a/b", Subject: "nginx", Variant: "pid1", Trial: 2}, // a replay of one trial
			{Scenario: "a/b", Subject: "go", Variant: "pid1", Trial: 1},
			{Scenario: "a/b", Subject: "nginx", Variant: "pid1", Trial: 3},
			{Scenario: "a/b", Subject: "nginx", Variant: "init", Trial: 1},
		}}
		c.drop("nginx", "no such file")
		want := []history.Skip{{Scenario: "a/b", Subject: "nginx", Variant: "pid1", Reason: "no such file", Unavailable: asked},
			{Scenario: "a/b", Subject: "nginx", Variant: "init", Reason: "no such file", Unavailable: asked}}
		if !slices.Equal(c.mani.Skipped, want) || len(c.Plans) != 1 || c.Plans[0].Subject != "go" {
			t.Errorf("skipped %+v, plans left %+v", c.mani.Skipped, c.Plans)
		}
	}
}

func TestUntilTrusted(t *testing.T) {
	broken := errors.New("no bed")
	for name, c := range map[string]struct {
		passes, breaks, want int
	}{
		"at once":    {1, 0, 1},
		"the second": {2, 0, 2},
		"the last":   {3, 0, 3},
		"never":      {9, 0, 3},
		"no bed":     {9, 2, 2},
	} {
		made := 0
		err := untilTrusted(func(n int) (bool, error) {
			if made++; n != made {
				t.Errorf("%s: attempt %d is called %d", name, made, n)
			}
			if n == c.breaks {
				return false, broken
			}
			return n == c.passes, nil
		})
		if made != c.want || errors.Is(err, broken) != (c.breaks > 0) {
			t.Errorf("%s: %d attempts, %v", name, made, err)
		}
	}
}
