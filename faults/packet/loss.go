package packet

import (
	"context"
	"encoding/json"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// loss throws the kernel's own dice, not the seed's: which packets there are is
// decided by the kernel's timing too, so no seed could give the same losses twice.
var loss = room.Kind{
	Name: "loss", Sentence: "loses a share of the packets at random (the kernel's dice, not the seed's)",
	Touches: unit, Bites: "one packet that the kernel counted as dropped", Host: hostFilter, Lifts: true,
	Params: []param.Param{side, direction, share},
	Probe:  probeFilter,
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var p struct {
			where
			Share float64 `json:"share"`
		}
		if err := decode(with, &p); err != nil {
			return nil, err
		}
		return filter(t, p.where, rule{Share: p.Share, Then: "drop"})
	},
}
