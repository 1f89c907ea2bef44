package reference_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// mirror answers with what it saw.
func mirror(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	w.Header().Set("Seen-Length", fmt.Sprint(r.ContentLength))
	w.Header()["Content-Type"] = nil
	fmt.Fprintf(w, "%s %s %s %q %v\n", r.Method, r.RequestURI, r.Host, body, err)
}

func TestForwardsRequests(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, mirror))
		for _, c := range []struct{ name, request, length, want string }{
			{"get", "GET /a HTTP/1.1\nHost: h.test\n\n", "0", `GET /a h.test "" <nil>`},
			{"raw path and query", "GET /a%2Fb//c/../d?x=%zz;y& HTTP/1.1\nHost: h.test\n\n", "0", `GET /a%2Fb//c/../d?x=%zz;y& h.test "" <nil>`},
			{"absolute form", "GET http://abs.test/x?y HTTP/1.1\nHost: abs.test\n\n", "0", `GET /x?y abs.test "" <nil>`},
			{"length", "POST /l HTTP/1.1\nHost: h\nContent-Length: 5\n\nhello", "5", `POST /l h "hello" <nil>`},
			{"length 0", "POST /0 HTTP/1.1\nHost: h\nContent-Length: 0\n\n", "0", `POST /0 h "" <nil>`},
			{"chunked", "PUT /c HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n3\nabc\n2\nde\n0\n\n", "-1", `PUT /c h "abcde" <nil>`},
			{"gzip", "PUT /z HTTP/1.1\nHost: h\nContent-Encoding: gzip\nContent-Length: 3\n\nabc", "3", `PUT /z h "abc" <nil>`},
			{"method", "PROPFIND /p HTTP/1.1\nHost: h\n\n", "0", `PROPFIND /p h "" <nil>`},
			{"old", "GET /o HTTP/1.0\nHost: h\n\n", "0", `GET /o h "" <nil>`},
		} {
			conn := dial(t, r.addr).send("%s", strings.ReplaceAll(c.request, "\n", "\r\n"))
			resp := conn.want(200, c.want+"\n")
			if got := resp.Header.Get("Seen-Length"); got != c.length {
				t.Errorf("%s: origin saw length %s, want %s", c.name, got, c.length)
			}
		}
	})
}

func TestExpectContinue(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, mirror))
		c := dial(t, r.addr).send("PUT / HTTP/1.1\nHost: h\nExpect: 100-continue\nContent-Length: 2\n\n")
		if line, _ := c.br.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
			t.Errorf("got %q", line)
		}
		c.br.ReadString('\n')
		c.send("ok").want(200, "PUT / h \"ok\" <nil>\n")
	})
}

func TestHeaders(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		seen := make(chan http.Header, 1)
		r := p.start(t, script(t, func(c net.Conn, r *http.Request) {
			seen <- r.Header
			io.WriteString(c, "HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"+
				"Keep-Alive: timeout=5\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-End: 1\r\nDate: then\r\n\r\nok")
		}))
		c := dial(t, r.addr).send("GET / HTTP/1.1\nHost: h.test\nConnection: keep-alive, X-Hop\nX-Hop: 1\nKeep-Alive: 1\nTE: gzip\n" +
			"Proxy-Authorization: x\nUpgrade: h9\nX-Forwarded-For: 6.6.6.6\nForwarded: for=6.6.6.6\nCookie: c=d\nX-End: 1\n\n")
		resp := c.want(200, "ok")
		want := http.Header{"Content-Length": {"2"}, "Set-Cookie": {"a=1", "b=2"}, "X-End": {"1"}, "Date": {"then"}}
		if d := cmp.Diff(want, resp.Header); d != "" {
			t.Errorf("response (-want +got):\n%s", d)
		}
		want = http.Header{"Cookie": {"c=d"}, "X-End": {"1"}, "X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Host": {"h.test"}, "X-Forwarded-Proto": {"http"}}
		if d := cmp.Diff(want, <-seen); d != "" {
			t.Errorf("request (-want +got):\n%s", d)
		}
	})
}

// TestNoBody wants responses without one to leave the connection in order.
func TestNoBody(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/204":
				w.WriteHeader(204)
			case "/304":
				w.Header().Set("Etag", `"x"`)
				w.WriteHeader(304)
			case "/sized":
				w.Header().Set("Content-Length", "7")
			case "/flushed":
				w.(http.Flusher).Flush()
			}
			if r.URL.Path == "/after" {
				io.WriteString(w, "after")
			}
		}))
		c := dial(t, r.addr)
		for _, x := range []struct {
			method, path string
			status       int
			length       string
		}{
			{"GET", "/204", 204, ""}, {"GET", "/304", 304, ""}, {"HEAD", "/304", 304, ""},
			{"HEAD", "/sized", 200, "7"}, {"HEAD", "/flushed", 200, ""}, {"HEAD", "/204", 204, ""},
		} {
			resp := c.send("%s %s HTTP/1.1\nHost: h\n\n", x.method, x.path).response(x.method)
			if got := resp.Header.Get("Content-Length"); resp.StatusCode != x.status || got != x.length {
				t.Errorf("%s %s: %d, length %q; want %d, %q", x.method, x.path, resp.StatusCode, got, x.status, x.length)
			}
		}
		c.get("/after").want(200, "after")
	})
}

func TestGzipIsLeftAlone(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, "compressed")
		z.Close()
		accepted := make(chan []string, 1)
		r := p.start(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			accepted <- r.Header["Accept-Encoding"]
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(b.Bytes())
		}))
		if resp, body := get(t, r.url("/")); body != b.String() || resp.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%d bytes, %v; want %d as they were", len(body), resp.Header, b.Len())
		}
		if a := <-accepted; len(a) > 0 {
			t.Errorf("Accept-Encoding %q was added", a)
		}
	})
}

// TestStreamsDown lets the origin send a part only when the one before has come.
func TestStreamsDown(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		got := make(chan struct{})
		r := p.start(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			for range 3 {
				io.WriteString(w, "part")
				w.(http.Flusher).Flush()
				<-got
			}
		}))
		resp := dial(t, r.addr).get("/").response("GET")
		for range 3 {
			part := make([]byte, 4)
			if _, err := io.ReadFull(resp.Body, part); err != nil || string(part) != "part" {
				t.Fatalf("%q, %v", part, err)
			}
			got <- struct{}{}
		}
		if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
			t.Errorf("rest: %q, %v", rest, err)
		}
	})
}

// TestStreamsBothWays echoes in lockstep: no side has ended when the other begins.
func TestStreamsBothWays(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).EnableFullDuplex()
			w.(http.Flusher).Flush()
			for b := make([]byte, 4); ; {
				if _, err := io.ReadFull(r.Body, b); err != nil {
					return
				}
				w.Write(b)
				w.(http.Flusher).Flush()
			}
		}))
		c := dial(t, r.addr).send("POST / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n")
		resp := c.response("POST")
		for range 3 {
			c.send("4\nping\n")
			b := make([]byte, 4)
			if _, err := io.ReadFull(resp.Body, b); err != nil || string(b) != "ping" {
				t.Fatalf("%q, %v", b, err)
			}
		}
		c.send("0\n\n")
		if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
			t.Errorf("rest: %q, %v", rest, err)
		}
	})
}

func TestBigBodies(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			w.Write(b)
		}))
		body := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
		resp, err := http.Post(r.url("/"), "x/y", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, err := io.ReadAll(resp.Body); !bytes.Equal(got, body) || err != nil {
			t.Errorf("%d bytes, %v; want the %d that were sent", len(got), err, len(body))
		}
	})
}

// TestReusesOriginConnections also wants one that an early answer left in the
// middle of a request's body not to be used again.
func TestReusesOriginConnections(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		conns := make(chan string, 10)
		r := p.start(t, listen(t, func(c net.Conn) {
			for br := bufio.NewReader(c); ; {
				if _, err := http.ReadRequest(br); err != nil { // bodies are not read
					return
				}
				conns <- c.RemoteAddr().String()
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		}))
		c := dial(t, r.addr)
		c.get("/").want(200, "")
		first := <-conns
		c.get("/").want(200, "")
		if second := <-conns; second != first {
			t.Errorf("a second connection, %s after %s", second, first)
		}
		early := dial(t, r.addr).send("POST /early HTTP/1.1\nHost: h\nContent-Length: 1000\n\nabc")
		early.want(200, "")
		used := <-conns
		dial(t, r.addr).get("/").want(200, "")
		if next := <-conns; next == used {
			t.Error("a connection with half a request on it was used again")
		}
	})
}

func TestOwnEndpoints(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, mirror))
		if resp, body := get(t, r.url("/healthz")); resp.StatusCode != 200 || strings.TrimSpace(body) != "ok" {
			t.Errorf("/healthz: %d %q", resp.StatusCode, body)
		}
		get(t, r.url("/x"))
		// A request is counted once it is over, which its client may see a little earlier.
		for _, want := range []string{`proxy_requests_total{code="200"} 1`, "proxy_requests_in_flight 0", "proxy_open_connections ", "proxy_open_upgrades 0"} {
			eventually(t, want, func() bool {
				_, body := get(t, r.url("/metrics"))
				return strings.Contains(body, "\n"+want)
			})
		}
	})
}

func TestWrongSettings(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		for _, flags := range [][]string{
			{"--listen=127.0.0.1:0"},
			{"--origin=http://127.0.0.1:1"},
			{"--listen=127.0.0.1:0", "--origin=ftp://x"},
			{"--listen=127.0.0.1:0", "--origin=http://127.0.0.1:1", "--stream-idle-timeout=5"},
			{"--listen=127.0.0.1:0", "--origin=http://127.0.0.1:1", "--keepalive-timeout=0s"},
			{"--listen=127.0.0.1:0", "--origin=http://127.0.0.1:1", "--nonsense=1"},
			{"--listen-tls=127.0.0.1:0", "--origin=http://127.0.0.1:1"},
		} {
			p.launch(t, flags...).exit(2)
		}
	})
}

// TestDurations compares pyproxy's parser with Go's.
func TestDurations(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		dir := filepath.Dir(p.argv[len(p.argv)-1])
		for _, text := range []string{"0", "0s", "1.5s", "500ms", "1m30s", ".5s", "2.h", "10us", "5", "s", "", "1.5.5s", "1s ", "1d"} {
			want := "bad"
			if d, err := time.ParseDuration(text); err == nil {
				want = fmt.Sprintf("%.9f", d.Seconds())
			}
			cmd := exec.Command(interpreter(), "-B", "-c", "import sys, pyproxy, argparse\ntry: print('%.9f' % pyproxy.duration(sys.argv[1]))\nexcept argparse.ArgumentTypeError: print('bad')", text)
			cmd.Dir = dir
			got, err := cmd.CombinedOutput()
			if err != nil || strings.TrimSpace(string(got)) != want {
				t.Errorf("duration(%q) = %s, %v; want %s", text, got, err, want)
			}
		}
	}, python)
}
