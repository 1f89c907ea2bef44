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

// reorder holds some packets back while those behind them pass. Where none follows
// in time, nothing was reordered, and nothing has bitten.
var reorder = room.Kind{
	Name: "reorder", Sentence: "holds a share of the packets back, so that others of their connection overtake them",
	Touches: unit, Bites: "one packet that another of its connection overtook", Host: hostQueue, Lifts: true,
	Params: []param.Param{side, direction, share, {Name: "gap", Type: param.Duration, Min: int64(time.Millisecond), Max: int64(10 * time.Second),
		Default: int64(5 * time.Millisecond), Doc: "how long a packet is held back"}},
	Probe: probeQueue,
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var p struct {
			where
			reorderer
		}
		if err := decode(with, &p); err != nil {
			return nil, err
		}
		return queued(t, p.where, false, func(way int) policy {
			return &reorderer{Share: p.Share, Gap: p.Gap, die: dieOf(t.Seed, way), held: map[flow][]int64{}}
		})
	},
}

// reorderer is the policy of reorder.
type reorderer struct {
	Share float64 `json:"share"`
	Gap   int64   `json:"gap"`
	die   *rand.Rand
	held  map[flow][]int64 // releases of those that nobody has overtaken yet
	n     int64
}

func (r *reorderer) judge(p *parcel, now int64) verdict {
	if hit(r.die, r.Share) {
		r.held[p.flow] = append(r.held[p.flow], now+r.Gap)
		return verdict{release: now + r.Gap}
	}
	for _, at := range r.held[p.flow] {
		if at > now {
			r.n++
		}
	}
	delete(r.held, p.flow)
	return verdict{}
}

func (r *reorderer) bites() (int64, string) {
	return r.n, fmt.Sprintf("overtaken within %v", time.Duration(r.Gap))
}
