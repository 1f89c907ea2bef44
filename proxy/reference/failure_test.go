package reference_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// deaf is the URL of a listener whose queue is full: to connect to it takes for
// ever.
func deaf(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}
	for {
		c, err := net.DialTimeout("tcp", addr.String(), 200*time.Millisecond)
		if err != nil {
			return "http://" + addr.String()
		}
		t.Cleanup(func() { c.Close() })
	}
}

// refusing is an origin that nobody serves: a port that only the super-user of
// this machine could take, on a loopback address of its own.
func refusing(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("http://127.%d.%d.%d:9", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250))
}

func TestOriginFailures(t *testing.T) {
	origins := map[string]func(*testing.T) string{
		"refused":         refusing,
		"connect_timeout": deaf,
		"response_timeout": func(t *testing.T) string {
			return script(t, func(c net.Conn, r *http.Request) { io.Copy(io.Discard, c) })
		},
		"reset":  func(t *testing.T) string { return script(t, func(c net.Conn, r *http.Request) { reset(c) }) },
		"closed": func(t *testing.T) string { return script(t, func(c net.Conn, r *http.Request) {}) },
		"bad_response": func(t *testing.T) string {
			return script(t, func(c net.Conn, r *http.Request) { io.WriteString(c, "SMTP ready\r\n\r\n") })
		},
	}
	status := map[string]int{"connect_timeout": 504, "response_timeout": 504}
	each(t, func(t *testing.T, p program) {
		for kind, origin := range origins {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				r := p.start(t, origin(t), "--origin-connect-timeout=200ms", "--origin-response-header-timeout=300ms")
				want := status[kind]
				if want == 0 {
					want = 502
				}
				c := dial(t, r.addr)
				for _, request := range []string{
					"GET / HTTP/1.1\nHost: h\n\n",
					"POST / HTTP/1.1\nHost: h\nContent-Length: 2\n\nhi", // and the connection lives
				} {
					resp := c.send("%s", strings.ReplaceAll(request, "\n", "\r\n")).response("GET")
					if _, err := io.ReadAll(resp.Body); resp.StatusCode != want || err != nil {
						t.Fatalf("%d, %v; want %d", resp.StatusCode, err, want)
					}
					if resp.Close { // allowed while the origin may not have the body yet
						c = dial(t, r.addr)
					}
				}
				if _, body := get(t, r.url("/metrics")); !strings.Contains(body, `proxy_origin_errors_total{kind="`+kind+`"} `) {
					t.Errorf("not counted as %s:\n%s", kind, body)
				}
			})
		}
	})
}

// TestTruncationIsSeen cuts the origin in the middle of bodies framed in each way.
func TestTruncationIsSeen(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		for _, c := range []struct {
			name, response, version string
			end                     func(net.Conn)
		}{
			{"length, FIN", "Content-Length: 10\r\n\r\nhello", "1.1", nil},
			{"length, RST", "Content-Length: 10\r\n\r\nhello", "1.1", reset},
			{"chunked, FIN", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "1.1", nil},
			{"chunked, RST", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "1.1", reset},
			{"in a chunk", "Transfer-Encoding: chunked\r\n\r\n9\r\nhello", "1.1", nil},
			{"bad chunk", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "1.1", func(c net.Conn) { io.WriteString(c, "zz\r\n") }},
			{"until the end, RST", "\r\nhello", "1.1", reset},
			{"chunked to HTTP/1.0", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "1.0", nil},
			{"silence", "Content-Length: 10\r\n\r\nhello", "1.1", func(c net.Conn) { io.Copy(io.Discard, c) }},
			{"silence to HTTP/1.0", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "1.0", func(c net.Conn) { io.Copy(io.Discard, c) }},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				seen := make(chan bool)
				r := p.start(t, script(t, func(conn net.Conn, _ *http.Request) {
					io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+c.response)
					<-seen
					if c.end != nil {
						c.end(conn)
					}
				}), "--stream-idle-timeout=300ms")
				conn := dial(t, r.addr).send("GET / HTTP/%s\nHost: h\n\n", c.version)
				resp := conn.response("GET")
				got := make([]byte, 5)
				if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != "hello" {
					t.Fatalf("%q, %v", got, err)
				}
				seen <- true
				if rest, err := io.ReadAll(resp.Body); err == nil || len(rest) > 0 {
					t.Errorf("body went on with %q and ended with %v: half passes for the whole", rest, err)
				} else if errors.Is(err, syscall.ETIMEDOUT) || strings.Contains(err.Error(), "timeout") {
					t.Errorf("it hangs: %v", err)
				}
			})
		}
	})
}

// TestUntilTheEnd is the other side of it: FIN is how such a body ends.
func TestUntilTheEnd(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, script(t, func(c net.Conn, _ *http.Request) { io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhello") }))
		c := dial(t, r.addr)
		c.get("/").want(200, "hello")
		c.get("/").want(200, "hello")
		dial(t, r.addr).send("GET / HTTP/1.0\n\n").want(200, "hello")
	})
}

// TestClientStops covers clients that no longer read or write.
func TestClientStops(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		t.Run("reading", func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 1)
			r := p.start(t, script(t, func(c net.Conn, _ *http.Request) {
				io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
				_, err := io.Copy(c, endless{})
				ended <- err
			}), "--stream-idle-timeout=300ms")
			c := dial(t, r.addr)
			c.Conn.(*net.TCPConn).SetReadBuffer(4096)
			c.get("/")
			if err := await(t, "the origin's end", ended); err == nil {
				t.Error("endless body ended")
			}
			eventually(t, "connection closed", func() bool {
				_, body := get(t, r.url("/metrics"))
				return strings.Contains(body, "proxy_requests_in_flight 0") && strings.Contains(body, "proxy_open_connections 1")
			})
		})
		t.Run("writing", func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 1)
			r := p.start(t, script(t, func(c net.Conn, _ *http.Request) {
				_, err := io.Copy(io.Discard, c)
				ended <- err
			}), "--stream-idle-timeout=300ms")
			c := dial(t, r.addr).send("POST / HTTP/1.1\nHost: h\nContent-Length: 10\n\nhello")
			if resp := c.response("POST"); resp.StatusCode != 408 {
				t.Errorf("got %d, want 408", resp.StatusCode)
			}
			await(t, "the origin's end", ended)
		})
		t.Run("making sense", func(t *testing.T) {
			t.Parallel()
			r := p.start(t, script(t, func(c net.Conn, _ *http.Request) { io.Copy(io.Discard, c) }))
			c := dial(t, r.addr).send("POST / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n")
			time.Sleep(50 * time.Millisecond) // the head by itself, or aiohttp refuses both at once
			c.send("3\nabc\nnonsense\n")
			if resp := c.response("POST"); resp.StatusCode != 400 {
				t.Errorf("got %d, want 400", resp.StatusCode)
			}
		})
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestSlowIsNotIdle moves a few bytes at a time for several idle timeouts.
func TestSlowIsNotIdle(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			for range 8 {
				time.Sleep(100 * time.Millisecond)
				w.Write(b[:1])
				w.(http.Flusher).Flush()
			}
		}), "--stream-idle-timeout=400ms")
		c := dial(t, r.addr).send("POST / HTTP/1.1\nHost: h\nContent-Length: 8\n\n")
		for range 8 {
			time.Sleep(100 * time.Millisecond)
			c.send("x")
		}
		c.want(200, "xxxxxxxx")
	})
}

// TestSlowReaderIsNotIdle reads a big body in sips: less than a buffer's worth per
// idle timeout.
func TestSlowReaderIsNotIdle(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		const size = 160 << 10
		r := p.start(t, serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, size)) }), "--stream-idle-timeout=300ms")
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		c.(*net.TCPConn).SetReadBuffer(4096)
		resp := over(t, c).get("/").response("GET")
		total := 0
		for b := make([]byte, 4<<10); ; {
			n, err := resp.Body.Read(b)
			total += n
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("after %d bytes: %v", total, err)
			}
		}
		if total != size {
			t.Errorf("%d bytes of %d", total, size)
		}
	})
}

func TestOriginStopsReading(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		done := make(chan bool)
		defer close(done)
		r := p.start(t, script(t, func(c net.Conn, _ *http.Request) { <-done }), "--stream-idle-timeout=400ms")
		c := dial(t, r.addr).send("POST / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n")
		go func() {
			for chunk := "8000\r\n" + strings.Repeat("x", 0x8000) + "\r\n"; ; {
				if _, err := io.WriteString(c, chunk); err != nil {
					return
				}
			}
		}()
		if resp := c.response("POST"); resp.StatusCode != 504 {
			t.Errorf("got %d, want 504", resp.StatusCode)
		}
	})
}

func TestClientLeaves(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		for name, head := range map[string]string{"before the response": "", "in the body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				asked, ended := make(chan bool, 1), make(chan error, 1)
				r := p.start(t, script(t, func(c net.Conn, _ *http.Request) {
					io.WriteString(c, head)
					asked <- true
					_, err := c.Read(make([]byte, 1))
					ended <- err
				}))
				c := dial(t, r.addr).get("/")
				await(t, "the request", asked)
				if head != "" {
					c.response("GET")
				}
				c.Close()
				if err := await(t, "the origin's end", ended); err == nil {
					t.Error("the origin got more bytes")
				}
				eventually(t, "nothing in flight", func() bool {
					_, body := get(t, r.url("/metrics"))
					return strings.Contains(body, "proxy_requests_in_flight 0") && !strings.Contains(body, "kind=")
				})
			})
		}
	})
}

// TestWaitingForAHead covers clients that take too long over one.
func TestWaitingForAHead(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, mirror), "--read-header-timeout=300ms", "--keepalive-timeout=400ms")
		silent, half, idle, second := dial(t, r.addr), dial(t, r.addr), dial(t, r.addr), dial(t, r.addr)
		half.send("GET / HTTP/1.1\nHost:")
		idle.get("/").want(200, "GET / test \"\" <nil>\n")
		second.get("/").want(200, "GET / test \"\" <nil>\n")
		second.send("GET / HTTP/1.1\nHost:")
		silent.closed("silent connection")
		half.closed("half a head")
		second.closed("half a second head")
		idle.closed("idle connection")
	})
}

// TestNoRetry has an origin that drops every connection at its second request.
func TestNoRetry(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		seen := make(chan string, 10)
		r := p.start(t, listen(t, func(c net.Conn) {
			b := make([]byte, 4096)
			for n := range 2 {
				if k, err := c.Read(b); err != nil || k == 0 {
					return
				}
				seen <- string(b[:4])
				if n == 0 {
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
			}
		}))
		c := dial(t, r.addr)
		c.get("/").want(200, "")
		c.send("POST / HTTP/1.1\nHost: h\nContent-Length: 2\n\nhi")
		if resp := c.response("POST"); resp.StatusCode != 502 {
			t.Errorf("got %d, want 502", resp.StatusCode)
		}
		close(seen)
		posts := 0
		for s := range seen {
			if s == "POST" {
				posts++
			}
		}
		if posts != 1 {
			t.Errorf("the origin got %d POSTs of 1", posts)
		}
	})
}
