package wire_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"faultbed/faults/wire"
	"faultbed/reports/history"
)

// TestSweep runs faults at every instant of a real request through net/http and
// holds the map of outcomes against what HTTP/1 says of each.
func TestSweep(t *testing.T) {
	sent, answer := pattern(3000), bytes.Repeat([]byte("answer "), 500)
	var mu sync.Mutex
	served := map[string]int{} // by whether it was all that was sent, and whether it seemed so
	addr := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		mu.Lock()
		served[fmt.Sprint(bytes.Equal(got, sent), " ", err == nil)]++
		mu.Unlock()
		w.Header().Set("Content-Length", fmt.Sprint(len(answer)))
		w.Write(answer)
	})
	for _, kind := range []string{wire.RSTAt, wire.Cut} {
		var shown []string
		for _, at := range instantsOf(t, wire.HTTP1, int64(len(sent)), int64(len(answer))) {
			var l ledger
			r := listen(t, addr, &l)
			if err := r.Inject(at.Set(wire.Fault{ID: "f", Kind: kind})); err != nil {
				t.Fatal(err)
			}
			outcome := ask(r.Addr(), sent, answer)
			eventually(t, "bite", func() bool { return len(l.of(history.Bite, "f")) == 1 }) // of the last byte it may come after it
			if want := expected(at); outcome != want {
				t.Errorf("%s %s: %s, want %s", kind, at, outcome, want)
			}
			shown = append(shown, fmt.Sprintf("%s: %s", at, outcome))
			r.Close()
		}
		t.Logf("%s\n%s", kind, strings.Join(shown, "\n"))
	}
	mu.Lock()
	defer mu.Unlock()
	if served["false true"] > 0 || served["true true"] == 0 {
		t.Errorf("the server took as whole %v (is, seemed)", served)
	}
}

// expected: before the response's head nothing can come, within its body it must
// look short, and after its last byte nothing is missing.
func expected(at wire.Trigger) string {
	switch at.When {
	case wire.ResponseHeadDone, wire.ResponseBodyByte:
		return "truncated"
	case wire.ResponseEnd:
		return "ok"
	}
	return "no response"
}

func ask(addr string, body, want []byte) string {
	tr := &http.Transport{DisableKeepAlives: true}
	defer tr.CloseIdleConnections()
	q, _ := http.NewRequest("POST", "http://"+addr+"/fb/upload/a?size=0", bytes.NewReader(body))
	resp, err := (&http.Client{Transport: tr, Timeout: patience}).Do(q)
	if err != nil {
		return "no response"
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	switch {
	case err != nil && bytes.HasPrefix(want, got):
		return "truncated"
	case err == nil && bytes.Equal(got, want):
		return "ok"
	}
	return fmt.Sprintf("%d other bytes, %v", len(got), err)
}

func serveHTTP(t *testing.T, h http.HandlerFunc) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go s.Serve(ln)
	t.Cleanup(func() { s.Close() })
	return ln.Addr().String()
}
