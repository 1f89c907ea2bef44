package packet

import (
	"context"
	"encoding/json"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// mtu is a path whose narrow link drops large packets and whose ICMP is filtered:
// handshakes and small requests pass, bulk stalls (RFC 2923 section 2.1).
var mtu = room.Kind{
	Name: "mtu", Sentence: "drops packets that are too large without saying so: a path MTU black hole",
	Touches: unit, Bites: "one packet that the kernel counted as dropped", Host: hostFilter, Lifts: true,
	Params: []param.Param{side, direction, {Name: "size", Type: param.Int, Unit: "bytes, IP header included", Min: 68, Max: 65535, Default: int64(1280),
		Doc: "the largest that passes; in a container packets meet as bundles of full ones (GSO), so choose less than 1500"}},
	Probe: probeFilter,
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var p struct {
			where
			Size int `json:"size"`
		}
		if err := decode(with, &p); err != nil {
			return nil, err
		}
		return filter(t, p.where, rule{Longer: p.Size, Then: "drop"})
	},
}
