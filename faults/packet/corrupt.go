package packet

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"slices"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// corrupt flips one bit of what a segment carries. With the old checksum the
// receiver's kernel drops it, which is what a bad cable does; with a right one it
// gets to the application, as from a bad switch that computes checksums anew (Stone
// and Partridge, "When the CRC and TCP checksum disagree", 2000).
var corrupt = room.Kind{
	Name: "corrupt", Sentence: "flips one bit of the bytes that a packet carries",
	Touches: unit, Bites: "one packet that went on changed", Host: hostQueue, Lifts: true,
	Params: []param.Param{side, direction, share, {Name: "checksum", Type: param.Enum, Of: []string{"stale", "right"}, Default: "stale",
		Doc: "stale: the receiver's kernel drops the packet; right: the application reads it"}},
	Probe: probeQueue,
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var p struct {
			where
			corrupter
		}
		if err := decode(with, &p); err != nil {
			return nil, err
		}
		return queued(t, p.where, false, func(way int) policy {
			return &corrupter{Share: p.Share, Checksum: p.Checksum, die: dieOf(t.Seed, way)}
		})
	},
}

// corrupter is the policy of corrupt.
type corrupter struct {
	Share    float64 `json:"share"`
	Checksum string  `json:"checksum"`
	die      *rand.Rand
	n        int64
}

func (c *corrupter) judge(p *parcel, _ int64) verdict {
	seg, _, ok := tcp(p.data)
	if !ok || len(payload(seg)) == 0 || !hit(c.die, c.Share) {
		return verdict{}
	}
	c.n++
	changed := slices.Clone(p.data)
	seg, _, _ = tcp(changed)
	bytes := payload(seg)
	bytes[c.die.IntN(len(bytes))] ^= 1 << c.die.IntN(8)
	if c.Checksum == "right" {
		binary.BigEndian.PutUint16(seg[16:], checksum(changed, seg))
	}
	return verdict{changed: changed}
}

func (c *corrupter) bites() (int64, string) { return c.n, "changed, checksum " + c.Checksum }
