package history_test

import (
	"strings"
	"testing"

	"faultbed/reports/history"
)

func TestAwaitedWords(t *testing.T) {
	for _, s := range []string{"drain-begun", "drain-begun on 1", "exit 2", "exit 2 on 0", "restart", "ready 3", "fault-begun f1", "fault-lifted burst 2",
		"first-request", "request-begun slow", "request-begun slow 3", "request-arrived upload", "request-byte upload 512", "response-begun stream 2",
		"response-byte stream 3", "response-byte stream 3 2", "error", "error 5"} {
		a, err := history.ParseAwaited("  " + strings.ReplaceAll(s, " ", "   "))
		if err != nil || a.String() != s {
			t.Errorf("%q is read as %q, %v", s, a, err)
		}
	}
	for s, want := range map[string]string{
		"": "no event", "drained": "unknown event", "exit 0": "no count", "exit on x": "no replica", "exit on": "too much", "exit 1 2": "too much",
		"fault-begun": "lacks a fault", "request-begun": "lacks a class", "request-begun quick": "unknown class", "response-byte stream": "lacks a byte",
		"response-byte stream 0": "no byte", "first-request 2": "too much", "error on 1": "too much", "request-begun slow -1": "no count",
	} {
		if a, err := history.ParseAwaited(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v; want %q", s, a, err, want)
		}
	}
}

func FuzzAwaited(f *testing.F) {
	for _, e := range history.AwaitedEvents() {
		f.Add(e.Name + " " + e.Form)
	}
	f.Add("response-byte stream 3 2")
	f.Add("exit 2 on 1")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := history.ParseAwaited(s)
		if err != nil {
			return
		}
		if again, err := history.ParseAwaited(a.String()); err != nil || again != a {
			t.Fatalf("%q becomes %q and that %+v, %v", s, a, again, err)
		}
	})
}

// TestWatch shows each event of a word's occurrences in their order, of which one
// is seen, once.
func TestWatch(t *testing.T) {
	sig := func(node string, pid int, name string) history.Event {
		return history.Event{Kind: history.Signal, Node: node, PID: pid, Signal: name, ID: "f9"}
	}
	end := func(c history.Class, o history.Outcome) history.Event {
		return history.Event{Kind: history.End, Class: c, Outcome: o}
	}
	third := history.Awaited{Name: "response-byte", Class: history.Stream, Byte: 3, Nth: 2, Replica: -1}
	for _, c := range []struct {
		word   string
		events []history.Event
		at     int // of the one that is seen; -1: none
	}{
		{"drain-begun", []history.Event{sig("subject-0", 7, "KILL"), sig("subject-0", 7, "TERM"), sig("subject-0", 7, "TERM")}, 1},
		{"drain-begun 2", []history.Event{sig("subject-0", 7, "TERM"), sig("subject-0", 7, "TERM"), sig("subject-0", 8, "TERM")}, 2},
		{"drain-begun on 1", []history.Event{sig("subject-0", 7, "TERM"), sig("subject-1", 9, "TERM")}, 1},
		{"exit 2", []history.Event{{Kind: history.Exit, Node: "subject-0"}, {Kind: history.Ready}, {Kind: history.Exit, Node: "subject-1"}}, 2},
		{"exit on 2", []history.Event{{Kind: history.Exit, Node: "subject-1"}}, -1},
		{"fault-begun f2", []history.Event{{Kind: history.Inject, ID: "f20"}, {Kind: history.Inject, ID: "f2.1"}}, 1},
		{"fault-begun f2 2", []history.Event{{Kind: history.Inject, ID: "f2.1"}, {Kind: history.Inject, ID: "f2.1"}, {Kind: history.Inject, ID: "f2.4"}}, 2},
		{"fault-begun f9", []history.Event{sig("subject-0", 7, "INT"), {Kind: history.Inject, ID: "f9"}}, 0},
		{"fault-lifted f2", []history.Event{{Kind: history.Inject, ID: "f2"}, {Kind: history.Lift, ID: "f2"}}, 1},
		{"first-request", []history.Event{{Kind: history.Begin, Class: history.Control}, {Kind: history.Begin, Class: history.Slow}}, 1},
		{"request-begun slow 2", []history.Event{{Kind: history.Begin, Class: history.Slow}, {Kind: history.Begin, Class: history.Short}, {Kind: history.Begin, Class: history.Slow}}, 2},
		{"request-arrived slow", []history.Event{{Kind: history.Begin, Class: history.Slow}, {Kind: history.Request, Class: history.Slow}}, 1},
		{"response-byte stream 3 2", []history.Event{third.Reached(), third.Reached(), third.Reached()}, 1},
		{"response-byte stream 4", []history.Event{third.Reached()}, -1},
		{"error", []history.Event{end(history.Short, history.OK), end(history.Control, history.Reset), end(history.Idle, history.Reset), end(history.Raw, history.EOF), end(history.Slow, history.Status5xx)}, 4},
	} {
		a, err := history.ParseAwaited(c.word)
		if err != nil {
			t.Fatal(err)
		}
		w, got := history.NewWatch(a, "TERM"), -1
		for i, e := range c.events {
			if w.Sees(e) {
				if got >= 0 {
					t.Errorf("%s: seen twice, at %d and %d", c.word, got, i)
				}
				got = i
			}
		}
		if got != c.at {
			t.Errorf("%s: seen at %d, want %d", c.word, got, c.at)
		}
	}
}
