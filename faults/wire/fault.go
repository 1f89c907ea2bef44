package wire

import (
	"fmt"
	"slices"
	"sync/atomic"
)

// Kinds of faults; package faults says in a sentence what each does.
const (
	RST       = "rst"        // resets matched connections, towards both ends
	RSTAt     = "rst-at"     // the same after AtByte bytes of a direction
	Cut       = "cut"        // FIN in both directions after AtByte bytes of one
	HalfClose = "half-close" // FIN in one direction after AtByte bytes; the other goes on
	BlackHole = "blackhole"  // lets nothing pass, neither bytes nor ends, until lifted; what a kernel holds already arrives
)

// Fault is what a relay is told to do. The zero values of Match, Every and
// Limit are all, 1 and no limit.
type Fault struct {
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	Direction string `json:"direction"` // down (server to client), up, both; rst has none
	Match     string `json:"match"`     // all, new (opened after the injection), live (open at it)
	AtByte    int64  `json:"at_byte"`   // bytes that pass before, from the injection or the connection's start, whichever is later; 0 acts when the first one comes
	Every     int    `json:"every"`     // every nth connection that matches, the first included
	Limit     int    `json:"limit"`     // connections to touch at most
}

// check refuses what the relay does not know: a fault that can't act would be
// taken for one that found nothing to act on.
func (f Fault) check() error {
	bytewise := f.Kind == RSTAt || f.Kind == Cut || f.Kind == HalfClose
	switch {
	case !bytewise && f.Kind != RST && f.Kind != BlackHole:
		return fmt.Errorf("wire: no fault %q", f.Kind)
	case f.Kind != RST && !slices.Contains([]string{"down", "up", "both"}, f.Direction):
		return fmt.Errorf("wire: %s: no direction %q", f.Kind, f.Direction)
	case !slices.Contains([]string{"", "all", "new", "live"}, f.Match):
		return fmt.Errorf("wire: %s: no match %q", f.Kind, f.Match)
	case f.AtByte < 0 || f.Every < 0 || f.Limit < 0:
		return fmt.Errorf("wire: %s: at_byte, every or limit is negative", f.Kind)
	}
	return nil
}

// on tells whether the fault acts on a direction.
func (f Fault) on(direction string) bool {
	return f.Direction == "both" || f.Direction == direction
}

// active is a fault from its injection to its lift.
type active struct {
	Fault
	seen    int // connections that matched; guarded by the relay
	touched atomic.Int64
	lifted  chan struct{}
}

// takes tells whether the fault acts on the next connection that matches it.
func (a *active) takes(live bool) bool {
	if (a.Match == "new" && live) || (a.Match == "live" && !live) {
		return false
	}
	a.seen++
	return (a.seen-1)%max(a.Every, 1) == 0
}

// claim counts one connection as touched, unless the limit is reached.
func (a *active) claim() bool {
	for {
		n := a.touched.Load()
		if a.Limit > 0 && n >= int64(a.Limit) {
			return false
		}
		if a.touched.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (a *active) gone() bool {
	select {
	case <-a.lifted:
		return true
	default:
		return false
	}
}
