package reference_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// sockets runs an origin that hands over upgraded connections.
func sockets(t *testing.T, f func(c net.Conn)) string {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		u := ws.HTTPUpgrader{Protocol: func(p string) bool { return p == "chat" }}
		c, _, _, err := u.Upgrade(r, w)
		if err != nil {
			return
		}
		defer c.Close()
		f(c)
	})
}

func echo(c net.Conn) {
	for {
		msg, op, err := wsutil.ReadClientData(c) // answers pings and close frames
		if err != nil || wsutil.WriteServerMessage(c, op, msg) != nil {
			return
		}
	}
}

// upgrade makes a WebSocket of a connection.
func (c *client) upgrade() *client {
	c.t.Helper()
	u, _ := url.Parse("ws://h.test/chat")
	br, shake, err := ws.Dialer{Protocols: []string{"chat"}}.Upgrade(c.Conn, u)
	if err != nil || shake.Protocol != "chat" {
		c.t.Fatalf("upgrade: %+v, %v", shake, err)
	}
	if br != nil {
		c.br = br
	}
	return c
}

func (c *client) message(text string) {
	c.t.Helper()
	if err := wsutil.WriteClientText(c.Conn, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// readFrame reads one that is not larger than any of ours.
func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err != nil {
		return f, err
	}
	if f.Header.Length > 1<<20 {
		return f, fmt.Errorf("a frame of %d bytes", f.Header.Length)
	}
	f.Payload = make([]byte, f.Header.Length)
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}

// frame wants one from the server.
func (c *client) frame(op ws.OpCode, payload []byte) {
	c.t.Helper()
	f, err := readFrame(c.br)
	if err != nil || f.Header.OpCode != op || !bytes.Equal(f.Payload, payload) {
		c.t.Errorf("frame %v %.40q (%d bytes), %v; want %v %.40q", f.Header.OpCode, f.Payload, len(f.Payload), err, op, payload)
	}
}

func closing(code ws.StatusCode) []byte { return ws.NewCloseFrameBody(code, "") }

func TestWebSocket(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, sockets(t, echo))
		c := dial(t, r.addr).upgrade()
		big := bytes.Repeat([]byte("0123456789"), 20000)
		for i, text := range [][]byte{[]byte("a"), bytes.Repeat([]byte("b"), 126), {}, big} {
			c.message(string(text))
			c.frame(ws.OpText, text)
			if i == 0 {
				if _, body := get(t, r.url("/metrics")); !bytes.Contains([]byte(body), []byte("proxy_open_upgrades 1")) {
					t.Errorf("not counted:\n%s", body)
				}
			}
		}
		c.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(4001, "bye")))))
		c.frame(ws.OpClose, closing(4001)) // wsutil's echo of it
		c.closed("tunnel after its end")
	})
}

func TestWebSocketClosedByOrigin(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		got := make(chan ws.Frame, 1)
		r := p.start(t, sockets(t, func(c net.Conn) {
			ws.WriteFrame(c, ws.NewCloseFrame(ws.NewCloseFrameBody(4002, "no")))
			f, _ := readFrame(c)
			got <- ws.UnmaskFrame(f)
		}))
		c := dial(t, r.addr).upgrade()
		c.frame(ws.OpClose, ws.NewCloseFrameBody(4002, "no"))
		c.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(4003, "ok")))))
		if f := await(t, "the client's answer", got); !bytes.Equal(f.Payload, ws.NewCloseFrameBody(4003, "ok")) {
			t.Errorf("origin got %q", f.Payload)
		}
		c.closed("tunnel after its end")
	})
}

// TestEarlyFrame sends a message along with the request that upgrades.
func TestEarlyFrame(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, sockets(t, echo))
		c := dial(t, r.addr)
		frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("early"))))
		c.send("GET / HTTP/1.1\nHost: h\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n%s", frame)
		if resp := c.response("GET"); resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
			t.Fatalf("%d %v", resp.StatusCode, resp.Header)
		}
		c.frame(ws.OpText, []byte("early"))
	})
}

func TestWebSocketRefused(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "not you", http.StatusForbidden) }))
		dial(t, r.addr).send("GET / HTTP/1.1\nHost: h\nConnection: Upgrade\nUpgrade: websocket\n\n").want(403, "not you\n")
	})
}

func TestIdleWebSocketEnds(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		ended := make(chan error, 1)
		r := p.start(t, sockets(t, func(c net.Conn) {
			_, err := io.Copy(io.Discard, c)
			ended <- err
		}), "--stream-idle-timeout=300ms")
		c := dial(t, r.addr).upgrade()
		c.message("hello")
		c.closed("idle tunnel")
		await(t, "the origin's end", ended)
	})
}

// TestDrainTellsWebSockets has one idle, one in the middle of a message, and one in
// the middle of a frame, whose rest must come first.
func TestDrainTellsWebSockets(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		rest, answer := make(chan bool), make(chan []byte, 3)
		r := p.start(t, sockets(t, func(c net.Conn) {
			msg, _, _ := wsutil.ReadClientData(c)
			frame := ws.MustCompileFrame(ws.NewTextFrame(bytes.Repeat([]byte("x"), 300)))
			switch string(msg) {
			case "frame":
				c.Write(frame[:100])
				<-rest
				c.Write(frame[100:])
				c.Write(frame) // too late
			case "message":
				ws.WriteFrame(c, ws.NewFrame(ws.OpText, false, []byte("first half")))
			default:
				wsutil.WriteServerText(c, msg)
			}
			f, _ := readFrame(c)
			answer <- ws.UnmaskFrame(f).Payload
		}))
		idle, message, frame := dial(t, r.addr).upgrade(), dial(t, r.addr).upgrade(), dial(t, r.addr).upgrade()
		idle.message("idle")
		idle.frame(ws.OpText, []byte("idle"))
		message.message("message")
		message.frame(ws.OpText, []byte("first half"))
		frame.message("frame")
		if b, err := frame.br.Peek(100); err != nil {
			t.Fatal(b, err)
		}
		r.signal(syscall.SIGTERM)
		idle.frame(ws.OpClose, closing(1001))
		message.frame(ws.OpClose, closing(1001))
		close(rest)
		frame.frame(ws.OpText, bytes.Repeat([]byte("x"), 300))
		frame.frame(ws.OpClose, closing(1001))
		for _, c := range []*client{idle, message, frame} {
			c.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(closing(1001)))))
			if got := await(t, "an answer", answer); !bytes.Equal(got, closing(1001)) {
				t.Errorf("origin got %q", got)
			}
			c.closed("tunnel after its end")
		}
		r.exit(0)
	})
}

// TestDrainLeavesMuteWebSockets has a client that was told and does not answer.
func TestDrainLeavesMuteWebSockets(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, sockets(t, echo), "--graceful-shutdown-timeout=1m")
		c := dial(t, r.addr).upgrade()
		r.signal(syscall.SIGTERM)
		c.frame(ws.OpClose, closing(1001))
		c.closed("told tunnel")
		r.exit(0)
	})
}
