package wire

import (
	"time"

	"faultbed/faults/param"
)

var silentAccept = Kind{
	Name:     SilentAccept,
	Sentence: "accepts new connections, and neither reads, answers nor dials until it is lifted",
	Bites:    "a connection that was accepted so",
	Params:   arriving(),
	share:    func(Fault) any { return silent{} },
}

type silent struct{}

func (silent) arrive(c *conn, a *active) {
	if !a.claim() {
		return
	}
	c.bite(a, a.Kind)
	select {
	case <-a.lifted:
	case <-c.r.ctx.Done():
	}
}

var slowAccept = Kind{
	Name:     SlowAccept,
	Sentence: "dials the target late: the kernel has accepted the connection, but nothing is read or answered before",
	Bites:    "a connection that had to wait",
	Params:   arriving(millis("delay", maxTime, nil, "from the accept to the dial")),
	share:    func(f Fault) any { return slow{f.Delay} },
}

type slow struct{ delay time.Duration }

func (e slow) arrive(c *conn, a *active) {
	if a.claim() {
		c.bite(a, a.Kind)
		c.r.sleep(e.delay, a)
	}
}

var connectionRate = Kind{
	Name:     ConnectionRate,
	Sentence: "hands on at most so many new connections a second; the others wait their turn",
	Bites:    "a connection that had to wait",
	Params:   arriving(param.Param{Name: "rate", Type: param.Int, Unit: "connections/s", Min: 1, Max: 1 << 20, Doc: "evenly spaced"}),
	share:    func(f Fault) any { return &turnstile{line: line{rate: f.Rate}} },
}

// turnstile lets the first connection through at once.
type turnstile struct{ line line }

func (e *turnstile) arrive(c *conn, a *active) {
	turn := e.line.wait(time.Now(), 1) - time.Second/time.Duration(e.line.rate)
	if turn > 0 && a.claim() {
		c.bite(a, a.Kind)
		c.r.sleep(turn, a)
	}
}
