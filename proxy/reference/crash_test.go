package reference_test

import (
	"io"
	"strings"
	"testing"
)

const armed = "FAULTBED_CRASH_HOOKS=1"

var kinds = map[string][]string{
	golang: {"panic", "panic-after-flush", "goroutine-panic", "map-writes"},
	python: {"exception", "task-exception", "block-loop", "exit", "segfault"},
}

func (c *client) crash(kind string) *client {
	c.t.Helper()
	return c.send("GET / HTTP/1.1\nHost: test\nX-Faultbed-Crash: %s\nX-Faultbed-Crash-Seconds: 0.3\n\n", kind)
}

func TestCrashHooksUnarmed(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, mirror), "FAULTBED_CRASH_HOOKS=")
		for _, kind := range kinds[p.name] {
			c := dial(t, r.addr)
			c.crash(kind).want(200, "GET / test \"\" <nil>\n")
			c.get("/again").want(200, "GET /again test \"\" <nil>\n")
		}
	})
}

func TestCrashHooksArmedServeTheRest(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, mirror), armed)
		dial(t, r.addr).crash("nonsense").want(200, "GET / test \"\" <nil>\n")
		dial(t, r.addr).get("/").want(200, "GET / test \"\" <nil>\n")
	})
}

// TestContainedCrashes wants a request in flight beside them to finish.
func TestContainedCrashes(t *testing.T) {
	faults := map[string]func(*testing.T, *client){
		"panic": func(t *testing.T, c *client) { c.closed("connection of the panic") },
		"panic-after-flush": func(t *testing.T, c *client) {
			if got, err := io.ReadAll(c.response("GET").Body); len(got) == 0 || err == nil {
				t.Errorf("%d bytes, %v; want a visibly truncated body", len(got), err)
			}
		},
		"exception": func(t *testing.T, c *client) {
			if resp := c.response("GET"); resp.StatusCode != 500 {
				t.Errorf("got %d, want 500", resp.StatusCode)
			}
		},
		"task-exception": func(t *testing.T, c *client) { c.want(200, "done") },
		"block-loop":     func(t *testing.T, c *client) { c.want(200, "done") },
	}
	each(t, func(t *testing.T, p program) {
		for _, kind := range kinds[p.name] {
			if faults[kind] == nil {
				continue
			}
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				open := make(chan bool)
				r := p.start(t, gate(t, open), armed)
				beside := dial(t, r.addr).get("/body")
				resp := beside.response("GET")
				faults[kind](t, dial(t, r.addr).crash(kind))
				close(open)
				if got, err := io.ReadAll(resp.Body); string(got) != "first done" || err != nil {
					t.Errorf("beside it: %q, %v", got, err)
				}
				beside.get("/").want(200, "done")
			})
		}
	})
}

// TestFatalCrashes wants the process to die, and how.
func TestFatalCrashes(t *testing.T) {
	codes := map[string]int{"goroutine-panic": 2, "map-writes": 2, "exit": 3, "segfault": -1}
	words := map[string]string{"goroutine-panic": "panic: crash hook: goroutine-panic", "map-writes": "fatal error: concurrent map writes"}
	each(t, func(t *testing.T, p program) {
		for _, kind := range kinds[p.name] {
			code, ok := codes[kind]
			if !ok {
				continue
			}
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				open := make(chan bool)
				defer close(open)
				r := p.start(t, gate(t, open), armed)
				beside := dial(t, r.addr).get("/body").response("GET")
				dial(t, r.addr).crash(kind)
				r.exit(code)
				if _, err := io.ReadAll(beside.Body); err == nil {
					t.Error("a request beside it was not hurt")
				}
				if !strings.Contains(r.log.String(), words[kind]) {
					t.Errorf("no %q in its last words", words[kind])
				}
			})
		}
	})
}
