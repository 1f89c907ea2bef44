package inject

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"

	"faultbed/faults/room"
	"faultbed/reports/history"
)

// listen takes a loopback address of the test's own.
func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	for range 50 {
		addr := fmt.Sprintf("127.%d.%d.%d:%d", 1+rand.N(250), rand.N(250), 1+rand.N(250), 10000+rand.N(20000))
		l, err := net.Listen("tcp4", addr)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l.(*net.TCPListener)
	}
	t.Fatal("no address is free")
	return nil
}

// with is a fault's parameters as a plan holds them.
func with(t *testing.T, k room.Kind, given map[string]any) json.RawMessage {
	t.Helper()
	out := map[string]any{}
	for _, p := range k.Params {
		v, ok := given[p.Name]
		n, err := p.Normal(v)
		if !ok {
			n, err = p.Absent(func(string) bool { return false })
		}
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		out[p.Name] = n
	}
	raw, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// ledger collects what a fault notes.
type ledger struct {
	mu     sync.Mutex
	events []history.Event
}

func (l *ledger) note(e history.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// bites is the sum of the noted bites.
func (l *ledger) bites() (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.Kind == history.Bite {
			n += e.Count
		}
	}
	return n
}

// self is this very process as a fault's target.
func self(l *ledger, origin string) room.Target {
	return room.Target{Fault: "f1", Run: "test", Node: "subject-0", PID: os.Getpid(), Origin: origin, Seed: 7, Note: l.note}
}
