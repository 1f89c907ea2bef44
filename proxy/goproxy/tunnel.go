package main

import (
	"bufio"
	"net"
	"sync"
	"time"
)

// answerTime is how long a WebSocket client that was told 1001 has to answer.
const answerTime = time.Second

// tunnels are the open ones.
type tunnels struct {
	mu   sync.Mutex
	open map[*tunnel]struct{}
	told int // of the open ones
	all  bool
}

// tunnel is the client's end of an upgraded connection. It ends when no byte has
// moved for the idle timeout, in either direction.
type tunnel struct {
	net.Conn
	early *bufio.Reader // what the client sent along with its request
	p     *proxy
	idle  *time.Timer
	once  sync.Once

	mu        sync.Mutex // one writer at a time
	websocket bool
	frames    frames // of what the origin sent
	leave     bool   // tell the client at the next frame boundary
	told      bool   // done; what the origin says from now on is dropped
}

func (p *proxy) tunnel(nc net.Conn, early *bufio.Reader, websocket bool) *tunnel {
	t := &tunnel{Conn: nc, early: early, p: p, websocket: websocket}
	t.idle = time.AfterFunc(p.c.streamIdle, t.cut)
	p.metrics.upgrades.Inc()
	if p.tunnels.add(t) {
		go t.tell() // it was accepted just before the drain
	}
	return t
}

func (ts *tunnels) add(t *tunnel) (telling bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.open == nil {
		ts.open = map[*tunnel]struct{}{}
	}
	ts.open[t] = struct{}{}
	return ts.all
}

// tell sends every WebSocket client, and those to come, a close frame.
func (ts *tunnels) tell() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.all = true
	for t := range ts.open {
		go t.tell() // a client that stopped reading must not hold up the others
	}
}

// toldOpen is how many open tunnels were told.
func (ts *tunnels) toldOpen() int {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.told
}

func (t *tunnel) Read(p []byte) (int, error) {
	if n := t.early.Buffered(); n > 0 {
		return t.early.Read(p[:min(n, len(p))])
	}
	n, err := t.Conn.Read(p)
	t.moved(n)
	return n, err
}

func (t *tunnel) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told {
		return len(p), nil
	}
	part := p
	if t.websocket {
		part = p[:t.frames.scan(p, t.leave)]
	}
	n, err := t.Conn.Write(part)
	t.moved(n)
	if err != nil {
		return n, err
	}
	if t.leave && t.frames.boundary() {
		t.goodbye()
	}
	return len(p), nil
}

// tell has the client told as soon as no frame of the origin's is half sent
// (control frames may come between the fragments of a message, RFC 6455 §5.4).
func (t *tunnel) tell() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leave = t.websocket
	if t.leave && !t.told && t.frames.boundary() {
		t.goodbye()
	}
}

// goodbye sends an unmasked close frame with 1001, going away. The client's answer
// goes to the origin, which then ends the tunnel; the timer is for when it does not.
func (t *tunnel) goodbye() {
	if _, err := t.Conn.Write([]byte{0x88, 2, 0x03, 0xe9}); err != nil {
		return
	}
	t.told = true
	t.p.tunnels.count(t)
	time.AfterFunc(answerTime, t.cut)
}

func (ts *tunnels) count(t *tunnel) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if _, ok := ts.open[t]; ok {
		ts.told++
	}
}

func (t *tunnel) moved(n int) {
	if n > 0 {
		t.idle.Reset(t.p.c.streamIdle)
	}
}

// cut makes both copies of the ReverseProxy fail.
func (t *tunnel) cut() { raw(t.Conn).Close() }

// CloseWrite passes the origin's end on. After it a WebSocket client has nothing
// to say that anyone would hear.
func (t *tunnel) CloseWrite() error {
	if t.websocket {
		time.AfterFunc(answerTime, t.cut)
	}
	if cw, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return nil
}

// Close closes first: that ends a Write which holds the lock that closed wants.
func (t *tunnel) Close() error {
	err := raw(t.Conn).Close()
	t.once.Do(t.closed)
	return err
}

func (t *tunnel) closed() {
	t.idle.Stop()
	t.p.metrics.upgrades.Dec()
	t.mu.Lock()
	told := t.told
	t.mu.Unlock()
	ts := &t.p.tunnels
	ts.mu.Lock()
	delete(ts.open, t)
	if told {
		ts.told--
	}
	ts.mu.Unlock()
	t.p.conns.remove(t.Conn)
}

// frames follows the frames of one direction of a WebSocket (RFC 6455 §5.2). The
// zero value is at a boundary.
type frames struct {
	head [10]byte // a server's frames have no mask
	have int      // bytes of head
	body uint64   // bytes of the payload to come
}

func (f *frames) boundary() bool { return f.have == 0 && f.body == 0 }

// scan takes p into account, or with stop only up to the first boundary, and
// returns how many bytes it took.
func (f *frames) scan(p []byte, stop bool) int {
	n := 0
	for n < len(p) && !(stop && f.boundary()) {
		if f.body > 0 {
			k := min(f.body, uint64(len(p)-n))
			f.body -= k
			n += int(k)
			continue
		}
		f.head[f.have] = p[n]
		f.have++
		n++
		f.begin()
	}
	return n
}

// begin starts the payload once the head is whole.
func (f *frames) begin() {
	if f.have < 2 {
		return
	}
	extra := 0
	switch length := f.head[1] & 0x7f; length {
	case 126:
		extra = 2
	case 127:
		extra = 8
	default:
		f.body = uint64(length)
	}
	if f.have < 2+extra {
		f.body = 0
		return
	}
	for _, b := range f.head[2 : 2+extra] {
		f.body = f.body<<8 | uint64(b)
	}
	f.have = 0
}
