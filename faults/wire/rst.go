package wire

import "faultbed/faults/param"

var rst = Kind{
	Name:     RST,
	Sentence: "resets matched connections at once, towards both ends or one",
	Bites:    "a connection that was reset",
	Params:   []param.Param{towards, matching, everyNth, limit, chance},
	make:     func(f Fault, _ any) any { return resetting{f.Towards} },
	check:    Fault.checkTowards,
}

// resetting is an RST as soon as the fault takes hold.
type resetting struct{ towards string }

func (e resetting) open(h *hold) {
	if h.claim() {
		h.c.bite(h.active, h.Kind)
		h.c.reset(e.towards)
	}
}

var rstAt = Kind{
	Name:     RSTAt,
	Sentence: "resets a connection at an exact byte or instant: RST mid-request, mid-response",
	Bites:    "a connection that was reset there",
	Params:   at(towards),
	make:     func(f Fault, _ any) any { return resettingAt{f.Towards} },
	check:    Fault.checkTowards,
}

type resettingAt struct{ towards string }

// act waits until what came before has arrived: an RST takes back what was not
// yet acknowledged.
func (e resettingAt) act(p *pump, _ *grip) bool {
	flushed(p.dst, lingering)
	p.c.reset(e.towards)
	return false
}

func (f Fault) checkTowards() error {
	switch f.Towards {
	case "", Both, "client", "server":
		return nil
	}
	return param.Errorf("towards", "no end %q", f.Towards)
}
