package wire_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"testing"

	"faultbed/faults/wire"
	"faultbed/reports/history"
)

// TestLook: a look notes the instants of both directions and changes nothing.
func TestLook(t *testing.T) {
	answer := bytes.Repeat([]byte("answer "), 50)
	addr := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Write(answer)
	})
	var l ledger
	r := listen(t, addr, &l)
	if err := r.Inject(wire.Fault{ID: "f", Kind: wire.Look, Match: "new"}); err != nil {
		t.Fatal(err)
	}
	if got := ask(r.Addr(), pattern(300), answer); got != "ok" {
		t.Errorf("the exchange was %s", got)
	}
	eventually(t, "response-end", func() bool { return slices.Contains(noted(&l), wire.ResponseEnd) })
	for _, want := range []string{wire.RequestHeadBegun, wire.RequestHeadDone, wire.RequestBodyByte, wire.RequestEnd,
		wire.ResponseHeadBegun, wire.ResponseHeadDone, wire.ResponseBodyByte} {
		if !slices.Contains(noted(&l), want) {
			t.Errorf("%s is not noted: %v", want, noted(&l))
		}
	}
	if n := len(l.of(history.Bite, "f")); n != 1 {
		t.Errorf("%d bites of one connection", n)
	}
	if err := r.Inject(wire.Fault{ID: "g", Kind: wire.Look, Protocol: "spdy"}); err == nil {
		t.Error("a protocol that it can't read")
	}
}

func noted(l *ledger) (names []string) {
	for _, e := range l.of(history.Shown, "f") {
		if i, ok := wire.Noted(e); ok {
			names = append(names, i.When)
		}
	}
	return names
}
