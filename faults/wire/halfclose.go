package wire

import (
	"time"

	"faultbed/faults/param"
)

var halfClose = Kind{
	Name:     HalfClose,
	Sentence: "closes one direction (FIN) at an exact byte or instant while the other goes on",
	Bites:    "a connection of which one direction was closed there",
	Params:   at(),
	make:     func(Fault, any) any { return halfClosing{} },
}

type halfClosing struct{}

func (halfClosing) act(p *pump, _ *grip) bool {
	p.closed = true
	p.dst.CloseWrite()
	return false
}

var halfCloseLost = Kind{
	Name:     HalfCloseLost,
	Sentence: "loses the FIN of a half-close: it never comes, or it closes both directions, as some middle boxes do",
	Bites:    "a connection whose FIN was lost",
	Params: from(param.Param{Name: "as", Type: param.Enum, Of: []string{"silence", "close"}, Default: "silence",
		Doc: "silence: the FIN comes when the fault is lifted; close: FIN both ways at once, and what the other end still sends is dropped"}),
	make: func(f Fault, _ any) any { return losing{f.As} },
	check: func(f Fault) error {
		if f.As != "" && f.As != "silence" && f.As != "close" {
			return param.Errorf("as", "no way %q", f.As)
		}
		return nil
	},
}

type losing struct{ as string }

func (e losing) fin(p *pump, g *grip) bool {
	if e.as == "close" {
		p.c.finish()
		return false
	}
	for !g.gone() {
		if !p.await(g, time.Time{}) {
			return false
		}
	}
	return true
}
