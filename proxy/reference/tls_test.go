package reference_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// pki is a root with one leaf for front.test and one for back.test.
type pki struct {
	ca, cert, key string // PEM files: root, chain and key of front.test
	roots         *x509.CertPool
	back          tls.Certificate
}

func newPKI(t *testing.T) pki {
	t.Helper()
	p := pki{roots: x509.NewCertPool()}
	root, rootKey := issue(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	leaf := func(name string) (*x509.Certificate, *ecdsa.PrivateKey) {
		return issue(t, &x509.Certificate{DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, root, rootKey)
	}
	p.roots.AddCert(root)
	front, frontKey := leaf("front.test")
	back, backKey := leaf("back.test")
	p.back = tls.Certificate{Certificate: [][]byte{back.Raw}, PrivateKey: backKey}
	der, err := x509.MarshalPKCS8PrivateKey(frontKey)
	if err != nil {
		t.Fatal(err)
	}
	p.ca = write(t, "CERTIFICATE", root.Raw)
	p.cert = write(t, "CERTIFICATE", front.Raw)
	p.key = write(t, "PRIVATE KEY", der)
	return p
}

func issue(t *testing.T, c, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: fmt.Sprint("test ", c.DNSNames)}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

func write(t *testing.T, kind string, der []byte) string {
	t.Helper()
	f := filepath.Join(t.TempDir(), "x.pem")
	if err := os.WriteFile(f, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

func (p pki) front() []string {
	return []string{"--listen-tls=127.0.0.1:0", "--tls-cert=" + p.cert, "--tls-key=" + p.key}
}

// dial makes a TLS connection to the proxy.
func (p pki) dial(t *testing.T, r *process) *client {
	t.Helper()
	c, err := tls.Dial("tcp", r.tls, &tls.Config{RootCAs: p.roots, ServerName: "front.test"})
	if err != nil {
		t.Fatal(err)
	}
	return over(t, c)
}

// secure runs an origin with the certificate of back.test. It echoes WebSockets
// and mirrors the rest.
func (p pki) secure(t *testing.T) string {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			w.Header().Set("Seen-Sni", r.TLS.ServerName)
			w.Header().Set("Seen-Proto", r.Header.Get("X-Forwarded-Proto"))
			mirror(w, r)
			return
		}
		u := ws.HTTPUpgrader{Protocol: func(string) bool { return true }}
		if c, _, _, err := u.Upgrade(r, w); err == nil {
			defer c.Close()
			echo(c)
		}
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{p.back}}
	s.StartTLS()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return "https://" + s.Listener.Addr().String()
}

func TestTLSFrontAndBack(t *testing.T) {
	k := newPKI(t)
	each(t, func(t *testing.T, p program) {
		r := p.start(t, k.secure(t), append(k.front(), "--origin-ca="+k.ca, "--origin-server-name=back.test")...)
		c := k.dial(t, r)
		for range 2 {
			resp := c.send("POST / HTTP/1.1\nHost: h\nContent-Length: 2\n\nhi").want(200, "POST / h \"hi\" <nil>\n")
			if sni, proto := resp.Header.Get("Seen-Sni"), resp.Header.Get("Seen-Proto"); sni != "back.test" || proto != "https" {
				t.Errorf("origin saw SNI %q, X-Forwarded-Proto %q", sni, proto)
			}
		}
		s := k.dial(t, r).upgrade()
		s.message("secret")
		s.frame(ws.OpText, []byte("secret"))
		s.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(closing(1000)))))
		s.frame(ws.OpClose, closing(1000))
		s.closed("tunnel after its end")
		dial(t, r.addr).get("/").want(200, "GET / test \"\" <nil>\n") // the plain listener
		r.signal(syscall.SIGTERM)
		c.closed("idle connection")
		r.exit(0)
	})
}

func TestOriginIsVerified(t *testing.T) {
	k, other := newPKI(t), newPKI(t)
	each(t, func(t *testing.T, p program) {
		for name, flags := range map[string][]string{
			"name":    {"--origin-ca=" + k.ca, "--origin-server-name=front.test"},
			"root":    {"--origin-ca=" + other.ca, "--origin-server-name=back.test"},
			"address": {"--origin-ca=" + k.ca},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := p.start(t, k.secure(t), flags...)
				if resp, _ := get(t, r.url("/")); resp.StatusCode != 502 {
					t.Errorf("got %d, want 502", resp.StatusCode)
				}
				if _, m := get(t, r.url("/metrics")); !strings.Contains(m, `proxy_origin_errors_total{kind="tls"} 1`) {
					t.Errorf("not counted as tls:\n%s", m)
				}
			})
		}
		t.Run("plain", func(t *testing.T) {
			t.Parallel()
			plain := strings.Replace(serve(t, mirror), "http:", "https:", 1)
			r := p.start(t, plain, "--origin-ca="+k.ca, "--origin-server-name=back.test")
			if resp, _ := get(t, r.url("/")); resp.StatusCode != 502 {
				t.Errorf("got %d, want 502", resp.StatusCode)
			}
		})
	})
}

// TestTLSTruncation cuts the origin under a TLS client.
func TestTLSTruncation(t *testing.T) {
	k := newPKI(t)
	each(t, func(t *testing.T, p program) {
		r := p.start(t, script(t, func(c net.Conn, _ *http.Request) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		}), k.front()...)
		if got, err := io.ReadAll(k.dial(t, r).get("/").response("GET").Body); err == nil {
			t.Errorf("%q passes for the whole", got)
		}
	})
}

// TestTLSDrain has clients in each state, none of which closes by itself.
func TestTLSDrain(t *testing.T) {
	k := newPKI(t)
	each(t, func(t *testing.T, p program) {
		open := make(chan bool)
		r := p.start(t, gate(t, open), append(k.front(), "--read-header-timeout=1m", "--graceful-shutdown-timeout=1m")...)
		unshaken, silent, idle, body := dial(t, r.tls), k.dial(t, r), k.dial(t, r), k.dial(t, r)
		idle.get("/").want(200, "done")
		streaming := body.get("/body").response("GET")
		r.signal(syscall.SIGTERM)
		unshaken.closed("connection before its handshake")
		silent.closed("silent connection")
		idle.closed("idle connection")
		close(open)
		if got, err := io.ReadAll(streaming.Body); string(got) != "first done" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		r.exit(0) // although the clients keep their side open
	})
}

func TestHandshakeTimeout(t *testing.T) {
	k := newPKI(t)
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, mirror), append(k.front(), "--read-header-timeout=300ms")...)
		dial(t, r.tls).closed("connection before its handshake")
		k.dial(t, r).closed("connection after it")
	})
}

func (p pki) http2() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots, ServerName: "front.test"}, ForceAttemptHTTP2: true}
}

// TestHTTP2 is goproxy's alone.
func TestHTTP2(t *testing.T) {
	k := newPKI(t)
	each(t, func(t *testing.T, p program) {
		open := make(chan bool)
		r := p.start(t, gate(t, open), append(k.front(), "--graceful-shutdown-timeout=1m")...)
		tr := k.http2()
		defer tr.CloseIdleConnections()
		fetch := func(path string) *http.Response {
			req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://"+r.tls+path, nil)
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
		if resp := fetch("/"); resp.ProtoMajor != 2 || resp.StatusCode != 200 {
			t.Errorf("%s %d", resp.Proto, resp.StatusCode)
		}
		streaming := fetch("/body")
		r.signal(syscall.SIGTERM)
		r.refuses()
		close(open)
		if got, err := io.ReadAll(streaming.Body); string(got) != "first done" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		r.exit(0)
	}, golang)
}

// TestHTTP2Stall has a client that grants no more window for one stream.
func TestHTTP2Stall(t *testing.T) {
	k := newPKI(t)
	each(t, func(t *testing.T, p program) {
		ended := make(chan error, 1)
		r := p.start(t, script(t, func(c net.Conn, _ *http.Request) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			_, err := io.Copy(c, endless{})
			ended <- err
		}), append(k.front(), "--stream-idle-timeout=300ms")...)
		tr := k.http2()
		defer tr.CloseIdleConnections()
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://"+r.tls+"/", nil)
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() // not read
		await(t, "the origin's end", ended)
	}, golang)
}
