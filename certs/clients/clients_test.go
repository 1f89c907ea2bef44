package clients

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"faultbed/certs"
	"faultbed/certs/authority"
	"faultbed/certs/malformed"
)

// each runs a test for every client; one that is not installed is skipped by name.
func each(t *testing.T, f func(*testing.T, Client)) {
	for _, c := range Detect(context.Background()) {
		t.Run(c.Name, func(t *testing.T) {
			if !c.Available {
				t.Skip(c.Why)
			}
			f(t, c)
		})
	}
}

func TestDetectNamesAllThree(t *testing.T) {
	var names []string
	for _, c := range Detect(context.Background()) {
		names = append(names, c.Name)
		if c.Available == (c.Why != "") || c.Available == (c.Version == "") {
			t.Errorf("%+v", c)
		}
	}
	if !slices.Equal(names, []string{"go", "openssl", "python"}) {
		t.Errorf("clients %v", names)
	}
}

func TestMissingProgramIsNoVerdict(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, c := range Detect(context.Background())[1:] {
		got := c.Verify(context.Background(), Target{Addr: "127.0.0.1:1"})
		if c.Available || got.Verdict != certs.Unreachable || got.Handshakes != 0 {
			t.Errorf("%s without its program: %+v says %+v", c.Name, c, got)
		}
		if SelfTest(context.Background(), c) == nil {
			t.Errorf("%s passed the self-test without its program", c.Name)
		}
	}
}

// The verdicts of all clients on the whole corpus. They agree on all of it; where
// they ever differ, the table gets a column.
func TestCorpusVerdicts(t *testing.T) {
	const name = "origin.faultbed.test"
	epoch := time.Now()
	a, err := authority.New(context.Background(), authority.Options{Epoch: epoch})
	if err != nil {
		t.Fatal(err)
	}
	cases, err := malformed.Corpus(a, malformed.Options{Epoch: epoch, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	accepted := []string{"order/reversed", "size/huge-chain", "control/valid-ecdsa", "control/valid-rsa", "control/valid-depth2"}
	alerts := map[string]string{
		"expired/leaf": "certificate_expired", "expired/intermediate": "certificate_expired", "expired/root": "certificate_expired",
		"incomplete/missing-intermediate": "unknown_ca", "untrusted/unknown-root": "unknown_ca",
	}
	each(t, func(t *testing.T, c Client) {
		sw, addr, stop, err := serveHello()
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		for _, k := range cases {
			if err := sw.Set(k); err != nil {
				t.Fatal(err)
			}
			got := c.Verify(context.Background(), Target{Addr: addr, ServerName: name, RootsPEM: k.RootsPEM()})
			t.Logf("%-32s %s %s %d %s", k.Name, got.Verdict, got.Alert, got.Status, got.Detail)
			want := certs.Reject
			if slices.Contains(accepted, k.Name) {
				want = certs.Accept
			}
			if got.Verdict != want || got.Client != c.Name || (got.Status == 200) != (want == certs.Accept) {
				t.Errorf("%s: %+v, want %s", k.Name, got, want)
			}
			if alert := alerts[k.Name]; alert != "" && c.Name != "go" && got.Alert != alert {
				t.Errorf("%s: alert %q, want %q", k.Name, got.Alert, alert)
			}
		}
	})
}

func TestSelfTest(t *testing.T) {
	each(t, func(t *testing.T, c Client) {
		if err := SelfTest(context.Background(), c); err != nil {
			t.Error(err)
		}
	})
}

// Clients with verification off, or without the identity check, made of the same
// programs: the gate must shut out each.
func TestSelfTestShutsOutTheBlind(t *testing.T) {
	blind := map[string]Client{
		"go": {verify: func(ctx context.Context, t Target) certs.Result {
			return tryGo(ctx, t, &tls.Config{InsecureSkipVerify: true, ServerName: t.ServerName}).result()
		}},
	}
	ctx := context.Background()
	if path, err := lookFor(t, ctx, "openssl"); err == nil {
		blind["s_client as it comes"] = Client{verify: sClient{path, nil}.verify}
	}
	if path, err := lookFor(t, ctx, "python3"); err == nil {
		off := strings.Replace(verifyScript, "ctx._msg_callback = message", "ctx.check_hostname = False", 1)
		if off == verifyScript {
			t.Fatal("the script has changed under the test")
		}
		blind["python without names"] = Client{verify: python{path, off}.verify}
		blind["python without verification"] = Client{verify: python{path, strings.Replace(off, "ctx.check_hostname = False",
			"ctx.check_hostname = False; ctx.verify_mode = ssl.CERT_NONE", 1)}.verify}
	}
	for name, c := range blind {
		c.Name, c.Available = name, true
		err := SelfTest(ctx, c)
		if err == nil || !strings.Contains(err.Error(), "says accept to self-test/other-name, want reject") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A client that rejects all it sees verifies no more than one that accepts all.
func TestSelfTestShutsOutTheRefuser(t *testing.T) {
	never := Client{Name: "never", Available: true, verify: func(ctx context.Context, t Target) certs.Result {
		return tryGo(ctx, t, &tls.Config{RootCAs: x509.NewCertPool(), ServerName: t.ServerName}).result()
	}}
	if err := SelfTest(context.Background(), never); err == nil || !strings.Contains(err.Error(), "says reject to self-test/valid") {
		t.Error(err)
	}
}

func lookFor(t *testing.T, ctx context.Context, program string) (string, error) {
	t.Helper()
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, program)
		if _, err := version(ctx, path, map[string]string{"openssl": "version", "python3": "--version"}[program]); err == nil {
			return path, nil
		}
	}
	return "", os.ErrNotExist
}

// listen serves raw connections on loopback until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	t.Cleanup(func() { l.Close(); conns.Wait() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { defer c.Close(); serve(c) })
		}
	}()
	return l.Addr().String()
}

// What goes wrong apart from the chain must not read as a rejection of it.
func TestVerdictsThatAreNoRejection(t *testing.T) {
	cases, err := selfCases(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	valid := cases[2]
	cert, err := valid.TLS()
	if err != nil {
		t.Fatal(err)
	}
	withTLS := func(conf *tls.Config, then func(*tls.Conn)) func(net.Conn) {
		return func(c net.Conn) {
			conn := tls.Server(c, conf)
			if conn.Handshake() == nil {
				then(conn)
				conn.Close()
			}
		}
	}
	serverOf := func(conf *tls.Config) *tls.Config { conf.Certificates = []tls.Certificate{cert}; return conf }
	for what, c := range map[string]struct {
		serve func(net.Conn)
		want  certs.Verdict
	}{
		"reads and says nothing": {func(c net.Conn) { io.Copy(io.Discard, c) }, certs.Hang},
		"hangs after the handshake": {withTLS(serverOf(&tls.Config{}), func(c *tls.Conn) { io.Copy(io.Discard, c) }),
			certs.Hang},
		"closes after the request": {withTLS(serverOf(&tls.Config{}), func(c *tls.Conn) { c.Read(make([]byte, 512)) }),
			certs.AcceptThenClose},
		"closes at once": {func(net.Conn) {}, certs.NegotiationFailure},
		"speaks no TLS":  {func(c net.Conn) { io.WriteString(c, "220 hello\r\n"); c.Read(make([]byte, 1)) }, certs.NegotiationFailure},
		"says bad certificate itself": {func(c net.Conn) {
			c.Write([]byte{21, 3, 3, 0, 2, 2, 42})
			io.Copy(io.Discard, c)
		}, certs.NegotiationFailure},
		"chooses what nobody offered": {func(c net.Conn) {
			hello := append([]byte{22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3}, make([]byte, 32+1+2+1)...) // cipher suite 0: none
			c.Write(hello)
			io.Copy(io.Discard, c)
		}, certs.NegotiationFailure},
		// OpenSSL asks for it, then finds the server's key exchange too weak: after the
		// Certificate message, but not because of it.
		"TLS 1.1 only": {withTLS(serverOf(&tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}), nil), certs.NegotiationFailure},
	} {
		addr, limit := listen(t, c.serve), DefaultTimeout
		if c.want == certs.Hang {
			limit = 300 * time.Millisecond // it will be reached
		}
		each(t, func(t *testing.T, client Client) {
			got := client.Verify(context.Background(), Target{Addr: addr, ServerName: selfName, RootsPEM: valid.RootsPEM(), Timeout: limit})
			t.Logf("%s: %+v", what, got)
			if got.Verdict != c.want {
				t.Errorf("server %s: %+v, want %s", what, got, c.want)
			}
		})
	}
}

func TestRefusedConnectionIsUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	each(t, func(t *testing.T, c Client) {
		got := c.Verify(context.Background(), Target{Addr: addr, ServerName: selfName})
		if got.Verdict != certs.Unreachable || got.Handshakes != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// A program that dies of a signal is a crash, not a rejection: gnutls-cli was seen
// to do so on a certificate.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "dies")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nkill -SEGV $$\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, verify := range map[string]func(context.Context, Target) certs.Result{
		"openssl": sClient{path, nil}.verify, "python": python{path, ""}.verify} {
		c := Client{Name: name, Available: true, verify: verify}
		if got := c.Verify(context.Background(), Target{Addr: "127.0.0.1:1"}); got.Verdict != certs.Crash {
			t.Errorf("%+v", got)
		}
	}
}

func TestStatus(t *testing.T) {
	for reply, want := range map[string]int{
		"HTTP/1.1 200 OK\r\nX: y\r\n": 200, "HTTP/1.0 502 Bad Gateway\r\n": 502, "HTTP/1.1 404\r\n": 404, "": 0,
		"220 hello\r\n": 0, "HTTP/2.0 200": 0, "HTTP/1.1 20x no\r\n": 0, "HTTP/1.1": 0, "HTTP/1.1 2000 no": 0,
	} {
		if got := status(reply); got != want {
			t.Errorf("%q: %d, want %d", reply, got, want)
		}
	}
}

func TestReadOpenSSL(t *testing.T) {
	const (
		hello   = ">>> TLS 1.3, Handshake [length 0135], ClientHello\n    01 00\n"
		chain   = "<<< TLS 1.3, Handshake [length 03e5], Certificate\n    0b 00\n"
		proof   = "<<< TLS 1.3, Handshake [length 004e], CertificateVerify\n"
		keys    = "<<< TLS 1.2, Handshake [length 0093], ServerKeyExchange\n"
		refuses = ">>> TLS 1.3, Alert [length 0002], fatal unknown_ca\n"
		refused = "<<< TLS 1.3, Alert [length 0002], fatal internal_error\n"
		up      = "CONNECTION ESTABLISHED\n"
	)
	for what, c := range map[string]struct {
		stdout, stderr, trace string
		want                  certs.Verdict
		alert                 string
	}{
		"never connected":                 {"", "connect:errno=111\n", "", certs.Unreachable, ""},
		"client refuses the chain":        {"", "", hello + chain + refuses, certs.Reject, "unknown_ca"},
		"client refuses the proof":        {"", "", hello + chain + proof + refuses, certs.Reject, "unknown_ca"},
		"client refuses what comes after": {"", "", hello + chain + keys + refuses, certs.NegotiationFailure, "unknown_ca"},
		"server gives up after the chain": {"", "", hello + chain + refused, certs.NegotiationFailure, "internal_error"},
		"server gives up before":          {"", "", hello + refused, certs.NegotiationFailure, "internal_error"},
		"reply":                           {"HTTP/1.1 200 OK\r\n", up, hello + chain, certs.Accept, ""},
		"reply without a handshake":       {"HTTP/1.1 200 OK\r\n", "", hello, certs.NegotiationFailure, ""},
		"no reply":                        {"", up, hello + chain, certs.AcceptThenClose, ""},
	} {
		if o := readOpenSSL(c.stdout, c.stderr, c.trace); o.verdict() != c.want || o.alert != c.alert {
			t.Errorf("%s: %s with alert %q, want %s with %q", what, o.verdict(), o.alert, c.want, c.alert)
		}
	}
}

// The parsers read what a foreign program prints about what a hostile server sent.
func FuzzReadOpenSSL(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\n", "CONNECTION ESTABLISHED\nVerification: OK\n", ">>> TLS 1.3, Handshake [length 0135], ClientHello\n")
	f.Add("", "verify error:num=20:unable to get local issuer certificate\n",
		"<<< TLS 1.3, Handshake [length 03e5], Certificate\n    0b 00\n>>> TLS 1.3, Alert [length 0002], fatal unknown_ca\n")
	f.Add("", "", ",<<< Alert ,fatal ")
	f.Fuzz(func(t *testing.T, stdout, stderr, trace string) {
		o := readOpenSSL(stdout, stderr, trace)
		if v := o.verdict(); v == certs.Accept && status(stdout) == 0 || v == certs.Reject && !strings.Contains(trace, "Certificate") {
			t.Errorf("%s from %q %q %q", v, stdout, stderr, trace)
		}
	})
}
