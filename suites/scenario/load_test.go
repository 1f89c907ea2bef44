package scenario_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"faultbed/fixtures/raw"
	"faultbed/reports/history"
	"faultbed/suites/scenario"
	"pgregory.net/rapid"
)

// planned are the planned times, in ms, of all arrivals but the control arm's.
func planned(p history.Plan) (out []float64) {
	for _, a := range p.Arrivals {
		if a.Class != history.Control {
			out = append(out, float64(a.At)/1e6)
		}
	}
	return out
}

func TestBurstsComeAtOnce(t *testing.T) {
	p := plan(t, yaml(t, "duration: 1s\nload: [{class: short, burst: 3, every: 400ms, from: 100ms}]\n"), 1)
	if got, want := planned(p), []float64{100, 100, 100, 500, 500, 500, 900, 900, 900}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestARampsIntegral: from 100/s to 300/s in 2 s are 400 arrivals, the first half
// of the time has 150 of them, and uniform gaps shrink all along.
func TestARampsIntegral(t *testing.T) {
	got := planned(plan(t, yaml(t, "duration: 2s\nload: [{class: short, rate: 100, rate_to: 300, arrivals: uniform}]\n"), 1))
	early := 0
	for i, at := range got {
		if at < 1000 {
			early++
		}
		if i > 1 && got[i]-got[i-1] > got[i-1]-got[i-2]+1e-3 {
			t.Fatalf("the gap before arrival %d is longer than the one before it", i)
		}
	}
	if len(got) < 399 || len(got) > 400 || early < 149 || early > 150 {
		t.Errorf("%d arrivals, %d in the first half; want 400 and 150", len(got), early)
	}
	down := planned(plan(t, yaml(t, "duration: 2s\nload: [{class: short, rate: 300, rate_to: 1, arrivals: uniform}]\n"), 1))
	if math.Abs(float64(len(down))-301) > 2 {
		t.Errorf("%d arrivals on the way down, want 301", len(down))
	}
}

// TestEveryWayToArrive keeps arrivals within from and to, in order, and gives the
// same for the same seed.
func TestEveryWayToArrive(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		rate, to := rapid.IntRange(1, 400).Draw(r, "rate"), rapid.IntRange(1, 400).Draw(r, "rate_to")
		from, kind := rapid.IntRange(0, 900).Draw(r, "from"), rapid.SampledFrom([]string{"poisson", "uniform"}).Draw(r, "arrivals")
		text := fmt.Sprintf("duration: 1s\nload: [{class: short, rate: %d, rate_to: %d, from: %dms, arrivals: %s}]\n", rate, to, from, kind)
		a, b := planned(plan(t, yaml(t, text), 1)), planned(plan(t, yaml(t, text), 1))
		if !slices.Equal(a, b) || !slices.IsSorted(a) {
			r.Fatal("not the same again, or not in order")
		}
		if n := len(a); n > 0 && (a[0] < float64(from) || a[n-1] >= 1000) {
			r.Fatalf("%v to %v, want within %d to 1000", a[0], a[n-1], from)
		}
	})
}

func TestATraceIsReplayed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "s.yaml")
	must(t, os.WriteFile(filepath.Join(dir, "arrivals.txt"), []byte("# seconds\n0.25\n0\n\n0.1\n0.9\n"), 0o600))
	text := "name: mine/one\ndescription: one\nduration: 1s\nload: [{class: short, trace: arrivals.txt, from: 200ms}]\n"
	s, err := scenario.Load(file, []byte(text))
	must(t, err)
	if got, want := planned(plan(t, s, 1)), []float64{200, 300, 450}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v (the last one lies after the end)", got, want)
	}
	for bad, want := range map[string]string{"0.1\nsoon\n": "line 2", "": "no arrivals", "-1\n": "line 1", "NaN\n": "line 1"} {
		must(t, os.WriteFile(filepath.Join(dir, "arrivals.txt"), []byte(bad), 0o600))
		if _, err := scenario.Load(file, []byte(text)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "s.yaml:4") {
			t.Errorf("%q: %v, want %q with the place", bad, err, want)
		}
	}
}

// TestEveryOddAnswerInTurn: each arrival has one name, and what it allows.
func TestEveryOddAnswerInTurn(t *testing.T) {
	p := plan(t, yaml(t, "duration: 1s\nload: [{class: short, count: 100, at: 1ms, script: raw *}]\n"), 1)
	seen := map[string]bool{}
	for _, a := range p.Arrivals {
		name, ok := strings.CutPrefix(a.Script, "raw ")
		answer, known := raw.FindAnswer(name)
		if a.Class == history.Short && (!ok || !known || a.Lawful != answer.Allow) {
			t.Errorf("%+v", a)
		}
		seen[name] = known
	}
	for _, name := range raw.AnswerNames() {
		if !seen[name] {
			t.Errorf("%s is left out", name)
		}
	}
}

// TestLanesAreNotShared: each item has connections of its own, in turn.
func TestLanesAreNotShared(t *testing.T) {
	p := plan(t, yaml(t, "duration: 1s\nload:\n - {class: short, rate: 10, arrivals: uniform, connections: 2}\n - {class: short, count: 3, at: 950ms, connections: 3, client: naive, script: drop}\n - {class: short, count: 1, at: 990ms}\n"), 1)
	var got []string
	for _, a := range p.Arrivals {
		if a.Class != history.Control && a.At >= int64(700*time.Millisecond) {
			got = append(got, fmt.Sprint(a.Lane, a.Client, a.Script))
		}
	}
	if want := []string{"1", "2", "1", "3naivedrop", "4naivedrop", "5naivedrop", "0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRawTakesEachInTurn(t *testing.T) {
	p := plan(t, yaml(t, "duration: 1s\nload: [{class: raw, raw: '*', rate: 100}]\n"), 1)
	seen := map[string]int{}
	for _, a := range p.Arrivals {
		if a.Class == history.Raw {
			seen[a.Param]++
		}
	}
	if len(seen) < 10 || seen[""] > 0 || seen["*"] > 0 {
		t.Errorf("%v", seen)
	}
}

func TestLoadItemsThatMakeNoSense(t *testing.T) {
	for item, want := range map[string]string{
		"{class: short}":                                     "want one of rate, burst, trace and count",
		"{class: short, rate: 1, count: 1}":                  "want one of rate, burst, trace and count",
		"{class: short, count: 1, rate_to: 5}":               "a ramp begins at a rate",
		"{class: short, burst: 5}":                           "set every",
		"{class: short, rate: 1, script: burn}":              "unknown script",
		"{class: stream, rate: 1, connections: 2}":           "connections of its own",
		"{class: upload, rate: 1, client: retrying}":         "sends short, slow and headers again",
		"{class: raw, rate: 1}":                              "belong together",
		"{class: short, rate: 1, raw: '*'}":                  "belong together",
		"{class: raw, rate: 1, raw: nonsense}":               "no raw request",
		"{class: short, trace: ../../../nowhere/trace.txt}":  "no such file",
		"{class: short, rate: 100000, rate_to: 100000}":      "more than",
		"{class: short, burst: 10000, every: 1ms, to: 200s}": "more than",
	} {
		_, err := scenario.Load("test.yaml", []byte("name: mine/one\ndescription: one\nduration: 1000s\nload: ["+item+"]\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", item, err, want)
		}
	}
}

// TestFaultsThatCantBite: they are refused before anything starts, with the place.
func TestFaultsThatCantBite(t *testing.T) {
	for text, want := range map[string]string{
		"[{fault: wire.cut, leg: back, at: 1s, for: 1s, with: {when: response-body-byte, byte: 5000}}]":                     "test.yaml:5",
		"[{fault: wire.refuse, leg: back, at: 1s, for: 1s},\n {fault: wire.silent-accept, leg: back, at: 1500ms, for: 1s}]": "beside fault 1 of the list",
		"[{fault: wire.refuse, leg: back, at: 1s},\n {fault: wire.silent-accept, leg: back, at: 2500ms, for: 100ms}]":       "beside fault 1 of the list",
	} {
		_, err := scenario.Load("test.yaml", []byte("name: mine/one\ndescription: one\nduration: 3s\nload: [{class: short, rate: 1, size: 1000}]\nfaults: "+text+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	apart := "name: mine/one\ndescription: one\nduration: 3s\nload: [{class: short, rate: 1}]\nfaults:\n - {fault: wire.refuse, leg: back, at: 1s, for: 1s}\n - {fault: wire.silent-accept, leg: back, at: 2s, for: 1s}\n - {fault: wire.silent-accept, leg: front, at: 1s, for: 1s}\n"
	if _, err := scenario.Load("test.yaml", []byte(apart)); err != nil {
		t.Errorf("one after the other, and on another leg: %v", err)
	}
}

// TestScriptsThatWouldNotShow: the class can't carry them, or they break nothing.
func TestScriptsThatWouldNotShow(t *testing.T) {
	for item, want := range map[string]string{
		"{class: upload, rate: 1, script: cut 300}":           "its answer has 64 bytes",
		"{class: short, rate: 1, size: 100, script: cut 100}": "its answer has 100 bytes",
		"{class: stream, rate: 1, script: longer 5}":          "no Content-Length",
		"{class: websocket, count: 1, script: drop}":          "takes no script",
		"{class: sse, rate: 1, script: longer 5}":             "takes no script",
		"{class: fresh, rate: 1, script: raw *}":              "raw is for class short",
		"{class: short, rate: 1, script: raw odd}":            "no such answer",
		"{class: short, rate: 1, script: early 413}":          "is for an upload",
		"{class: abort, rate: 1}":                             "set hold",
	} {
		_, err := scenario.Load("test.yaml", []byte("name: mine/one\ndescription: one\nduration: 1s\nload: ["+item+"]\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", item, err, want)
		}
	}
}
