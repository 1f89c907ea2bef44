package wire

import (
	"slices"
	"sync"
	"sync/atomic"
)

// hold is a fault's hold on one connection, or on one request of it.
type hold struct {
	*active
	c       *conn
	does    any    // its effect, if that is on the connection
	request string // class/id of the request that it was chosen by
	grips   []*grip
	once    sync.Once
	claimed bool
}

// unknown is the place of a fault whose instant has not come.
const unknown = -1

// grip is its part in one direction. The pump's lock guards
// at, now, spent and began.
type grip struct {
	*hold
	p     *pump
	does  any   // its effect
	from  int64 // of passed, where it took hold
	at    int64 // of passed, where it begins
	now   bool  // it waits for no byte
	spent bool
	began bool // a mangler has changed something, and may owe something
}

// watch waits for an instant: for a request, and then takes hold of it, or for
// the instant that a hold waits for.
type watch struct {
	a    *active      // of a request
	h    *hold        // of an instant
	left atomic.Int64 // instants still to come

	notes *notes // of a look: every instant
}

func (w *watch) gone() bool {
	if w.h != nil {
		return w.h.gone() || w.left.Load() <= 0
	}
	return w.a.gone()
}

func (w *watch) protocol() string {
	if w.notes != nil {
		return w.notes.protocol
	}
	if w.h == nil {
		return HTTP1
	}
	i, _ := instantOf(w.h.When)
	return i.protocol
}

// grip lets a fault take hold of the directions that it acts on; m is the
// request line that it was chosen by.
func (c *conn) grip(a *active, m *mark) *hold {
	h := &hold{active: a, c: c, does: a.effect()}
	if m != nil {
		h.request = m.class + "/" + m.id
	}
	for _, p := range []*pump{c.up, c.down} {
		if a.on(p.direction) {
			g := &grip{hold: h, p: p, does: a.effect(), at: unknown}
			h.grips = append(h.grips, g)
			p.take(g, m)
		}
	}
	if a.instant() {
		w := &watch{h: h}
		w.left.Store(int64(max(a.Nth, 1)))
		c.watch(w)
		if m != nil && a.When == RequestHeadBegun { // it has, and was not known
			w.fire(c.up, m.at)
		}
	}
	return h
}

// watch has both directions parsed: that of a response has its length from the
// request's method.
func (c *conn) watch(w *watch) {
	c.down.look(w)
	c.up.look(w)
}

// take adds a grip at the place where it begins.
func (p *pump) take(g *grip, m *mark) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.from = p.passed.Load()
	if !g.instant() {
		g.at = p.begins(g, m)
	}
	p.tidy()
	p.grips = append(p.grips, g)
	p.armed.Store(true)
	if _, ok := g.does.(mute); ok {
		p.kick() // it may sit in a read
	}
}

// begins is where a fault without an instant begins.
func (p *pump) begins(g *grip, m *mark) int64 {
	_, acts := g.does.(actor)
	_, mangles := g.does.(mangler)
	switch {
	case m != nil && p.direction == Up:
		return m.at + g.AtByte
	case g.AtByte == 0 && acts:
		return g.from
	case g.AtByte > 0 || mangles:
		return p.read.Load() + g.AtByte
	}
	return 0 // at once, also for what was read but has not gone on
}

func (p *pump) look(w *watch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tidy()
	p.watches = append(p.watches, w)
	p.armed.Store(true)
}

// tidy forgets what is over, so that a quiet connection collects nothing; what a
// mangler may still owe the pump pays first ([pump.prune]).
func (p *pump) tidy() {
	p.watches = slices.DeleteFunc(p.watches, (*watch).gone)
	p.grips = slices.DeleteFunc(p.grips, func(g *grip) bool {
		return !g.began && (g.spent || g.gone())
	})
}

// bite counts the connection as touched, once for both directions; false if the
// fault's limit is reached.
func (g *grip) bite() bool {
	g.once.Do(func() {
		if g.claimed = g.claim(); !g.claimed {
			return
		}
		detail := g.Kind + " " + g.p.direction
		if g.request != "" {
			detail += " of " + g.request
		}
		g.c.bite(g.active, detail)
	})
	return g.claimed
}

// starter stands where an instant comes and begins the fault in the other
// direction.
type starter struct{ g *grip }

func (s starter) act(*pump, *grip) bool {
	p := s.g.p
	p.mu.Lock()
	s.g.at, s.g.now = p.passed.Load(), s.g.AtByte == 0
	if s.g.AtByte > 0 {
		s.g.at = p.read.Load() + s.g.AtByte
	}
	p.mu.Unlock()
	p.kick()
	return true
}
