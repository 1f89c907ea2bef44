package scenario_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"faultbed/reports/history"
	"faultbed/reports/schema"
	"faultbed/suites/scenario"
	"pgregory.net/rapid"
)

// timed is a scenario of 3 s with faults, the first in line 9.
func timed(faults string) string {
	return `name: mine/one
description: one
duration: 3s
replicas: 2
load:
  - {class: short, rate: 10, size: 1000}
  - {class: upload, count: 3, at: 1s, size: 500}
faults:
` + faults + "\n"
}

// badTimes are timelines that are refused, each with the line and column of what
// is wrong.
var badTimes = map[string]struct {
	faults    string
	line, col int
	want      string
}{
	"neither at nor after":  {"  - {fault: wire.rst, leg: back, for: 1s}", 9, 13, "one of at (a time) and after (an event)"},
	"at and after":          {"  - {fault: wire.rst, leg: back, at: 1s, after: error, for: 1s}", 9, 13, "one of at (a time) and after (an event)"},
	"delay without after":   {"  - {fault: wire.rst, leg: back, at: 1s, delay: 1s}", 9, 49, "counts from an event"},
	"every without times":   {"  - {fault: wire.rst, leg: back, at: 0s, for: 10ms, every: 1s}", 9, 60, "set times"},
	"times without every":   {"  - {fault: wire.rst, leg: back, at: 0s, for: 10ms, times: 2}", 9, 60, "set every"},
	"chance without every":  {"  - {fault: wire.rst, leg: back, at: 0s, for: 10ms, chance: 0.5}", 9, 61, "is of each repetition"},
	"once is no repetition": {"  - {fault: wire.rst, leg: back, at: 0s, for: 10ms, every: 1s, times: 1}", 9, 71, "2"},
	"no chance at all":      {"  - {fault: wire.rst, leg: back, at: 0s, for: 10ms, every: 1s, times: 2, chance: 0}", 9, 82, "0"},
	"more than certain":     {"  - {fault: wire.rst, leg: back, at: 0s, for: 10ms, every: 1s, times: 2, chance: 1.5}", 9, 82, "1"},
	"for as long as every":  {"  - {fault: wire.rst, leg: back, at: 0s, for: 500ms, every: 500ms, times: 3}", 9, 47, "must be shorter than every"},
	"every without an end":  {"  - {fault: wire.rst, leg: back, at: 0s, every: 500ms, times: 3}", 9, 49, "set for"},
	"too quick":             {"  - {fault: process.signal, at: 0s, every: 10us, times: 3}", 9, 44, "shorter than 1ms"},
	"at after the end":      {"  - {fault: wire.rst, leg: back, at: 4s}", 9, 38, "after the scenario's end"},
	"for after the end":     {"  - {fault: wire.rst, leg: back, at: 2s, for: 2s}", 9, 47, "ends at 4s"},
	"the last one too late": {"  - {fault: wire.rst, leg: back, at: 1s, for: 1ms, every: 1s, times: 4}", 9, 70, "the last of 4 begins at 4s"},
	"the last one too long": {"  - {fault: wire.rst, leg: back, at: 0s, for: 900ms, every: 1s, times: 4}", 9, 47, "ends at 3.9s"},
	"delay after the end":   {"  - {fault: wire.rst, leg: back, after: error, delay: 4s}", 9, 55, "after the scenario's end"},
	"an unknown event":      {"  - {fault: wire.rst, leg: back, after: drained}", 9, 41, "unknown event"},
	"an unknown class":      {"  - {fault: wire.rst, leg: back, after: request-begun slwo}", 9, 41, "unknown class"},
	"a class without load":  {"  - {fault: wire.rst, leg: back, after: request-begun slow}", 9, 41, "no item of the load has class slow"},
	"more than there are":   {"  - {fault: wire.rst, leg: back, after: request-begun upload 4}", 9, 41, "the load has 3"},
	"a byte beyond":         {"  - {fault: wire.rst, leg: back, after: response-byte short 1001}", 9, 41, "1000 bytes"},
	"beyond a short answer": {"  - {fault: wire.rst, leg: back, after: response-byte upload 65}", 9, 41, "64 bytes"},
	"beyond an upload":      {"  - {fault: wire.rst, leg: back, after: request-byte upload 501}", 9, 41, "500 bytes"},
	"no body":               {"  - {fault: wire.rst, leg: back, after: request-byte short 1}", 9, 41, "have no body"},
	"nobody drains":         {"  - {fault: wire.rst, leg: back, after: drain-begun}\n  - {fault: process.signal, at: 1s, with: {signal: KILL}}", 9, 41, "no other fault sends a drain signal"},
	"drains elsewhere":      {"  - {fault: wire.rst, leg: back, after: drain-begun on 1}\n  - {fault: process.signal, at: 1s}", 9, 41, "on replica 1"},
	"nobody ends":           {"  - {fault: wire.rst, leg: back, after: exit}\n  - {fault: process.pause, at: 1s, for: 1s}", 9, 41, "no other fault ends a process"},
	"its own end":           {"  - {fault: process.signal, after: exit}", 9, 36, "no other fault ends a process"},
	"nobody restarts":       {"  - {fault: wire.rst, leg: back, after: ready}\n  - {fault: process.kill, at: 1s, with: {then: nothing}}", 9, 41, "no other fault restarts"},
	"no such replica":       {"  - {fault: wire.rst, leg: back, after: exit on 2}\n  - {fault: process.kill, at: 1s}", 9, 41, "there are 2 replicas"},
	"no such fault":         {"  - {fault: wire.rst, leg: back, after: fault-begun f3}\n  - {fault: process.kill, at: 1s}", 9, 41, "there is no fault \"f3\""},
	"itself":                {"  - {fault: wire.rst, leg: back, after: fault-begun f1}", 9, 41, "wait for each other"},
	"a cycle": {"  - {fault: wire.rst, id: a, leg: back, after: fault-begun b}\n  - {fault: wire.cut, id: b, leg: back, after: fault-begun c, with: {at_byte: 9}}\n" +
		"  - {fault: process.kill, id: c, after: fault-lifted a}", 9, 48, "wait for each other"},
	"never lifted":      {"  - {fault: wire.rst, leg: back, after: fault-lifted 2}\n  - {fault: wire.drip, leg: back, at: 1s, with: {size: 1, gap: 1ms}}", 9, 41, "not lifted before the end"},
	"not so often":      {"  - {fault: wire.rst, leg: back, after: fault-begun 2 3}\n  - {fault: process.storm, at: 0s, every: 1s, times: 2}", 9, 41, "acts 2 times"},
	"no time that ends": {"  - {fault: crash.panic, at: 1s}\nexpect: {ends: before}", 10, 16, "takes a time"},
	"no crash at all":   {"  - {fault: inject.python-block, at: 1s}\nexpect: {ends: after}", 10, 16, "takes a time"},
	"a crash of 0 s":    {"  - {fault: crash.spin, at: 1s, with: {seconds: 0s}}\nexpect: {ends: before}", 10, 16, "takes a time"},
	"two of one id":     {"  - {fault: process.kill, id: a, at: 0s}\n  - {fault: process.kill, id: a, at: 1s}", 10, 31, "has it already"},
	"a planned crash":   {"  - {fault: crash.panic, after: error}", 9, 33, "carried by a request"},
	"not its own":       {"  - {fault: process.kill, at: 0s, with: {match: new}}", 9, 35, "only wire faults choose connections"},
	"beside each other": {"  - {fault: wire.refuse, leg: back, at: 100ms, for: 50ms, every: 100ms, times: 4}\n" +
		"  - {fault: wire.silent-accept, leg: back, at: 160ms, for: 50ms}", 10, 13, "beside fault 1 of the list"},
	"beside, perhaps": {"  - {fault: wire.refuse, leg: back, after: error, for: 50ms}\n  - {fault: wire.silent-accept, leg: back, at: 160ms, for: 50ms}", 10, 13, "beside fault 1 of the list"},
}

func TestTimesThatCantBe(t *testing.T) {
	for name, c := range badTimes {
		_, err := scenario.Load("test.yaml", []byte(timed(c.faults)))
		var se *schema.Error
		if !errors.As(err, &se) || se.Line != c.line || se.Col != c.col || !strings.Contains(se.Msg, c.want) {
			t.Errorf("%s: %v; want %d:%d and %q", name, err, c.line, c.col, c.want)
		}
	}
}

// TestTimesThatCan are near misses of those that can't.
func TestTimesThatCan(t *testing.T) {
	for name, faults := range map[string]string{
		"times to the last instant": "  - {fault: wire.rst, leg: back, at: 0s, for: 500ms, every: 1250ms, times: 3}",
		"signals":                   "  - {fault: process.signal, at: 0s, every: 1s, times: 3, with: {signal: HUP}}",
		"between each other": "  - {fault: wire.refuse, leg: back, at: 100ms, for: 50ms, every: 100ms, times: 4}\n" +
			"  - {fault: wire.silent-accept, leg: back, at: 150ms, for: 50ms, every: 100ms, times: 4}",
		"one after the other": "  - {fault: wire.refuse, leg: back, after: error, for: 50ms}\n  - {fault: wire.silent-accept, leg: back, after: fault-lifted f1, for: 50ms}",
		"a chain":             "  - {fault: process.kill, id: last, after: fault-begun cut}\n  - {fault: wire.rst, id: cut, leg: back, after: drain-begun on 1, delay: 1s}\n  - {fault: process.signal, at: 1s, replica: 1}",
	} {
		if _, err := scenario.Load("test.yaml", []byte(timed(faults))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := scenario.Load("test.yaml", []byte("name: a/b\ndescription: c\nengine: starting\noffsets: [1ms]\nfaults:\n  - {fault: process.kill, at: 0s}\n")); err == nil || !strings.Contains(err.Error(), "no timeline of faults") {
		t.Errorf("faults of another engine: %v", err)
	}
}

func TestAFaultThatWaits(t *testing.T) {
	p := plan(t, yaml(t, `duration: 3s
load: [{class: short, rate: 10}]
faults:
  - {fault: wire.rst, leg: back, after: fault-lifted  down, delay: 100ms, for: 50ms, every: 200ms, times: 2}
  - {fault: origin.down, id: down, leg: back, after: request-begun short 3, for: 100ms}
`), 1)
	var got []string
	for _, f := range p.Faults {
		got = append(got, fmt.Sprint(f.ID, " ", f.After, " ", f.At, " ", time.Duration(f.Delay), " ", time.Duration(f.For)))
	}
	want := []string{"f1.1 fault-lifted f2 0 100ms 50ms", "f1.2 fault-lifted f2 0 300ms 50ms", "f2 request-begun short 3 0 0s 100ms"}
	if !slices.Equal(got, want) || len(p.Phases) > 0 {
		t.Errorf("%q, want %q; phases %v, want none", got, want, p.Phases)
	}
}

// TestRepetitions are apart, in order, within the scenario, the same for the same
// seed, and at least one of them happens.
func TestRepetitions(t *testing.T) {
	spec := subject(t, "go")
	rapid.Check(t, func(r *rapid.T) {
		every := rapid.IntRange(2, 400).Draw(r, "every")
		length := rapid.IntRange(1, every-1).Draw(r, "for")
		times := rapid.IntRange(2, 20).Draw(r, "times")
		at := rapid.IntRange(0, 300).Draw(r, "at")
		chance := rapid.SampledFrom([]string{"", ", chance: 0.01", ", chance: 0.5", ", chance: 1"}).Draw(r, "chance")
		seed := rapid.Uint64().Draw(r, "seed")
		s := yaml(t, fmt.Sprintf("duration: 10s\nload: [{class: short, count: 1, at: 0s}]\nfaults:\n  - {fault: wire.rst, leg: back, at: %dms, for: %dms, every: %dms, times: %d%s}\n", at, length, every, times, chance))
		all := func(trial int) []history.Fault {
			p, err := scenario.Resolve(s, spec, "", seed, trial)
			must(t, err)
			return p.Faults
		}
		one := all(1)
		if !reflect.DeepEqual(one, all(1)) {
			r.Fatal("the same seed gives two plans")
		}
		if n := len(one); n == 0 || n > times || (chance == "" || chance == ", chance: 1") && n != times {
			r.Fatalf("%d of %d", n, times)
		}
		for i, f := range one {
			n := (f.At/1e6 - int64(at)) / int64(every)
			if f.ID != fmt.Sprintf("f1.%d", n+1) || (f.At/1e6-int64(at))%int64(every) != 0 || f.For != int64(length)*1e6 {
				r.Fatalf("%+v is no repetition", f)
			}
			if i > 0 && one[i-1].End() >= f.At {
				r.Fatalf("%+v overlaps the one before", f)
			}
		}
	})
}

// TestChanceIsOfEachRepetition: over many trials a third of them happens.
func TestChanceIsOfEachRepetition(t *testing.T) {
	s := yaml(t, "duration: 10s\nload: [{class: short, count: 1, at: 0s}]\nfaults:\n  - {fault: wire.rst, leg: back, at: 0s, for: 1ms, every: 10ms, times: 100, chance: 0.3}\n")
	spec := subject(t, "go")
	n, seen := 0, map[int]bool{}
	for trial := range 50 {
		p, err := scenario.Resolve(s, spec, "", 7, trial+1)
		must(t, err)
		n, seen[len(p.Faults)] = n+len(p.Faults), true
	}
	if n < 1350 || n > 1650 || len(seen) < 5 { // 5000 throws: 1500 ± 32
		t.Errorf("%d of 5000 happened, want 1500; counts %v", n, seen)
	}
}
