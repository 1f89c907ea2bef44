package verdict

import (
	"runtime"
	"sync"
	"testing"

	"faultbed/reports/history"
)

// TestEach wants every piece of work done once, and never more of it at a time
// than memory allows, save one that is too large by itself.
func TestEach(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	sizes := []int64{maxHeld / 2, maxHeld / 2, maxHeld / 2, 3 * maxHeld, 1, 1, 1, maxHeld, 0, maxHeld - 1}
	var mu sync.Mutex
	done, held, together := make([]int, len(sizes)), int64(0), 0
	each(len(sizes), func(i int) int64 { return sizes[i] }, func(i int) {
		mu.Lock()
		held, together = held+sizes[i], together+min(1, int(sizes[i])) // one of size 0 holds nothing
		if held > maxHeld && together > 1 {
			t.Errorf("%d pieces hold %d at a time", together, held)
		}
		mu.Unlock()
		runtime.Gosched()
		mu.Lock()
		defer mu.Unlock()
		held, together = held-sizes[i], together-min(1, int(sizes[i]))
		done[i]++
	})
	for i, n := range done {
		if n != 1 {
			t.Errorf("piece %d was done %d times", i, n)
		}
	}
	each(0, nil, nil)
}

// TestDigest is of the scenario and the seed: not of the subject, of ids that its
// name is part of, or of words.
func TestDigest(t *testing.T) {
	plan := func() history.Plan {
		return history.Plan{Scenario: "a/b", Engine: "timeline", Subject: "go", Trial: 1, Seed: 1, Timeout: 5, Description: "x", Promise: history.Promise{Grace: 3},
			Arrivals: []history.Arrival{{At: 1, ID: "0001-ab", Class: history.Short}, {At: 2, ID: "0002-cd", Class: history.Slow, Replica: 1}},
			Faults:   []history.Fault{{ID: "f1", Kind: "wire.rst", At: 7}}}
	}
	want := digestOf(plan())
	for name, c := range map[string]struct {
		change func(*history.Plan)
		same   bool
	}{
		"nothing":         {func(*history.Plan) {}, true},
		"another proxy":   {func(p *history.Plan) { p.Subject, p.Variant, p.Promise.Grace, p.Settings.Grace = "nginx", "init", 9, 9 }, true},
		"ids":             {func(p *history.Plan) { p.Arrivals[0].ID = "0001-ff" }, true},
		"words":           {func(p *history.Plan) { p.Description = "y" }, true},
		"an arrival":      {func(p *history.Plan) { p.Arrivals[1].At = 3 }, false},
		"one less":        {func(p *history.Plan) { p.Arrivals = p.Arrivals[:1] }, false},
		"a class":         {func(p *history.Plan) { p.Arrivals[1].Class = history.Stream }, false},
		"a fault":         {func(p *history.Plan) { p.Faults[0].At = 8 }, false},
		"what is allowed": {func(p *history.Plan) { p.Expect.MinOK = 1 }, false},
	} {
		p := plan()
		c.change(&p)
		if got := digestOf(p); (got == want) != c.same || len(got) != 12 {
			t.Errorf("%s: %s, before %s", name, got, want)
		}
	}
}
