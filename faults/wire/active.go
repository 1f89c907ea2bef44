package wire

import (
	"fmt"
	"hash/fnv"
	"io"
	"sync"
	"sync/atomic"
)

// active is a fault from its injection to its lift.
type active struct {
	Fault
	kind    Kind
	shared  any
	mu      sync.Mutex
	seen    int // connections or requests that matched
	touched atomic.Int64
	lifted  chan struct{}
}

func newActive(f Fault) *active {
	k, _ := kindOf(f.Kind)
	a := &active{Fault: f, kind: k, lifted: make(chan struct{})}
	if k.turn != nil {
		a.Fault = k.turn(f)
	}
	if k.share != nil {
		a.shared = k.share(a.Fault)
	}
	return a
}

func (a *active) effect() any { return a.kind.make(a.Fault, a.shared) }

// fits tells whether the fault acts on connections that are live, or new.
func (a *active) fits(live bool) bool {
	return !(a.Match == "new" && live) && !(a.Match == "live" && !live)
}

// takes tells whether the fault acts on the next connection or request that
// matches it.
func (a *active) takes(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen++
	return (a.seen-1)%max(a.Every, 1) == 0 && a.thrown(key)
}

// thrown decides by chance, the same for the same seed, fault and key.
func (a *active) thrown(key string) bool {
	return a.Chance == 0 || a.Chance == 1 || dice(a.Seed, a.ID, key) < a.Chance
}

// dice is a number in [0, 1) that depends on nothing but its arguments.
func dice(seed uint64, id, key string) float64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d\x00%s\x00", seed, id)
	io.WriteString(h, key)
	x := h.Sum64() // FNV's high bits hardly move with the last byte: mix them (MurmurHash3's fmix64)
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return float64((x^x>>33)>>11) / (1 << 53)
}

// claim counts one more as touched, unless the limit is reached.
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
