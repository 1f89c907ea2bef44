package wire

import (
	"context"
	"net"
	"os"
	"sync"
	"time"

	"faultbed/reports/history"
)

var refuse = Kind{
	Name:     Refuse,
	Sentence: "refuses new connections as a port on which nothing listens (RST to each SYN), and listens again at the lift",
	Bites:    "a SYN that was refused",
	Needs:    "Linux and CAP_NET_RAW, to count what the kernel refuses; IPv4",
	probe: func() error {
		f, err := synSocket(0)
		if err != nil {
			return err
		}
		return f.Close()
	},
}

// door is the relay's listener, open or shut. Shut it keeps its port.
type door struct {
	mu    sync.Mutex
	by    map[*active]*counter // who shuts it
	again chan struct{}        // closed when it opens
}

// counter counts refused connections.
type counter struct {
	f    *os.File
	done chan struct{}
}

// wait returns when an accept is worth another attempt.
func (d *door) wait(ctx context.Context) {
	d.mu.Lock()
	again := d.again
	d.mu.Unlock()
	if again == nil {
		again = make(chan struct{})
		time.AfterFunc(time.Millisecond, func() { close(again) })
	}
	select {
	case <-again:
	case <-ctx.Done():
	}
}

// shut stops listening. What waits to be accepted is reset by the kernel.
func (d *door) shut(r *Relay, a *active) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, err := synSocket(r.ln.Addr().(*net.TCPAddr).Port)
	if err != nil {
		return err
	}
	n := &counter{f: f, done: make(chan struct{})}
	r.wg.Go(func() { n.run(r, a) })
	if d.by == nil {
		d.by = map[*active]*counter{}
	}
	d.by[a] = n
	if len(d.by) > 1 {
		return nil
	}
	d.again = make(chan struct{})
	return deafen(r.ln)
}

// open listens again once nobody shuts the door any more.
func (d *door) open(r *Relay, a *active) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.by[a]
	if n == nil {
		return nil // it could not be shut
	}
	<-n.done
	delete(d.by, a)
	if len(d.by) > 0 {
		return nil
	}
	err := listenAgain(r.ln)
	close(d.again)
	d.again = nil
	return err
}

// run counts until the fault is lifted, what is queued by then included.
func (n *counter) run(r *Relay, a *active) {
	defer close(n.done)
	defer n.f.Close()
	stop := context.AfterFunc(r.ctx, func() { n.f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	go func() {
		select {
		case <-a.lifted:
			n.f.SetReadDeadline(time.Unix(1, 0))
		case <-n.done:
		}
	}()
	note := func(peer string) {
		now := history.Now()
		r.emit(history.Event{T: now, Kind: history.Bite, ID: a.ID, Peer: peer, Via: "SYNs", Count: 1, Detail: a.Kind})
	}
	for wait := true; wait; {
		wait = synRead(n.f, r.ln, note)
	}
}
