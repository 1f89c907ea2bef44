package packet

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// delay is a longer line. Unlike toxiproxy's latency it also delays handshakes and
// acknowledgements, so that round trips cost what they cost: connecting, slow
// start, Nagle.
var delay = room.Kind{
	Name: "delay", Sentence: "delays each packet, with uniform jitter; the order is kept",
	Touches: unit, Bites: "one packet that was held back", Host: hostQueue, Lifts: true,
	Params: []param.Param{side, direction, waits("delay", 50*time.Millisecond, "one way: both directions add it twice to a round trip"),
		waits("jitter", 0, "half width; none is released before it came or before the one ahead, so that much of it adds to the mean")},
	Probe: probeQueue,
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var p struct {
			where
			delayer
		}
		if err := decode(with, &p); err != nil {
			return nil, err
		}
		return queued(t, p.where, false, func(way int) policy {
			return &delayer{Delay: p.Delay, Jitter: p.Jitter, die: dieOf(t.Seed, way)}
		})
	},
}

// waits is a duration of at most 10 s.
func waits(name string, def time.Duration, doc string) param.Param {
	return param.Param{Name: name, Type: param.Duration, Max: int64(10 * time.Second), Default: int64(def), Doc: doc}
}

// delayer is the policy of delay.
type delayer struct {
	Delay  int64 `json:"delay"`
	Jitter int64 `json:"jitter"`
	die    *rand.Rand
	last   int64 // release of the packet before
	n      int64
}

func (d *delayer) judge(_ *parcel, now int64) verdict {
	at := now + d.Delay
	if d.Jitter > 0 {
		at += d.die.Int64N(2*d.Jitter+1) - d.Jitter
	}
	d.last = max(d.last, at)
	if d.last > now {
		d.n++
	}
	return verdict{release: d.last}
}

func (d *delayer) bites() (int64, string) {
	return d.n, fmt.Sprintf("held back for %v±%v", time.Duration(d.Delay), time.Duration(d.Jitter))
}
