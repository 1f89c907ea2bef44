package http_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	attack "faultbed/faults/http"
	"faultbed/reports/history"
)

// victim is net/http's own server on both listeners.
func victim(t *testing.T) (plain, secure string) {
	t.Helper()
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("size") == "4194304" {
			w.Write(make([]byte, 4<<20))
			return
		}
		io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
		io.WriteString(w, strings.Repeat("a", 4096))
	})
	for i, into := range []*string{&plain, &secure} {
		s := httptest.NewUnstartedServer(answer)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.EnableHTTP2 = true
		if i == 0 {
			s.Start()
		} else {
			s.StartTLS()
		}
		t.Cleanup(s.Close)
		*into = s.Listener.Addr().String()
	}
	return plain, secure
}

// ledger keeps what an attacker tells.
type ledger struct {
	mu sync.Mutex
	es []history.Event
}

func (l *ledger) emit(e history.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.es = append(l.es, e)
}

// TestEveryKindBites runs each against a real server, and sees that a server which
// is not there is not bitten.
func TestEveryKindBites(t *testing.T) {
	plain, secure := victim(t)
	for _, k := range attack.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			var l ledger
			a := attack.New(l.emit)
			f := attack.Fault{ID: "f1", Kind: k.Name, Addr: plain, TLS: secure, Connections: 2, Rate: 1000}
			if err := a.Inject(f); err != nil {
				t.Fatal(err)
			}
			if a.Inject(f) == nil {
				t.Error("the same fault twice")
			}
			time.Sleep(800 * time.Millisecond)
			a.Lift("f1")
			a.Lift("f1")
			if len(l.es) != 1 || l.es[0].Kind != history.Bite || l.es[0].Count < 1 || l.es[0].Via != k.Touches || l.es[0].ID != "f1" {
				t.Fatalf("%+v", l.es)
			}
			t.Log(l.es[0].Count, l.es[0].Detail)
			f.ID, f.Addr, f.TLS = "f2", "127.203.0.1:11", "127.203.0.1:11"
			if err := a.Inject(f); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
			a.Close()
			if len(l.es) != 2 || l.es[1].Kind != history.Note || !strings.Contains(l.es[1].Detail, "failed dials") {
				t.Errorf("%+v", l.es)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	a := attack.New(func(history.Event) {})
	for _, f := range []attack.Fault{{Kind: "odd", Connections: 1, Rate: 1}, {Kind: "slowloris", Rate: 1}, {Kind: "slowloris", Connections: 201, Rate: 1}, {Kind: "slowloris", Connections: 1, Rate: 2001}} {
		if err := a.Inject(f); err == nil || !strings.HasPrefix(err.Error(), "http: can't do") {
			t.Errorf("%+v: %v", f, err)
		}
	}
	for _, k := range attack.Kinds() {
		for _, p := range k.Params {
			if p.Name == "connections" && p.Max > 200 || p.Name == "rate" && p.Max > 2000 {
				t.Errorf("%s: %s up to %d", k.Name, p.Name, p.Max)
			}
		}
	}
}
