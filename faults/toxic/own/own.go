// Package own has toxics of ours that run in toxiproxy's server beside its own
// ones: latency whose jitter follows from a seed, where toxiproxy's is thrown by
// dice that nobody can set; a limit and a slow close that say when they bit.
//
// They are for what toxiproxy is good at. RST, half-close and "exactly these
// requests" are faults/wire's. A throw depends on the seed, the fault and the
// connection's number since the fault began, so that the same connections in the
// same order get the same delays.
//
// Start with [Register]; package toxic asks for them by their names.
package own

import (
	"hash/fnv"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// Names under which the toxics are registered.
const (
	Latency   = "faultbed_latency"    // latency and jitter, ns; seed
	Limit     = "faultbed_limit"      // bytes
	SlowClose = "faultbed_slow_close" // delay, ns
)

// Bite is one connection that a toxic touched.
type Bite struct {
	Fault  string `json:"fault"`
	Detail string `json:"detail"`
}

var report atomic.Pointer[func(Bite)]

// Register makes the toxics known to the server in this process. Bites go to f.
func Register(f func(Bite)) {
	report.Store(&f)
	toxics.Register(Latency, new(latency))
	toxics.Register(Limit, new(limit))
	toxics.Register(SlowClose, new(slowClose))
}

func bit(fault, detail string) {
	if f := report.Load(); f != nil {
		(*f)(Bite{fault, detail})
	}
}

// latency delays each chunk by latency ± jitter from when it arrived.
type latency struct {
	Fault   string `json:"fault"`
	Latency int64  `json:"latency"`
	Jitter  int64  `json:"jitter"`
	Seed    uint64 `json:"seed,string"`

	conns atomic.Uint64
}

// GetBufferSize lets chunks wait side by side, as in toxiproxy's own.
func (t *latency) GetBufferSize() int { return 1024 }

// NewState is the dice of one connection.
func (t *latency) NewState() any {
	h := fnv.New64a()
	h.Write([]byte(t.Fault))
	return rand.New(rand.NewPCG(t.Seed, h.Sum64()+t.conns.Add(1)))
}

func (t *latency) delay(dice *rand.Rand) time.Duration {
	d := t.Latency
	if t.Jitter > 0 {
		d += dice.Int64N(2*t.Jitter+1) - t.Jitter
	}
	return time.Duration(max(d, 0))
}

// Pipe is one direction of one connection.
func (t *latency) Pipe(stub *toxics.ToxicStub) {
	dice := stub.State.(*rand.Rand)
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			if c == nil {
				stub.Close()
				return
			}
			wait := t.delay(dice) - time.Since(c.Timestamp)
			select {
			case <-time.After(wait):
				c.Timestamp = c.Timestamp.Add(wait)
				stub.Output <- c
			case <-stub.Interrupt:
				stub.Output <- c // lifting loses no byte
				return
			}
		}
	}
}

// limit ends a direction after so many bytes.
type limit struct {
	Fault string `json:"fault"`
	Bytes int64  `json:"bytes"`
}

// NewState counts the bytes of one connection that passed.
func (*limit) NewState() any { return new(int64) }

// Pipe is one direction of one connection.
func (t *limit) Pipe(stub *toxics.ToxicStub) {
	passed := stub.State.(*int64)
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			if c == nil {
				stub.Close()
				return
			}
			left := t.Bytes - *passed
			if over := int64(len(c.Data)) > left; over {
				c = &stream.StreamChunk{Timestamp: c.Timestamp, Data: c.Data[:left]}
			}
			if len(c.Data) > 0 {
				stub.Output <- c
				*passed += int64(len(c.Data))
			}
			if *passed >= t.Bytes {
				bit(t.Fault, "ended after its bytes")
				stub.Close()
				return
			}
		}
	}
}

// slowClose holds an end back.
type slowClose struct {
	Fault string `json:"fault"`
	Delay int64  `json:"delay"`
}

// Pipe is one direction of one connection.
func (t *slowClose) Pipe(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			if c != nil {
				stub.Output <- c
				continue
			}
			select {
			case <-time.After(time.Duration(t.Delay)):
				bit(t.Fault, "closed late")
				stub.Close()
			case <-stub.Interrupt: // lifted: what follows sees the end at once
			}
			return
		}
	}
}
