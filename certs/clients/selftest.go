package clients

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"faultbed/certs"
)

const selfName = "selftest.faultbed.test"

// SelfTest serves three chains on loopback and requires that the client rejects one
// from a stranger and one for another name, and accepts the valid one. A client that
// fails has no say: wrong flags, or a build that verifies nothing.
func SelfTest(ctx context.Context, c Client) error {
	if !c.Available {
		return fmt.Errorf("clients: %s is not available: %s", c.Name, c.Why)
	}
	cases, err := selfCases(time.Now())
	if err != nil {
		return fmt.Errorf("clients: self-test: %w", err)
	}
	sw, addr, stop, err := serveHello()
	if err != nil {
		return fmt.Errorf("clients: self-test: %w", err)
	}
	defer stop()
	want := map[certs.Oracle]certs.Verdict{certs.MustReject: certs.Reject, certs.MustAccept: certs.Accept}
	var failed error
	for _, k := range cases {
		if err := sw.Set(k); err != nil {
			return fmt.Errorf("clients: self-test: %w", err)
		}
		got := c.Verify(ctx, Target{Addr: addr, ServerName: selfName, RootsPEM: k.RootsPEM()})
		if got.Verdict != want[k.Oracle] {
			failed = errors.Join(failed, fmt.Errorf("clients: self-test: %s says %s to %s, want %s: %s",
				c.Name, got.Verdict, k.Name, want[k.Oracle], got.Detail))
		}
	}
	return failed
}

// selfCases needs no authority: two roots and three leaves.
func selfCases(now time.Time) ([]certs.Case, error) {
	mint, err := certs.NewMint(0, now, "self-test")
	if err != nil {
		return nil, err
	}
	trusted, err := mint.CA("Self-test Root CA", nil)
	if err != nil {
		return nil, err
	}
	stranger, err := mint.CA("Self-test Stranger CA", nil)
	if err != nil {
		return nil, err
	}
	var out []certs.Case
	for _, k := range []struct {
		name   string
		oracle certs.Oracle
		host   string
		by     certs.CA
	}{
		{"self-test/untrusted", certs.MustReject, selfName, stranger},
		{"self-test/other-name", certs.MustReject, "elsewhere.invalid", trusted},
		{"self-test/valid", certs.MustAccept, selfName, trusted},
	} {
		leaf, err := mint.Sub(k.name).Leaf([]string{k.host}, k.by)
		if err != nil {
			return nil, err
		}
		pair, err := certs.NewPair(leaf)
		if err != nil {
			return nil, err
		}
		out = append(out, certs.Case{Name: k.name, Oracle: k.oracle, Pair: pair, Roots: [][]byte{trusted.Cert.Raw}})
	}
	return out, nil
}

// serveHello answers 200 to everything behind a switch on loopback.
func serveHello() (*certs.Switch, string, func() error, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", nil, err
	}
	sw := certs.NewSwitch(nil)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello\n") })}
	go srv.Serve(sw.Listener(l))
	return sw, l.Addr().String(), srv.Close, nil
}
