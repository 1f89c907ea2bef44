package certs_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"faultbed/certs"
	"faultbed/certs/clients"
)

const name = "origin.faultbed.test"

// chains are a valid case, one of a stranger and one of bytes that are no certificate.
func chains(t *testing.T) (valid, stranger, junk certs.Case) {
	t.Helper()
	mint, err := certs.NewMint(1, time.Now(), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	root := must(mint.CA("Root CA", nil))(t)
	other := must(mint.CA("Other Root CA", nil))(t)
	one := func(name string, by certs.CA) certs.Case {
		leaf := must(mint.Sub(name).Leaf([]string{"origin.faultbed.test"}, by))(t)
		return certs.Case{Name: name, Pair: must(certs.NewPair(leaf))(t), Roots: [][]byte{root.Cert.Raw}}
	}
	valid, stranger, junk = one("valid", root), one("stranger", other), one("junk", root)
	junk.Chain = [][]byte{[]byte("no certificate"), {}}
	return valid, stranger, junk
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// bed is a switch behind a real HTTP server; each handshake is sent to events.
type bed struct {
	*certs.Switch
	close  func() error // returns when every handshake has ended and been reported
	addr   string
	events chan certs.HandshakeEvent
}

func start(t *testing.T, protos ...string) bed {
	t.Helper()
	b := bed{events: make(chan certs.HandshakeEvent, 16)}
	b.Switch = certs.NewSwitch(func(e certs.HandshakeEvent) { b.events <- e })
	b.NextProtos = protos
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	b.addr = l.Addr().String()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) })}
	go srv.Serve(b.Listener(l))
	b.close = srv.Close
	t.Cleanup(func() { srv.Close() })
	return b
}

func (b bed) event(t *testing.T) certs.HandshakeEvent {
	t.Helper()
	select {
	case e := <-b.events:
		return e
	case <-time.After(limit):
		t.Fatal("no handshake event")
		panic("unreachable")
	}
}

// none ends the bed and holds that no other event is left.
func (b bed) none(t *testing.T) {
	t.Helper()
	b.close()
	select {
	case e := <-b.events:
		t.Errorf("unexpected event %+v", e)
	default:
	}
}

func set(t *testing.T, s *certs.Switch, c certs.Case) {
	t.Helper()
	if err := s.Set(c); err != nil {
		t.Fatal(err)
	}
}

func TestSwitchHearsTheAlertOfEachClient(t *testing.T) {
	valid, stranger, junk := chains(t)
	// What the stacks send, whether or not it was encrypted.
	alerts := map[string]map[string]string{
		"go":      {"stranger": "bad_certificate", "junk": "decode_error"},
		"openssl": {"stranger": "unknown_ca", "junk": "bad_certificate"},
		"python":  {"stranger": "unknown_ca", "junk": "bad_certificate"},
	}
	for _, client := range clients.Detect(context.Background()) {
		t.Run(client.Name, func(t *testing.T) {
			if !client.Available {
				t.Skip(client.Why)
			}
			b := start(t)
			for _, c := range []certs.Case{stranger, valid, junk, valid} {
				set(t, b.Switch, c)
				got := client.Verify(context.Background(), clients.Target{Addr: b.addr, ServerName: name, RootsPEM: valid.RootsPEM()})
				e := b.event(t)
				t.Logf("%s: client %s %s, server %+v", c.Name, got.Verdict, got.Alert, e)
				if e.Case != c.Name || e.ServerName != name || e.OK != (c.Name == "valid") || e.OK != (e.Err == nil) {
					t.Errorf("%s: %+v", c.Name, e)
				}
				if e.Alert != alerts[client.Name][c.Name] {
					t.Errorf("%s: alert %q, want %q", c.Name, e.Alert, alerts[client.Name][c.Name])
				}
				if got.Alert != "" && got.Alert != e.Alert {
					t.Errorf("%s: client says it sent %s, server heard %s", c.Name, got.Alert, e.Alert)
				}
			}
			if ok, failed := b.Counts(); ok != 2 || failed != 2 {
				t.Errorf("%d completed and %d failed, want 2 and 2", ok, failed)
			}
			b.none(t)
		})
	}
}

// limit bounds waits for what should come at once. It is shorter than the switch's
// patience with a stalled handshake.
const limit = 5 * time.Second

// dial returns the client's end with the handshake done.
func dial(t *testing.T, addr string, conf *tls.Config) (*tls.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c, err := (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { c.Close() })
	return c.(*tls.Conn), nil
}

func trusting(c certs.Case) *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.RootsPEM())
	return &tls.Config{RootCAs: roots, ServerName: name}
}

// The same in TLS 1.2, where alerts within the handshake are always in plaintext.
func TestAlertOfTLS12(t *testing.T) {
	valid, stranger, _ := chains(t)
	b := start(t)
	set(t, b.Switch, stranger)
	conf := trusting(valid)
	conf.MaxVersion = tls.VersionTLS12
	if _, err := dial(t, b.addr, conf); err == nil {
		t.Error("accepted a stranger")
	}
	if e := b.event(t); e.OK || e.Alert != "bad_certificate" {
		t.Errorf("%+v", e)
	}
}

// A client that could resume a session would not look at the next case's chain:
// nginx resumes by default (proxy_ssl_session_reuse).
func TestNoResumption(t *testing.T) {
	valid, stranger, _ := chains(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		b := start(t)
		conf := trusting(valid)
		conf.MaxVersion, conf.ClientSessionCache = version, tls.NewLRUClientSessionCache(8)
		set(t, b.Switch, valid)
		for range 2 {
			c, err := dial(t, b.addr, conf)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			io.Copy(io.Discard, c) // a ticket of TLS 1.3 comes with the data
			if c.ConnectionState().DidResume {
				t.Error("resumed")
			}
		}
		set(t, b.Switch, stranger)
		if _, err := dial(t, b.addr, conf); err == nil {
			t.Error("the stranger's chain was not looked at")
		}
	}
}

func TestSetLeavesConnectionsAlone(t *testing.T) {
	valid, stranger, _ := chains(t)
	b := start(t)
	set(t, b.Switch, valid)
	c, err := dial(t, b.addr, trusting(valid))
	if err != nil {
		t.Fatal(err)
	}
	set(t, b.Switch, stranger)
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
}

func TestSwitchSpeaksHTTP2WhenAsked(t *testing.T) {
	valid, _, _ := chains(t)
	b := start(t, "h2", "http/1.1")
	set(t, b.Switch, valid)
	tr := &http.Transport{TLSClientConfig: trusting(valid), ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr, Timeout: 10 * time.Second}).Get("https://" + b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "HTTP/2.0" {
		t.Errorf("%q, %v", body, err)
	}
}

// A probe that connects and goes is no handshake, nonsense is a failed one.
func TestProbeIsNoHandshake(t *testing.T) {
	valid, _, _ := chains(t)
	b := start(t)
	set(t, b.Switch, valid)
	must(net.Dial("tcp", b.addr))(t).Close()
	c := must(net.Dial("tcp", b.addr))(t)
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.1\r\n\r\n")
	if e := b.event(t); e.OK || e.Err == nil || e.Case != "" || e.RemoteAddr != c.LocalAddr().String() {
		t.Errorf("%+v", e)
	}
	b.none(t)
}

// A peer that stalls in its handshake neither holds up others nor survives Close.
func TestStalledHandshake(t *testing.T) {
	valid, _, _ := chains(t)
	s := certs.NewSwitch(nil)
	set(t, s, valid)
	l := s.Listener(must(net.Listen("tcp", "127.0.0.1:0"))(t))
	stalled := must(net.Dial("tcp", l.Addr().String()))(t)
	defer stalled.Close()
	stalled.Write([]byte{22, 3, 1})
	if _, err := dial(t, l.Addr().String(), trusting(valid)); err != nil {
		t.Fatal(err)
	}
	got := must(l.Accept())(t)
	defer got.Close()
	closed := make(chan error)
	go func() { closed <- l.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(limit):
		t.Fatal("Close waits for the stalled peer")
	}
	stalled.SetReadDeadline(time.Now().Add(limit))
	if _, err := stalled.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("stalled peer after Close: %v", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("accepted after Close")
	}
}

// marked is what the origin finds below a connection to name it in its ledger.
type marked struct{ net.Conn }

type marker struct{ net.Listener }

func (m marker) Accept() (net.Conn, error) {
	c, err := m.Listener.Accept()
	return marked{c}, err
}

func TestConnectionBelowCanBeFound(t *testing.T) {
	valid, _, _ := chains(t)
	s := certs.NewSwitch(nil)
	set(t, s, valid)
	l := s.Listener(marker{must(net.Listen("tcp", "127.0.0.1:0"))(t)})
	defer l.Close()
	if _, err := dial(t, l.Addr().String(), trusting(valid)); err != nil {
		t.Fatal(err)
	}
	conn := must(l.Accept())(t)
	defer conn.Close()
	for {
		below, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = below.NetConn()
	}
	if _, ok := conn.(marked); !ok {
		t.Errorf("found %T", conn)
	}
}

func TestSetRefusesAKeyThatIsNone(t *testing.T) {
	valid, _, _ := chains(t)
	valid.Key = []byte("no key")
	if err := certs.NewSwitch(nil).Set(valid); err == nil || !strings.Contains(err.Error(), "valid") {
		t.Error(err)
	}
}
