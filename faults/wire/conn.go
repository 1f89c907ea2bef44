package wire

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"faultbed/reports/history"
	"golang.org/x/sys/unix"
)

// lingering is how long a cut connection waits for its peers to close before
// its sockets do: closing with unread bytes would be an RST.
const lingering = time.Second

// conn is one connection through the relay.
type conn struct {
	r              *Relay
	id             string
	opened         int64
	client, server *net.TCPConn
	up, down       *pump
	done           chan struct{} // closed when its sockets are
	once           sync.Once
	cut            atomic.Bool  // both directions have had their FIN: what comes is dropped
	ended          atomic.Int32 // directions that have
}

// pump carries one direction.
type pump struct {
	c         *conn
	direction string
	src, dst  *net.TCPConn
	passed    atomic.Int64

	mu    sync.Mutex
	grips []*grip
}

// hold is a fault's hold on one connection.
type hold struct {
	*active
	once    sync.Once
	claimed bool
}

// grip is its part in one direction.
type grip struct {
	*hold
	at    int64 // of passed, where it acts
	spent bool
}

func newConn(r *Relay, client, server *net.TCPConn, opened int64) *conn {
	c := &conn{r: r, opened: opened, client: client, server: server, done: make(chan struct{})}
	c.up = &pump{c: c, direction: "up", src: client, dst: server}
	c.down = &pump{c: c, direction: "down", src: server, dst: client}
	return c
}

// grip lets a fault take hold of the directions that it acts on.
func (c *conn) grip(a *active) {
	h := &hold{active: a}
	for _, p := range []*pump{c.up, c.down} {
		if a.on(p.direction) {
			p.mu.Lock()
			p.grips = append(p.grips, &grip{hold: h, at: p.passed.Load() + a.AtByte})
			p.mu.Unlock()
		}
	}
}

// run carries both directions until both have ended.
func (c *conn) run() {
	var wg sync.WaitGroup
	for _, p := range []*pump{c.up, c.down} {
		wg.Go(func() {
			p.run()
			if c.ended.Add(1) == 2 {
				c.shut()
			}
			p.watch()
		})
	}
	wg.Wait()
}

// shut closes both sockets as they are.
func (c *conn) shut() {
	c.once.Do(func() {
		close(c.done)
		c.client.Close()
		c.server.Close()
	})
}

// abort resets both ends.
func (c *conn) abort() {
	c.client.SetLinger(0)
	c.server.SetLinger(0)
	c.shut()
}

// reset is the fault rst on this connection.
func (c *conn) reset(a *active) {
	if a.claim() {
		c.bite(a, a.Kind)
		c.abort()
	}
}

func (c *conn) bite(a *active, detail string) {
	now := history.Now()
	c.r.emit(history.Event{T: now, Kind: history.Bite, ID: a.ID, Conn: c.id, Peer: c.client.RemoteAddr().String(),
		AgeNs: now - c.opened, Count: 1, Detail: detail})
}

func (p *pump) run() {
	buf := make([]byte, 64<<10)
	for {
		n, err := p.src.Read(buf)
		if n > 0 && !p.pass(buf[:n]) {
			return
		}
		if err != nil {
			p.end(err)
			return
		}
	}
}

// end hands on how the source ended: FIN as FIN, RST as RST.
func (p *pump) end(err error) {
	switch {
	case p.c.cut.Load() || errors.Is(err, net.ErrClosed) || !p.open():
	case errors.Is(err, io.EOF):
		p.dst.CloseWrite()
	default:
		p.c.abort()
	}
}

// watch waits until the source is closed. That its peer resets it after its FIN
// shows nowhere else.
func (p *pump) watch() {
	raw, err := p.src.SyscallConn()
	if err != nil {
		return
	}
	reset := false
	raw.Read(func(fd uintptr) bool {
		e, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		reset = err == nil && e != 0
		return reset || err != nil
	})
	if reset && !p.c.cut.Load() && p.open() {
		p.c.abort()
	}
}

// bite counts the connection as touched, once for both directions; false if the
// fault's limit is reached.
func (p *pump) bite(g *grip) bool {
	g.once.Do(func() {
		if g.claimed = g.claim(); g.claimed {
			p.c.bite(g.active, g.Kind+" "+p.direction)
		}
	})
	return g.claimed
}

// pass hands bytes on as far as the faults let it; false ends the direction.
func (p *pump) pass(b []byte) bool {
	for len(b) > 0 {
		if p.c.cut.Load() {
			return true
		}
		if !p.open() {
			return false
		}
		n, g := p.room(int64(len(b)))
		if !p.write(b[:n]) {
			return p.c.cut.Load()
		}
		b = b[n:]
		if g != nil && !p.act(g) {
			return false
		}
	}
	return true
}

func (p *pump) write(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	n, err := p.dst.Write(b)
	p.passed.Add(int64(n))
	if err == nil {
		return true
	}
	if !p.c.cut.Load() {
		p.c.abort() // the destination has reset its connection: the source learns it
	}
	return false
}

// room is how many of n bytes may pass before a fault acts, and that fault.
func (p *pump) room(n int64) (int64, *grip) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var first *grip
	for _, g := range p.grips {
		if g.Kind != RSTAt && g.Kind != Cut && g.Kind != HalfClose || g.spent || g.gone() {
			continue
		}
		if left := max(0, g.at-p.passed.Load()); left <= n && (first == nil || g.at < first.at) {
			first = g
		}
	}
	if first == nil {
		return n, nil
	}
	return max(0, first.at-p.passed.Load()), first
}

// act carries a fault at a byte out; false ends the direction.
func (p *pump) act(g *grip) bool {
	g.spent = true
	if !p.bite(g) {
		return true
	}
	switch g.Kind {
	case RSTAt:
		flushed(p.dst, lingering) // an RST takes back what was not yet acknowledged
		p.c.abort()
		return false
	case Cut:
		p.c.cut.Store(true)
		p.dst.CloseWrite()
		p.src.CloseWrite()
		time.AfterFunc(lingering, p.c.shut)
	case HalfClose:
		p.dst.CloseWrite()
		if _, err := io.Copy(io.Discard, p.src); err != nil { // the source may go on: nobody hears it
			p.c.abort()
		}
		return false
	}
	return true
}

// open waits until no black hole holds the direction; false if the connection
// is closed meanwhile.
func (p *pump) open() bool {
	for {
		g := p.hole()
		if g == nil {
			return true
		}
		select {
		case <-g.lifted:
		case <-p.c.done:
			return false
		}
	}
}

// hole is the black hole that holds the direction now.
func (p *pump) hole() *grip {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grips = slices.DeleteFunc(p.grips, func(g *grip) bool { return g.gone() })
	for _, g := range p.grips {
		if g.Kind == BlackHole && p.bite(g) {
			return g
		}
	}
	return nil
}
