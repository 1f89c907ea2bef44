package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// pump carries one direction.
type pump struct {
	c         *conn
	direction string
	src, dst  *net.TCPConn
	other     *pump
	read      atomic.Int64                  // bytes taken from the source
	passed    atomic.Int64                  // bytes of these that have gone on
	armed     atomic.Bool                   // a fault has hold of it: otherwise nothing is asked
	roused    chan struct{}                 // see kick
	hush      atomic.Pointer[chan struct{}] // see ahead
	parse     parsers                       // its goroutine's
	closed    bool                          // its goroutine's: it has sent FIN, though the source has not

	mu      sync.Mutex
	grips   []*grip // in the order in which they took hold
	watches []*watch
}

func newPump(c *conn, direction string, src, dst *net.TCPConn) *pump {
	return &pump{c: c, direction: direction, src: src, dst: dst, roused: make(chan struct{}, 1)}
}

func (p *pump) run() {
	p.carry()
	if p.closed {
		p.discard()
	}
}

// carry hands on until the direction has ended.
func (p *pump) carry() {
	buf := make([]byte, 64<<10)
	for {
		if p.armed.Load() && !p.ready() {
			return
		}
		n, err := p.src.Read(buf)
		p.read.Add(int64(n))
		if n > 0 && !p.pass(buf[:n]) {
			return
		}
		if err != nil && !awake(err, p.src.SetReadDeadline) {
			p.end(err)
			return
		}
	}
}

// kick has the pump look at its faults now, wherever it waits: it is roused, or
// its deadlines are in the past until it has noticed.
func (p *pump) kick() {
	select {
	case p.roused <- struct{}{}:
	default:
	}
	past := time.Unix(1, 0)
	p.src.SetReadDeadline(past)
	p.dst.SetWriteDeadline(past)
}

// awake tells whether an error is only that of a kick, and takes it back.
func awake(err error, deadline func(time.Time) error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && deadline(time.Time{}) == nil
}

// end hands on how the source ended: FIN as FIN, RST as RST.
func (p *pump) end(err error) {
	switch {
	case p.c.cut.Load() || errors.Is(err, net.ErrClosed) || !p.open():
	case errors.Is(err, io.EOF):
		if p.settle() && p.fin() {
			p.dst.CloseWrite()
		}
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
	for again := true; again; again = err != nil && awake(err, p.src.SetReadDeadline) {
		err = raw.Read(func(fd uintptr) bool {
			e, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
			reset = err == nil && e != 0
			return reset || err != nil
		})
	}
	if reset && !p.c.cut.Load() && p.open() {
		p.c.abort()
	}
}

// pass hands bytes on as far as the faults let it; false ends the direction.
func (p *pump) pass(b []byte) bool {
	if p.armed.Load() {
		return p.through(b)
	}
	n := int64(len(b))
	ok := p.c.cut.Load() || p.write(b)
	p.passed.Add(n)
	return ok
}

// through is pass where faults have hold of the direction.
func (p *pump) through(b []byte) bool {
	p.see(b)
	for {
		switch {
		case p.c.cut.Load():
			return true
		case !p.prune():
			return false
		case len(b) == 0:
			return p.due()
		}
		n, ok := p.piece(int64(len(b)))
		if !ok || !p.step(b[:n]) {
			return false
		}
		b = b[n:]
	}
}

// step hands a piece on and carries out what acts after it.
func (p *pump) step(b []byte) bool {
	if p.actsAt(p.passed.Load() + int64(len(b))) {
		defer p.ahead()()
	}
	if len(b) > 0 && !p.write(p.mangled(b)) {
		return false
	}
	p.passed.Add(int64(len(b)))
	return p.acts(func(*grip) bool { return true })
}

// overtaking is how long a direction waits for what acts in the other one. It is
// over at once, unless the write before it blocks.
var overtaking = 100 * time.Millisecond

// ahead keeps the other direction from writing what it reads from now on, so
// that no answer to the bytes before an act overtakes the act.
func (p *pump) ahead() (over func()) {
	ch := make(chan struct{})
	p.other.hush.Store(&ch)
	return func() {
		p.other.hush.Store(nil)
		close(ch)
	}
}

// hushed waits for what acts in the other direction.
func (p *pump) hushed(ch chan struct{}) {
	t := time.NewTimer(overtaking)
	defer t.Stop()
	select {
	case <-ch:
	case <-t.C:
	case <-p.c.done:
	}
}

// actsAt tells whether something acts at a place.
func (p *pump) actsAt(at int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.grips, func(g *grip) bool {
		_, ok := g.does.(actor)
		return ok && g.at != unknown && g.at <= at && !g.spent && !g.gone()
	})
}

// piece waits until some of n bytes may go on together; false if the connection
// is closed meanwhile. None may if a fault acts first.
func (p *pump) piece(n int64) (int64, bool) {
	if !p.open() {
		return 0, false
	}
	n = p.room(n)
	if n == 0 {
		return 0, true
	}
	n, ok := p.paced(n)
	return n, ok && p.open()
}

// write is false if the direction has ended.
func (p *pump) write(b []byte) bool {
	if ch := p.hush.Load(); ch != nil {
		p.hushed(*ch)
		if p.c.cut.Load() {
			return true
		}
	}
	for len(b) > 0 {
		n, err := p.dst.Write(b)
		b = b[n:]
		switch {
		case err == nil:
		case !awake(err, p.dst.SetWriteDeadline):
			if !p.c.cut.Load() {
				p.c.abort() // the destination has reset its connection: the source learns it
			}
			return p.c.cut.Load()
		case !p.due():
			return false
		}
	}
	return true
}

// open waits until nothing holds the direction; false if it has ended meanwhile.
func (p *pump) open() bool {
	for {
		g, until := p.hold()
		if g == nil {
			return true
		}
		if !p.await(g, until) {
			return false
		}
	}
}

// hold is what holds the direction now.
func (p *pump) hold() (*grip, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for _, g := range p.grips {
		if h, ok := g.does.(holder); ok && g.begun() {
			if until, on := h.held(now); on && g.bite() {
				return g, until
			}
		}
	}
	return nil, time.Time{}
}

// await waits for an instant, or if that is zero for the lift; false if the
// direction has ended meanwhile.
func (p *pump) await(g *grip, until time.Time) bool {
	var late <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until) - margin)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-late:
		rest(until)
	case <-g.lifted:
	case <-p.roused:
		return p.due()
	case <-p.c.done:
		return false
	}
	return true
}

// paced waits as the paces want and returns how many bytes may go on then.
func (p *pump) paced(n int64) (int64, bool) {
	paces := p.begun(func(g *grip) bool { _, ok := g.does.(pacer); return ok })
	for _, g := range paces {
		n = min(n, g.does.(pacer).most(n))
	}
	for _, g := range paces {
		now := time.Now()
		d := g.does.(pacer).wait(now, n)
		for until := now.Add(d); time.Now().Before(until) && !g.gone() && g.bite(); {
			if !p.await(g, until) {
				return 0, false
			}
		}
	}
	return n, true
}

// mangled is what goes on instead of a piece.
func (p *pump) mangled(b []byte) []byte {
	if !p.armed.Load() {
		return b
	}
	passed := p.passed.Load()
	for _, g := range p.begun(func(g *grip) bool { return g.mangles(passed) }) {
		if g.bite() {
			b = g.does.(mangler).mangle(passed-g.at, b)
		}
	}
	return b
}

// mangles tells whether it changes the byte after those passed, and notes that it does.
func (g *grip) mangles(passed int64) bool {
	m, ok := g.does.(mangler)
	ok = ok && passed < g.at+last(m.edges())
	g.began = g.began || ok
	return ok
}

func last(edges []int64) int64 { return edges[len(edges)-1] }

// begun lists the grips that act from here on, of those that are asked for.
func (p *pump) begun(want func(*grip) bool) (gs []*grip) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.grips {
		if g.begun() && want(g) {
			gs = append(gs, g)
		}
	}
	return gs
}

// begun tells whether its place was reached; the pump's lock is held.
func (g *grip) begun() bool {
	return g.at != unknown && g.at <= g.p.passed.Load() && !g.spent && !g.gone()
}

// room is how many of n bytes can go on before a fault begins, ends or acts.
func (p *pump) room(n int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	passed := p.passed.Load()
	for _, g := range p.grips {
		if g.at == unknown || g.spent || g.gone() {
			continue
		}
		if _, ok := g.does.(actor); ok {
			n = min(n, max(0, g.at-passed))
			continue
		}
		for _, e := range g.edges() {
			if left := g.at + e - passed; left > 0 {
				n = min(n, left)
			}
		}
	}
	return n
}

var begins = []int64{0}

func (g *grip) edges() []int64 {
	if m, ok := g.does.(mangler); ok {
		return m.edges()
	}
	return begins
}

// due carries out what waits for no byte, as what acts at a connection's first
// byte does; false ends the direction.
func (p *pump) due() bool { return p.acts(func(g *grip) bool { return g.now || g.at > g.from }) }

// acts carries out the actors whose place was reached, first come first.
func (p *pump) acts(want func(*grip) bool) bool {
	for {
		g := p.actor(want)
		if g == nil || p.c.cut.Load() {
			return true
		}
		_, start := g.does.(starter)
		if (start || g.bite()) && !g.does.(actor).act(p, g) {
			return false
		}
	}
}

// actor is the next one to act, which it does once.
func (p *pump) actor(want func(*grip) bool) *grip {
	p.mu.Lock()
	defer p.mu.Unlock()
	var first *grip
	for _, g := range p.grips {
		if _, ok := g.does.(actor); ok && g.begun() && want(g) && (first == nil || g.at < first.at) {
			first = g
		}
	}
	if first != nil {
		first.spent = true
	}
	return first
}

// prune forgets the faults that are over, after it has paid what they owe;
// false if the direction has ended.
func (p *pump) prune() bool {
	ok := p.pay(func(g *grip) bool { return g.gone() })
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watches = slices.DeleteFunc(p.watches, (*watch).gone)
	p.grips = slices.DeleteFunc(p.grips, func(g *grip) bool { return g.spent || g.gone() && !g.began || g.over() })
	if len(p.watches) == 0 {
		p.parse = parsers{}
	}
	p.armed.Store(len(p.grips)+len(p.watches) > 0)
	return ok
}

// over tells whether a mangler has nothing more to change.
func (g *grip) over() bool {
	m, ok := g.does.(mangler)
	return ok && g.at != unknown && g.p.passed.Load() >= g.at+last(m.edges())
}

// pay sends on what manglers withhold.
func (p *pump) pay(of func(*grip) bool) bool {
	p.mu.Lock()
	var debts []byte
	for _, g := range p.grips {
		if m, ok := g.does.(mangler); ok && !g.spent && of(g) {
			debts = append(debts, m.rest()...)
			g.spent = true
		}
	}
	p.mu.Unlock()
	return p.write(debts)
}

// settle pays all debts, at the source's end.
func (p *pump) settle() bool { return p.pay(func(*grip) bool { return true }) }

// fin asks whether the source's FIN goes on.
func (p *pump) fin() bool {
	for _, g := range p.begun(func(g *grip) bool { _, ok := g.does.(finer); return ok }) {
		if g.bite() && !g.does.(finer).fin(p, g) {
			return false
		}
	}
	return true
}

// ready is asked before the source is read; false ends the direction.
func (p *pump) ready() bool {
	for {
		if !p.prune() || !p.due() {
			return false
		}
		gs := p.begun(func(g *grip) bool { _, ok := g.does.(mute); return ok })
		if len(gs) == 0 || p.c.cut.Load() {
			return true
		}
		switch more, err := p.more(); {
		case err != nil && awake(err, p.src.SetReadDeadline): // look again
		case err != nil || !more:
			return true // the read will tell what it is
		case !gs[0].bite():
			p.spend(gs[0])
		case !p.await(gs[0], time.Time{}):
			return false
		}
	}
}

func (p *pump) spend(g *grip) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.spent = true
}

// more waits until the source has something, and tells whether that is bytes or
// FIN rather than RST. It reads nothing, so that the window stays as it is.
func (p *pump) more() (bool, error) {
	raw, err := p.src.SyscallConn()
	if err != nil {
		return false, err
	}
	var events int16
	err = raw.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		unix.Poll(fds, 0)
		events = fds[0].Revents
		return events != 0
	})
	return events&(unix.POLLERR|unix.POLLHUP) == 0, err
}

// discard reads the source to its end: it may go on, nobody hears it.
func (p *pump) discard() {
	for buf := make([]byte, 16<<10); ; {
		_, err := p.src.Read(buf)
		switch {
		case err == nil || awake(err, p.src.SetReadDeadline):
		case errors.Is(err, io.EOF):
			return
		default:
			p.c.abort()
			return
		}
	}
}
