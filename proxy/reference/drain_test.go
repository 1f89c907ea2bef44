package reference_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// gate is an origin whose answers wait: /head before the head, /body in the middle.
func gate(t *testing.T, open <-chan bool) string {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/head":
			<-open
		case "/body":
			io.WriteString(w, "first ")
			w.(http.Flusher).Flush()
			<-open
		case "/upload":
			b, _ := io.ReadAll(r.Body)
			w.Write(b)
			return
		}
		io.WriteString(w, "done")
	})
}

// refuses waits until new connections are, and fails at anything but that.
func (r *process) refuses() {
	r.t.Helper()
	eventually(r.t, "refusal", func() bool {
		c, err := net.DialTimeout("tcp", r.addr, time.Second)
		if err == nil {
			c.Close()
		} else if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ECONNRESET) {
			r.t.Fatalf("neither accepted nor refused: %v", err)
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
}

func TestDrain(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		for name, signals := range map[string][]syscall.Signal{
			"TERM": {syscall.SIGTERM}, "INT": {syscall.SIGINT},
			"storm": {15, 15, 2, 15, 2, 2, 15, 15, 15, 2, 15, 15, 2, 15, 15, 15},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				open := make(chan bool)
				r := p.start(t, gate(t, open), "--read-header-timeout=1m", "--graceful-shutdown-timeout=1m")
				idle, silent, half, upload := dial(t, r.addr), dial(t, r.addr), dial(t, r.addr), dial(t, r.addr)
				head, body := dial(t, r.addr).get("/head"), dial(t, r.addr).get("/body")
				idle.get("/").want(200, "done")
				half.send("GET / HTTP/1.1\nHost:")
				upload.send("POST /upload HTTP/1.1\nHost: h\nContent-Length: 9\n\nbefore ")
				streaming := body.response("GET")
				eventually(t, "all in flight", func() bool {
					_, m := get(t, r.url("/metrics"))
					return strings.Contains(m, "proxy_requests_in_flight 3")
				})
				for _, s := range signals {
					r.signal(s)
					time.Sleep(5 * time.Millisecond)
				}
				idle.closed("idle connection")
				silent.closed("silent connection")
				half.closed("half a head")
				r.refuses()
				close(open)
				upload.send("&c")
				for name, resp := range map[string]*http.Response{"head": head.want(200, "done"), "upload": upload.want(200, "before &c")} {
					if !resp.Close {
						t.Errorf("%s: response without Connection: close", name)
					}
				}
				if got, err := io.ReadAll(streaming.Body); string(got) != "first done" || err != nil {
					t.Errorf("streaming: %q, %v", got, err)
				}
				body.closed("connection after its last response")
				r.exit(0)
			})
		}
	})
}

// TestDrainLimit has what cannot be finished: it is cut, visibly, and the exit code
// says so.
func TestDrainLimit(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		open := make(chan bool)
		defer close(open)
		r := p.start(t, gate(t, open), "--graceful-shutdown-timeout=300ms")
		head, body := dial(t, r.addr).get("/head"), dial(t, r.addr).get("/body").response("GET")
		r.signal(syscall.SIGTERM)
		if got, err := io.ReadAll(body.Body); err == nil {
			t.Errorf("cut body passes for the whole: %q", got)
		}
		head.closed("request without an answer")
		r.exit(1)
	})
}

// TestDrainLimitOfTunnels has a tunnel that cannot be told: the origin stopped in
// the middle of a frame.
func TestDrainLimitOfTunnels(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, sockets(t, func(c net.Conn) {
			c.Write(ws.MustCompileFrame(ws.NewTextFrame([]byte("0123456789")))[:5])
			io.Copy(io.Discard, c)
		}), "--graceful-shutdown-timeout=300ms")
		c := dial(t, r.addr).upgrade()
		if b, err := c.br.Peek(5); err != nil {
			t.Fatal(b, err)
		}
		r.signal(syscall.SIGTERM)
		if rest, err := io.ReadAll(c.br); len(rest) != 5 {
			t.Errorf("%q, %v: a close frame in the middle of another", rest, err)
		}
		r.exit(1)
	})
}

// TestDrainWithMuteClients has clients that read nothing and do not close.
func TestDrainWithMuteClients(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, script(t, func(c net.Conn, _ *http.Request) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			io.Copy(c, endless{})
		}), "--graceful-shutdown-timeout=300ms")
		c := dial(t, r.addr).get("/")
		c.response("GET")
		r.signal(syscall.SIGTERM)
		r.exit(1)
	})
}

func TestShutdownDelay(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, mirror), "--shutdown-delay=500ms")
		kept := dial(t, r.addr)
		kept.get("/").want(200, "GET / test \"\" <nil>\n")
		r.signal(syscall.SIGTERM)
		r.log.await(t, "draining")
		eventually(t, "failing health", func() bool {
			resp, body := get(t, r.url("/healthz"))
			return resp.StatusCode == 503 && strings.TrimSpace(body) == "draining"
		})
		if resp := kept.get("/").want(200, "GET / test \"\" <nil>\n"); !resp.Close {
			t.Error("response without Connection: close")
		}
		dial(t, r.addr).get("/").want(200, "GET / test \"\" <nil>\n") // a new connection
		r.refuses()
		r.exit(0)
	})
}

// TestSignalsDuringDelay wants them not to shorten it.
func TestSignalsDuringDelay(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, mirror), "--shutdown-delay=400ms")
		r.signal(syscall.SIGTERM)
		r.log.await(t, "draining")
		for range 10 {
			r.signal(syscall.SIGTERM)
			r.signal(syscall.SIGINT)
		}
		dial(t, r.addr).get("/").want(200, "GET / test \"\" <nil>\n")
		r.exit(0)
	})
}

// TestSignalWhileImporting has a module of aiohttp's name send the signal, so that
// it comes when the program has done nothing but install its handlers.
func TestSignalWhileImporting(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		for _, sig := range []string{"SIGTERM", "SIGINT"} {
			dir := t.TempDir()
			module := "import os, signal, time\nos.kill(os.getpid(), signal." + sig + ")\ntime.sleep(60)\n"
			if err := os.WriteFile(filepath.Join(dir, "aiohttp.py"), []byte(module), 0o644); err != nil {
				t.Fatal(err)
			}
			// The script's own folder comes first in the module path, so it moves too.
			src, err := os.ReadFile(p.argv[len(p.argv)-1])
			if err != nil {
				t.Fatal(err)
			}
			script := filepath.Join(dir, "pyproxy.py")
			if err := os.WriteFile(script, src, 0o644); err != nil {
				t.Fatal(err)
			}
			q := program{name: p.name, argv: []string{p.argv[0], "-B", script}}
			q.launch(t, "--listen=127.0.0.1:0", "--origin=http://127.0.0.1:1").exit(0)
		}
	}, python)
}

// TestSignalRightAfterStart wants a drain from the moment of the first word on.
func TestSignalRightAfterStart(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		for range 3 {
			r := p.start(t, "http://127.0.0.1:1")
			r.signal(syscall.SIGTERM)
			r.exit(0)
		}
	})
}

// TestLog wants one JSON object a line.
func TestLog(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, refusing(t))
		get(t, r.url("/"))
		r.signal(syscall.SIGTERM)
		r.exit(0)
		for line := range bytes.Lines([]byte(r.log.String())) {
			if !bytes.HasPrefix(line, []byte("{")) || !bytes.HasSuffix(line, []byte("}\n")) {
				t.Errorf("not a line of JSON: %q", line)
			}
		}
		for _, want := range []string{`"ready"`, `"refused"`, `"draining"`, `"stopped"`} {
			if !strings.Contains(r.log.String(), want) {
				t.Errorf("nothing about %s", want)
			}
		}
	})
}
