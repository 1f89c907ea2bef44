package wire

import "time"

var late = Kind{
	Name:     Late,
	Sentence: "sends FIN in one direction at an exact byte or instant; the data of the other direction come late after it",
	Bites:    "a connection that had the FIN",
	Params:   at(millis("delay", maxTime, nil, "from the FIN until the other direction goes on")),
	make:     func(f Fault, _ any) any { return lagging{f.Delay} },
}

// lagging is a half-close whose other direction stalls.
type lagging struct{ delay time.Duration }

func (e lagging) act(p *pump, g *grip) bool {
	p.other.hang(&grip{hold: g.hold, p: p.other, does: &stalling{end: time.Now().Add(e.delay)}})
	return halfClosing{}.act(p, g)
}

// hang adds a grip that acts from now on.
func (p *pump) hang(g *grip) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grips = append(p.grips, g)
	p.armed.Store(true)
}
