package http

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2conn is a connection that has shaken hands. One goroutine reads it and counts
// what the subject does; the attack writes.
type h2conn struct {
	x      *attack
	ctx    context.Context // ends with the attack or the connection
	cancel context.CancelFunc
	c      net.Conn
	read   chan struct{} // closed when the reader has ended

	mu     sync.Mutex // of all below
	fr     *http2.Framer
	out    *bufio.Writer
	within bool             // a header block is open: no other frame may come between (RFC 9113 §6.10)
	owed   map[uint64]int64 // things sent before a PING that is not acknowledged yet, by its number
	pings  uint64
	next   uint32 // id of the next stream
	grants bool   // DATA that came is granted anew
}

// handshake bounds the dial, TLS and the first SETTINGS.
const handshake = 2 * time.Second

// dialHTTP2 opens one and waits for the subject's SETTINGS.
func (x *attack) dialHTTP2(ctx context.Context, settings ...http2.Setting) (*h2conn, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: handshake}, Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}} // an attacker trusts anyone
	within, done := context.WithTimeout(ctx, handshake)
	defer done()
	c, err := d.DialContext(within, "tcp", x.TLS)
	if err != nil {
		return nil, err
	}
	if c.(*tls.Conn).ConnectionState().NegotiatedProtocol != "h2" {
		c.Close()
		return nil, errors.New("the subject negotiates no h2")
	}
	h := &h2conn{x: x, c: c, read: make(chan struct{}), out: bufio.NewWriter(c), owed: map[uint64]int64{}, next: 1, grants: x.kind.Name != windowStall.Name}
	h.ctx, h.cancel = context.WithCancel(ctx)
	h.fr = http2.NewFramer(h.out, bufio.NewReader(c))
	h.fr.AllowIllegalWrites = true
	if x.kind.Name == windowStall.Name {
		settings = append(settings, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	}
	err = h.write(func(fr *http2.Framer) error {
		h.out.WriteString(http2.ClientPreface)
		return fr.WriteSettings(settings...)
	})
	go h.listen()
	if err == nil && !h.ready(within) {
		err = errors.New("the subject sent no SETTINGS")
	}
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// ready waits until a first PING is acknowledged: the subject reads our frames.
func (h *h2conn) ready(ctx context.Context) bool {
	if h.ping(0) != nil {
		return false
	}
	for ctx.Err() == nil && h.ctx.Err() == nil {
		h.mu.Lock()
		n := len(h.owed)
		h.mu.Unlock()
		if n == 0 {
			return true
		}
		pause(h.ctx, 2*time.Millisecond)
	}
	return false
}

// close ends it; what the subject still says is lost.
func (h *h2conn) close() {
	h.cancel()
	h.c.Close()
	<-h.read
}

// write lets f write frames and sends them. A subject that reads nothing for a
// second ends the connection.
func (h *h2conn) write(f func(*http2.Framer) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.c.SetWriteDeadline(time.Now().Add(time.Second))
	if err := f(h.fr); err != nil {
		return err
	}
	return h.out.Flush()
}

// ping asks for an acknowledgement: then n things that were sent before it were
// taken, for frames are read in their order (RFC 9113 §6.7).
func (h *h2conn) ping(n int64) error {
	return h.write(func(fr *http2.Framer) error { return h.mark(fr, n) })
}

func (h *h2conn) mark(fr *http2.Framer, n int64) error {
	h.pings++
	h.owed[h.pings] = n
	var data [8]byte
	binary.BigEndian.PutUint64(data[:], h.pings)
	return fr.WritePing(false, data)
}

// stream is the id of the next stream. Within write.
func (h *h2conn) stream() uint32 {
	id := h.next
	h.next += 2
	return id
}

// fields is a request's header block, of literals that enter no table.
func (h *h2conn) fields(method, path string) []byte {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for _, f := range [][2]string{{":method", method}, {":scheme", "https"}, {":authority", "subject"}, {":path", path}} {
		enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1], Sensitive: true})
	}
	return b.Bytes()
}

// listen counts what comes until the connection ends.
func (h *h2conn) listen() {
	defer close(h.read)
	defer h.cancel()
	for {
		f, err := h.fr.ReadFrame()
		if err != nil {
			if h.ctx.Err() == nil {
				h.x.saw("connections ended by the subject", 1)
				h.x.saw(h.x.kind.Touches, 1)
			}
			return
		}
		h.came(f)
	}
}

func (h *h2conn) came(f http2.Frame) {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			h.x.saw("SETTINGS acknowledged", 1)
			return
		}
		h.answer(func(fr *http2.Framer) error { return fr.WriteSettingsAck() })
	case *http2.PingFrame:
		if !f.IsAck() {
			h.answer(func(fr *http2.Framer) error { return fr.WritePing(true, f.Data) })
			return
		}
		h.acknowledged(binary.BigEndian.Uint64(f.Data[:]))
	case *http2.RSTStreamFrame:
		h.x.saw("RST_STREAM "+f.ErrCode.String(), 1)
		h.x.saw("streams reset by the subject", 1)
	case *http2.GoAwayFrame:
		h.x.saw("GOAWAY "+f.ErrCode.String(), 1)
	case *http2.HeadersFrame:
		h.x.saw("answers", 1)
	case *http2.DataFrame:
		if n := uint32(len(f.Data())); n > 0 && h.grants {
			h.answer(func(fr *http2.Framer) error { return fr.WriteWindowUpdate(0, n) })
		}
	}
}

// answer writes unless a header block is open.
func (h *h2conn) answer(f func(*http2.Framer) error) {
	h.write(func(fr *http2.Framer) error {
		if h.within {
			return nil
		}
		return f(fr)
	})
}

func (h *h2conn) acknowledged(number uint64) {
	h.mu.Lock()
	n := h.owed[number]
	delete(h.owed, number)
	h.mu.Unlock()
	if n > 0 {
		h.x.saw(h.x.kind.Touches, n)
	}
}
