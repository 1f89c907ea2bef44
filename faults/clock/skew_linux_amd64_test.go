package clock

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"faultbed/faults/room"
	"faultbed/reports/history"
)

const originName = "origin.faultbed.test"

// subject starts a proxy that verifies its origin's chain.
type subject struct {
	name  string
	start func(t *testing.T, dir, listen, origin, roots string) *exec.Cmd
}

var subjects = []subject{
	{"go", func(t *testing.T, dir, listen, origin, roots string) *exec.Cmd {
		program := filepath.Join(dir, "goproxy")
		build := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, "faultbed/proxy/goproxy")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // static: no C library is there to be deceived
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return exec.Command(program, flags(listen, origin, roots)...)
	}},
	{"python", func(t *testing.T, _, listen, origin, roots string) *exec.Cmd {
		program, err := filepath.Abs("../../proxy/pyproxy/pyproxy.py")
		if err != nil {
			t.Fatal(err)
		}
		if exec.Command("/usr/bin/python3", "-c", "import aiohttp").Run() != nil {
			t.Skip("no python3 with aiohttp here")
		}
		return exec.Command("/usr/bin/python3", append([]string{program}, flags(listen, origin, roots)...)...)
	}},
	{"nginx", func(t *testing.T, dir, listen, origin, roots string) *exec.Cmd {
		if _, err := os.Stat("/usr/sbin/nginx"); err != nil {
			t.Skip("no nginx here")
		}
		conf := fmt.Sprintf(nginxConf, dir, dir, dir, dir, dir, dir, listen, origin, roots, originName)
		if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o644); err != nil {
			t.Fatal(err)
		}
		return exec.Command("/usr/sbin/nginx", "-e", "stderr", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	}},
}

func flags(listen, origin, roots string) []string {
	return []string{"--listen=" + listen, "--origin=https://" + origin, "--origin-ca=" + roots, "--origin-server-name=" + originName}
}

const nginxConf = `
daemon off;
user root;
worker_processes 2;
pid %s/nginx.pid;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path %s/a; proxy_temp_path %s/b; fastcgi_temp_path %s/c; uwsgi_temp_path %s/d; scgi_temp_path %s/e;
    server {
        listen %s;
        location = /healthz { return 200 "ok"; }
        location / {
            proxy_pass https://%s;
            proxy_ssl_verify on; proxy_ssl_trusted_certificate %s; proxy_ssl_name %s; proxy_ssl_server_name on;
        }
    }
}
`

func address() string {
	return fmt.Sprintf("127.%d.%d.%d:%d", 1+mrand.N(250), mrand.N(250), 1+mrand.N(250), 10000+mrand.N(20000))
}

// origin answers over TLS with a certificate that ends so far from now, each request
// on a connection and in a session of its own.
func origin(t *testing.T, dir string, validFor time.Duration) (addr, roots string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: originName}, DNSNames: []string{originName},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validFor), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	roots = filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", address())
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "served") })}
	srv.SetKeepAlivesEnabled(false)
	conf := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, SessionTicketsDisabled: true}
	go srv.Serve(tls.NewListener(l, conf))
	t.Cleanup(func() { srv.Close() })
	return l.Addr().String(), roots
}

// up runs the subject until it answers.
func up(t *testing.T, cmd *exec.Cmd, addr string) {
	t.Helper()
	cmd.Stderr, cmd.SysProcAttr = io.Discard, &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case <-done:
		case <-time.After(15 * time.Second):
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
	})
	for range 1000 {
		if _, err := get(addr, "/healthz"); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("it does not answer")
}

func get(addr, path string) (*http.Response, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + addr + path)
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}

// TestCertificatesExpire: the origin's certificate is good for an hour; under a clock
// that is two hours ahead the subject refuses it and says 502, and once the clock is
// right again it serves. Its own Date header (RFC 9110 section 6.6.1) shows its clock.
func TestCertificatesExpire(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and starts proxies")
	}
	if err := skew.Probe(); err != nil {
		t.Skip(err)
	}
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			dir, addr := t.TempDir(), address()
			to, roots := origin(t, dir, time.Hour)
			cmd := s.start(t, dir, addr, to, roots)
			up(t, cmd, addr)
			check(t, addr, 200, 0)
			var bites bites
			target := room.Target{Fault: "f1", Run: "test", PID: cmd.Process.Pid, Addr: addr, Note: bites.note}
			for _, c := range []struct {
				offset time.Duration
				status int
			}{{2 * time.Hour, 502}, {10 * time.Minute, 200}, {-2 * time.Hour, 502}} { // not valid yet
				with, err := json.Marshal(map[string]int64{"offset": int64(c.offset)})
				if err != nil {
					t.Fatal(err)
				}
				active, err := skew.Inject(context.Background(), target, with)
				if err != nil {
					t.Fatal(err)
				}
				check(t, addr, c.status, c.offset)
				if err := active.Lift(context.Background()); err != nil {
					t.Fatal(err)
				}
				check(t, addr, 200, 0)
			}
			if n := bites.n; n < 3 || s.name == "nginx" && n != 9 { // a master and two workers
				t.Errorf("%d bites", n)
			}
		})
	}
}

func check(t *testing.T, addr string, status int, offset time.Duration) {
	t.Helper()
	resp, err := get(addr, "/x")
	if err != nil || resp.StatusCode != status {
		t.Errorf("clock off by %v: %v, %v; want status %d", offset, resp, err, status)
	}
	if resp, err = get(addr, "/healthz"); err != nil {
		t.Fatal(err)
	}
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		t.Fatal(err)
	}
	if off := date.Sub(time.Now().Add(offset)); off.Abs() > 5*time.Second {
		t.Errorf("its Date is %v, %v off", date, off)
	}
}

type bites struct {
	sync.Mutex
	n int64
}

func (b *bites) note(e history.Event) {
	b.Lock()
	defer b.Unlock()
	if e.Kind == history.Bite {
		b.n += e.Count
	}
}

// TestSubjectThatHasEnded: lifting is no error.
func TestSubjectThatHasEnded(t *testing.T) {
	if err := skew.Probe(); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command("/bin/cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var b bites
	active, err := skew.Inject(context.Background(), room.Target{PID: cmd.Process.Pid, Run: "test", Note: b.note}, json.RawMessage(`{"offset":3600000000000}`))
	cmd.Process.Kill()
	if err := cmd.Wait(); err == nil {
		t.Error(errors.New("it outlived SIGKILL"))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := active.Lift(context.Background()); err != nil {
		t.Error(err)
	}
}
