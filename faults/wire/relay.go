package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"faultbed/reports/history"
)

// Relay accepts on one address and hands on to another.
type Relay struct {
	target string
	emit   func(history.Event)
	ln     *net.TCPListener
	ctx    context.Context // ends with the relay: dials end too
	stop   context.CancelFunc
	wg     sync.WaitGroup
	door   door

	mu     sync.Mutex
	serial int
	conns  []*conn // open ones, in the order in which they were opened
	faults []*active
}

// Listen starts a relay. emit gets conn-open, conn-close and bite events; it is
// called from several goroutines and must not block.
func Listen(addr, target string, emit func(history.Event)) (*Relay, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	r := &Relay{target: target, emit: emit, ln: ln.(*net.TCPListener)}
	r.ctx, r.stop = context.WithCancel(context.Background())
	r.wg.Go(r.accept)
	return r, nil
}

// Addr is where the relay listens.
func (r *Relay) Addr() string { return r.ln.Addr().String() }

// Inject begins a fault. Connections that it acts on at once have been acted on
// when it returns.
func (r *Relay) Inject(f Fault) error {
	if err := Check(f); err != nil {
		return fmt.Errorf("wire: %s: %w", f.Kind, err)
	}
	a := newActive(f)
	held, err := r.begin(a)
	if err != nil {
		return err
	}
	open(held)
	if f.Kind != Refuse {
		return nil
	}
	if err := r.door.shut(r, a); err != nil {
		return errors.Join(fmt.Errorf("wire: %s: %w", f.Kind, err), r.Lift(f.ID))
	}
	return nil
}

// begin puts a fault on the list and offers it every open connection.
func (r *Relay) begin(a *active) (held []*hold, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return nil, errors.New("wire: the relay is closed")
	}
	if slices.ContainsFunc(r.faults, func(o *active) bool { return o.ID == a.ID }) {
		return nil, fmt.Errorf("wire: fault %s acts already", a.ID)
	}
	r.faults = append(r.faults, a)
	if !a.kind.takes("match") {
		return nil, nil
	}
	for _, c := range r.conns {
		held = append(held, r.offer(a, c, true)...)
	}
	return held, nil
}

// offer lets a fault take hold of a connection, or watch its requests.
func (r *Relay) offer(a *active, c *conn, live bool) []*hold {
	switch {
	case !a.fits(live):
	case a.byRequest():
		c.watch(&watch{a: a})
	case a.takes(c.id):
		return []*hold{c.grip(a, nil)}
	}
	return nil
}

// open runs what acts as soon as it has taken hold.
func open(held []*hold) {
	for _, h := range held {
		if o, ok := h.does.(opener); ok {
			o.open(h)
		}
	}
}

// Lift ends a fault; what it held flows on.
func (r *Relay) Lift(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.faults, func(a *active) bool { return a.ID == id })
	if i < 0 {
		return fmt.Errorf("wire: no fault %s acts", id)
	}
	a := r.faults[i]
	close(a.lifted)
	r.faults = slices.Delete(r.faults, i, i+1)
	if a.Kind == Reorder { // what it withholds waits for no other byte
		for _, c := range r.conns {
			c.up.kick()
			c.down.kick()
		}
	}
	if a.Kind == Refuse {
		return r.door.open(r, a)
	}
	return nil
}

// Close ends the listener and resets every connection.
func (r *Relay) Close() error {
	r.stop()
	err := r.ln.Close()
	r.mu.Lock()
	conns := slices.Clone(r.conns)
	r.mu.Unlock()
	for _, c := range conns {
		c.abort()
	}
	r.wg.Wait()
	return err
}

func (r *Relay) accept() {
	for {
		c, err := r.ln.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			r.door.wait(r.ctx) // it is shut, or, mostly, no descriptor is free
			continue
		}
		conn, arrived := r.arrive(c)
		r.wg.Go(func() { r.serve(conn, arrived) })
	}
}

// arrive numbers a connection and chooses the faults that act before its target
// is dialled.
func (r *Relay) arrive(client *net.TCPConn) (c *conn, hit []*active) {
	c = newConn(r, client, history.Now())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serial++
	c.id = "w" + strconv.Itoa(r.serial)
	for _, a := range r.faults {
		if _, ok := a.shared.(arriver); ok && a.takes(c.id) {
			hit = append(hit, a)
		}
	}
	return c, hit
}

// serve dials the target beside the accept loop, so that a target that does
// not answer holds up nobody else.
func (r *Relay) serve(c *conn, arrived []*active) {
	c.client.SetKeepAlive(false)
	for _, a := range arrived {
		a.shared.(arriver).arrive(c, a)
	}
	d := net.Dialer{KeepAlive: -1}
	s, err := d.DialContext(r.ctx, "tcp", r.target)
	if err != nil {
		r.emit(history.Event{Kind: history.Shown, Peer: c.client.RemoteAddr().String(), Detail: "dial-failed: " + err.Error()})
		c.client.SetLinger(0)
		c.client.Close()
		return
	}
	c.join(s.(*net.TCPConn))
	held, ok := r.enter(c)
	if !ok {
		c.abort()
		return
	}
	open(held)
	c.run()
	r.leave(c)
}

// enter puts a connection on the list and lets faults take hold of it; false if
// the relay was closed meanwhile.
func (r *Relay) enter(c *conn) (held []*hold, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return nil, false
	}
	r.conns = append(r.conns, c)
	for _, a := range r.faults {
		if a.kind.takes("match") {
			held = append(held, r.offer(a, c, false)...)
		}
	}
	r.emit(history.Event{T: c.opened, Kind: history.ConnOpen, Conn: c.id, Peer: c.client.RemoteAddr().String(), Local: c.server.LocalAddr().String()})
	return held, true
}

func (r *Relay) leave(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = slices.DeleteFunc(r.conns, func(o *conn) bool { return o == c })
	r.emit(history.Event{Kind: history.ConnClose, Conn: c.id, Bytes: c.down.passed.Load(), Want: c.up.passed.Load(), AgeNs: history.Now() - c.opened})
}

// sleep waits for d, or less if the fault is lifted or the relay closed.
func (r *Relay) sleep(d time.Duration, a *active) {
	until := time.Now().Add(d)
	t := time.NewTimer(d - margin)
	defer t.Stop()
	select {
	case <-t.C:
		rest(until)
	case <-a.lifted:
	case <-r.ctx.Done():
	}
}
