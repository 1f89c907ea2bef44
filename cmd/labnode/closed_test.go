package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"faultbed/fixtures/origin"
	"faultbed/reports/history"
)

// realOrigin is the instrumented origin, and how often it saw each id.
func realOrigin(t *testing.T) (addr string, seen func() map[string]int) {
	t.Helper()
	addr = fmt.Sprintf("127.%d.%d.%d:%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250), 10000+rand.IntN(20000))
	raw, err := json.Marshal(origin.Spec{Listen: addr})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	ids := map[string]int{}
	s, err := origin.Role(context.Background(), raw, func(e history.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == history.Request {
			ids[e.ID]++
		}
	}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return addr, func() map[string]int { mu.Lock(); defer mu.Unlock(); return ids }
}

// TestLoopsAgainstTheOrigin joins both loops' ledgers, in both forms, with what
// the origin saw: each request once, none that the ledger does not have.
func TestLoopsAgainstTheOrigin(t *testing.T) {
	for name, c := range map[string]struct {
		loop func(context.Context, []string, *bytes.Buffer) error
		args []string
		file string
	}{
		"closed, pages":  {closedTo, []string{"--connections", "3", "--for", "100ms", "--size", "100"}, "client.fbl"},
		"closed, ndjson": {closedTo, []string{"--connections", "3", "--for", "100ms"}, "client.ndjson"},
		"open, pages":    {openTo, []string{"--rate", "500", "--for", "200ms"}, "client.fbl"},
	} {
		t.Run(name, func(t *testing.T) {
			addr, seen := realOrigin(t)
			path := filepath.Join(t.TempDir(), c.file)
			var out bytes.Buffer
			if err := c.loop(t.Context(), append(c.args, "--addr", addr, "--ledger", path), &out); err != nil {
				t.Fatal(err)
			}
			var told struct {
				Requests int
				Outcomes map[history.Outcome]int
			}
			if err := json.Unmarshal(out.Bytes(), &told); err != nil {
				t.Fatal(err)
			}
			if told.Requests == 0 || told.Outcomes[history.OK] != told.Requests {
				t.Errorf("printed %s", out.String())
			}
			joined(t, path, told.Requests, seen())
		})
	}
}

func closedTo(ctx context.Context, args []string, out *bytes.Buffer) error {
	return closedLoop(ctx, args, out)
}

func openTo(ctx context.Context, args []string, out *bytes.Buffer) error {
	return openLoop(ctx, args, out)
}

func joined(t *testing.T, path string, requests int, seen map[string]int) {
	t.Helper()
	l, err := history.ReadLedger(path)
	if err != nil || l.Torn || len(l.Defects) > 0 {
		t.Fatalf("ledger: torn %v, defects %v, %v", l.Torn, l.Defects, err)
	}
	ends := 0
	for _, e := range l.Events {
		if e.Kind != history.End {
			continue
		}
		if ends++; seen[e.ID] != 1 || e.Outcome != history.OK {
			t.Errorf("the origin saw %s %d times: %+v", e.ID, seen[e.ID], e)
		}
	}
	if ends != requests || len(seen) != requests {
		t.Errorf("%d ends in the ledger, %d ids at the origin, %d requests told", ends, len(seen), requests)
	}
}

func TestLoopsRefuseBadArguments(t *testing.T) {
	for _, args := range [][]string{nil, {"--addr", "127.0.0.1:1"}, {"--addr", "127.0.0.1:1", "--ledger", "x.txt"}} {
		if err := closedLoop(t.Context(), args, nil); err == nil {
			t.Errorf("closed %v: no error", args)
		}
		if err := openLoop(t.Context(), args, nil); err == nil {
			t.Errorf("open %v: no error", args)
		}
	}
}
