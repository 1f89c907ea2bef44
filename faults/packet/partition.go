package packet

import (
	"context"
	"encoding/json"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// partition is the asymmetric one: one end goes on hearing what it can't answer,
// or talks to somebody who no longer hears it.
var partition = room.Kind{
	Name: "partition", Sentence: "cuts one direction in silence while the other goes on",
	Touches: unit, Bites: "one packet that the kernel counted as dropped", Host: hostFilter, Lifts: true,
	Params: []param.Param{side, {Name: "direction", Type: param.Enum, Of: []string{"in", "out"}, Default: "in", Doc: "the one that is cut; in: towards the subject"}},
	Probe:  probeFilter,
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var w where
		if err := decode(with, &w); err != nil {
			return nil, err
		}
		return filter(t, w, rule{Then: "drop"})
	},
}
