package packet

import (
	"context"
	"encoding/json"
	"math/rand/v2"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// duplicate sends copies from a raw socket in the same namespace, with a mark, so
// that they are not met again.
var duplicate = room.Kind{
	Name: "duplicate", Sentence: "sends a share of the packets twice",
	Touches: unit, Bites: "one packet whose copy was sent", Host: hostQueue, Lifts: true,
	Params: []param.Param{side, direction, share},
	Probe:  probeQueue,
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var p struct {
			where
			doubler
		}
		if err := decode(with, &p); err != nil {
			return nil, err
		}
		return queued(t, p.where, false, func(way int) policy { return &doubler{Share: p.Share, die: dieOf(t.Seed, way)} })
	},
}

// doubler is the policy of duplicate.
type doubler struct {
	Share float64 `json:"share"`
	die   *rand.Rand
	n     int64
}

func (d *doubler) judge(*parcel, int64) verdict {
	if !hit(d.die, d.Share) {
		return verdict{}
	}
	d.n++
	return verdict{twice: true}
}

func (d *doubler) bites() (int64, string) { return d.n, "sent twice" }
