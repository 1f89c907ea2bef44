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
	ln     net.Listener
	ctx    context.Context // ends with the relay: dials end too
	stop   context.CancelFunc
	wg     sync.WaitGroup

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
	r := &Relay{target: target, emit: emit, ln: ln}
	r.ctx, r.stop = context.WithCancel(context.Background())
	r.wg.Go(r.accept)
	return r, nil
}

// Addr is where the relay listens.
func (r *Relay) Addr() string { return r.ln.Addr().String() }

// Inject begins a fault. Connections that it acts on at once have been acted on
// when it returns.
func (r *Relay) Inject(f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	a := &active{Fault: f, lifted: make(chan struct{})}
	r.mu.Lock()
	if slices.ContainsFunc(r.faults, func(o *active) bool { return o.ID == f.ID }) {
		r.mu.Unlock()
		return fmt.Errorf("wire: fault %s acts already", f.ID)
	}
	r.faults = append(r.faults, a)
	var now []*conn
	for _, c := range r.conns {
		if a.takes(true) {
			now = append(now, c)
			if f.Kind != RST {
				c.grip(a)
			}
		}
	}
	r.mu.Unlock()
	if f.Kind == RST {
		for _, c := range now {
			c.reset(a)
		}
	}
	return nil
}

// Lift ends a fault; what a black hole held flows on.
func (r *Relay) Lift(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.faults, func(a *active) bool { return a.ID == id })
	if i < 0 {
		return fmt.Errorf("wire: no fault %s acts", id)
	}
	close(r.faults[i].lifted)
	r.faults = slices.Delete(r.faults, i, i+1)
	return nil
}

// Close ends the listener and resets every connection.
func (r *Relay) Close() error {
	err := r.ln.Close()
	r.stop()
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
		c, err := r.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond) // no descriptor is free, mostly
			continue
		}
		r.wg.Go(func() { r.serve(c.(*net.TCPConn)) })
	}
}

// serve dials the target beside the accept loop, so that a target that does
// not answer holds up nobody else.
func (r *Relay) serve(client *net.TCPConn) {
	client.SetKeepAlive(false)
	opened := history.Now()
	d := net.Dialer{KeepAlive: -1}
	s, err := d.DialContext(r.ctx, "tcp", r.target)
	if err != nil {
		r.emit(history.Event{Kind: history.Shown, Peer: client.RemoteAddr().String(), Detail: "dial-failed: " + err.Error()})
		client.SetLinger(0)
		client.Close()
		return
	}
	c := newConn(r, client, s.(*net.TCPConn), opened)
	hit, ok := r.enter(c)
	if !ok {
		c.abort()
		return
	}
	for _, a := range hit {
		c.reset(a)
	}
	c.run()
	r.leave(c)
}

// enter puts a connection on the list and returns the faults that reset it;
// false if the relay was closed meanwhile.
func (r *Relay) enter(c *conn) (hit []*active, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return nil, false
	}
	r.serial++
	c.id = "w" + strconv.Itoa(r.serial)
	r.conns = append(r.conns, c)
	for _, a := range r.faults {
		if !a.takes(false) {
			continue
		}
		if a.Kind == RST {
			hit = append(hit, a)
		} else {
			c.grip(a)
		}
	}
	r.emit(history.Event{T: c.opened, Kind: history.ConnOpen, Conn: c.id, Peer: c.client.RemoteAddr().String(), Local: c.server.LocalAddr().String()})
	return hit, true
}

func (r *Relay) leave(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = slices.DeleteFunc(r.conns, func(o *conn) bool { return o == c })
	r.emit(history.Event{Kind: history.ConnClose, Conn: c.id, Bytes: c.down.passed.Load(), Want: c.up.passed.Load(), AgeNs: history.Now() - c.opened})
}
