package wire

import (
	"encoding/json"
	"strings"
	"sync"

	"faultbed/faults/param"
	"faultbed/reports/history"
)

var observe = Kind{
	Name:     Look,
	Sentence: "changes nothing, and notes every instant of a connection's protocol: what a sweep goes through",
	Bites:    "a connection with such an instant",
	Params: []param.Param{{Name: "protocol", Type: param.Enum, Of: []string{HTTP1, HTTP2, TLS}, Default: HTTP1, Doc: "in which its bytes are read"},
		matching, everyNth, limit, chance},
	make: func(f Fault, _ any) any { return looking{f.Protocol} },
	check: func(f Fault) error {
		if _, err := Instants(f.Protocol, 0, 0); f.Protocol != "" && err != nil {
			return err
		}
		return nil
	},
}

type looking struct{ protocol string }

// open has both directions parsed.
func (e looking) open(h *hold) {
	protocol := e.protocol
	if protocol == "" {
		protocol = HTTP1
	}
	h.c.watch(&watch{a: h.active, notes: &notes{protocol: protocol, hold: h, of: map[string]*observer{}}})
}

// notes writes instants down as they come.
type notes struct {
	protocol string
	hold     *hold
	mu       sync.Mutex
	of       map[string]*observer // by direction
	bitten   bool
}

func (n *notes) saw(p *pump, m mark) {
	n.mu.Lock()
	defer n.mu.Unlock()
	o := n.of[p.direction]
	if o == nil {
		o = &observer{direction: p.direction, seen: map[string]int{}}
		n.of[p.direction] = o
	}
	o.found = o.found[:0]
	o.saw(m)
	for _, t := range o.found {
		if !n.bitten {
			n.bitten = true
			if n.hold.claim() {
				p.c.bite(n.hold.active, n.hold.Kind)
			}
		}
		p.c.r.emit(history.Event{Kind: history.Shown, ID: n.hold.ID, Conn: p.c.id, Detail: t.note()})
	}
}

// noted is how the detail of an event begins that notes an instant.
const noted = "instant "

func (t Trigger) note() string {
	b, _ := json.Marshal(t) // of strings and numbers
	return noted + string(b)
}

// Noted is the instant that an event of a look's notes, if it is one.
func Noted(e history.Event) (t Trigger, ok bool) {
	rest, ok := strings.CutPrefix(e.Detail, noted)
	return t, ok && e.Kind == history.Shown && json.Unmarshal([]byte(rest), &t) == nil
}
