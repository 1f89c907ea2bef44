package packet

import (
	"math/rand/v2"
)

// policy decides about the packets of a way, one after the other, in one thread.
type policy interface {
	// judge decides about a packet that came at an instant (ns).
	judge(p *parcel, now int64) verdict
	// bites is how many packets it has touched so far, and what it did to them.
	bites() (n int64, detail string)
}

// parcel is an IPv4 packet in a queue.
type parcel struct {
	data []byte
	flow flow
}

// verdict is what becomes of a packet.
type verdict struct {
	drop    bool
	release int64  // not before this instant; 0: at once
	changed []byte // goes on in its place; nil: it goes on as it is
	twice   bool   // and a copy of it
}

// dieOf is the dice of a way: the seed's, so that the same packets meet the same.
func dieOf(seed uint64, way int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(way))) }

func hit(die *rand.Rand, share float64) bool { return die.Float64() < share }
