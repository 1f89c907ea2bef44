package reference_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"faultbed/proxy/pyproxy"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

const (
	golang = "go"
	python = "python"
)

// program is one of the proxies.
type program struct {
	name string
	argv []string
	skip string // why it cannot run here
}

var programs []program

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "reference")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(dir)
	exe, script := filepath.Join(dir, "goproxy"), filepath.Join(dir, "pyproxy.py")
	cmd := exec.Command("go", "build", "-o", exe, "../goproxy")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		log.Printf("build goproxy: %v\n%s", err, out)
		return 1
	}
	if err := os.WriteFile(script, pyproxy.Source, 0o644); err != nil {
		log.Print(err)
		return 1
	}
	py := program{name: python, argv: []string{interpreter(), "-B", script}}
	if out, err := exec.Command(interpreter(), "-c", "import aiohttp").CombinedOutput(); err != nil {
		py.skip = fmt.Sprintf("%s has no aiohttp: %v %s", interpreter(), err, bytes.TrimSpace(out))
	}
	programs = []program{{name: golang, argv: []string{exe}}, py}
	return m.Run()
}

// interpreter is Debian's Python, or another one to try.
func interpreter() string {
	if p := os.Getenv("PYPROXY_PYTHON"); p != "" {
		return p
	}
	return "/usr/bin/python3"
}

// each runs a test for the programs that are named, or for both, in parallel.
func each(t *testing.T, f func(*testing.T, program), names ...string) {
	t.Parallel()
	for _, p := range programs {
		if len(names) > 0 && p.name != names[0] {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			if p.skip != "" {
				t.Skip(p.skip)
			}
			t.Parallel()
			f(t, p)
		})
	}
}

// process is a running proxy.
type process struct {
	t         *testing.T
	cmd       *exec.Cmd
	addr, tls string // its listeners
	log       *transcript
	gone      chan struct{}
}

// start runs the proxy in front of an origin and waits until it listens. Flags
// that contain no "--" are taken for environment variables.
func (p program) start(t *testing.T, origin string, flags ...string) *process {
	t.Helper()
	r := p.launch(t, append([]string{"--listen=127.0.0.1:0", "--origin=" + origin, "--log-level=debug"}, flags...)...)
	select {
	case ready := <-r.log.ready:
		r.addr, r.tls = ready.Listen, ready.ListenTLS
	case <-r.gone:
		t.Fatalf("exit code %d instead of ready\n%s", r.cmd.ProcessState.ExitCode(), r.log)
	case <-time.After(patience):
		t.Fatalf("not ready\n%s", r.log)
	}
	return r
}

func (p program) launch(t *testing.T, flags ...string) *process {
	t.Helper()
	r := &process{t: t, log: &transcript{ready: make(chan ready, 1)}, gone: make(chan struct{})}
	r.cmd = exec.Command(p.argv[0], p.argv[1:]...)
	r.cmd.Env = []string{"HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1"} // to be ignored
	for _, f := range flags {
		if strings.HasPrefix(f, "--") {
			r.cmd.Args = append(r.cmd.Args, f)
		} else {
			r.cmd.Env = append(r.cmd.Env, f)
		}
	}
	r.cmd.Stderr = r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.cmd.Wait(); close(r.gone) }()
	t.Cleanup(func() {
		r.cmd.Process.Kill()
		<-r.gone
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, r.log)
		}
	})
	return r
}

func (r *process) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// exit waits for the end and wants that code; -1 is a death by signal.
func (r *process) exit(code int) {
	r.t.Helper()
	select {
	case <-r.gone:
		if got := r.cmd.ProcessState.ExitCode(); got != code {
			r.t.Errorf("exit code %d, want %d", got, code)
		}
	case <-time.After(patience):
		r.t.Fatal("still running")
	}
}

func (r *process) url(path string) string { return "http://" + r.addr + path }

type ready struct {
	Msg       string `json:"msg"`
	Listen    string `json:"listen"`
	ListenTLS string `json:"listen_tls"`
}

// transcript is what the proxy said; it looks out for its being ready.
type transcript struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ready chan ready
}

func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	var r ready
	if json.Unmarshal(p, &r) == nil && r.Msg == "ready" {
		l.ready <- r
	}
	return len(p), nil
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until the proxy has said that.
func (l *transcript) await(t *testing.T, text string) {
	t.Helper()
	eventually(t, "log line "+text, func() bool { return strings.Contains(l.String(), text) })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came: %s", what)
		}
	}
}

// serve runs an origin.
func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL
}

// script runs an origin that reads one request's head and then does as it is told.
func script(t *testing.T, f func(c net.Conn, r *http.Request)) string {
	return listen(t, func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err == nil {
			f(c, r)
		}
	})
}

// listen runs a TCP server; its URL.
func listen(t *testing.T, f func(c net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); f(c) }()
		}
	}()
	return "http://" + l.Addr().String()
}

func reset(c net.Conn) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// client is a connection that shows everything: no pool, no retries.
type client struct {
	net.Conn
	t  *testing.T
	br *bufio.Reader
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	return over(t, c)
}

func over(t *testing.T, c net.Conn) *client {
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &client{c, t, bufio.NewReader(c)}
}

func (c *client) send(format string, args ...any) *client {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, strings.ReplaceAll(format, "\n", "\r\n"), args...); err != nil {
		c.t.Fatal(err)
	}
	return c
}

// get sends a request for a path.
func (c *client) get(path string) *client { return c.send("GET %s HTTP/1.1\nHost: test\n\n", path) }

// response reads a response's head.
func (c *client) response(method string) *http.Response {
	c.t.Helper()
	r, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("no response: %v", err)
	}
	return r
}

// want reads a whole response.
func (c *client) want(status int, body string) *http.Response {
	c.t.Helper()
	r := c.response("GET")
	got, err := io.ReadAll(r.Body)
	if r.StatusCode != status || string(got) != body || err != nil {
		c.t.Errorf("got %d %q, %v; want %d %q", r.StatusCode, got, err, status, body)
	}
	return r
}

// closed wants the connection to end without another byte.
func (c *client) closed(what string) {
	c.t.Helper()
	b, err := c.br.ReadByte()
	if err == nil {
		c.t.Errorf("%s: got byte %q, want the end", what, b)
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		c.t.Errorf("%s: still open", what)
	}
}

// get fetches with an ordinary client.
func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	r, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(body)
}

// await waits for a value.
func await[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("never came: %s", what)
		panic("unreachable")
	}
}
