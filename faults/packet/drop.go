package packet

import (
	"context"
	"encoding/json"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// rule is what happens to the packets of a way.
type rule struct {
	Syn    bool    // only to those with SYN
	Longer int     // only to those of more bytes, IP header included
	Share  float64 // only to so many of them; 0: all
	Then   string  // "drop", "queue", or what they are rejected with
	Queue  uint16
	Mark   uint32 // only to those whose mark does not have this bit; 0: to all
}

// drop is a black hole: nobody hears of it, so connecting lasts until somebody's
// timeout (SYNs are sent again after 1, 3, 7 s … RFC 6298).
var drop = room.Kind{
	Name: "drop", Sentence: "drops packets in silence, so that connecting times out and connections stall",
	Touches: unit, Bites: "one packet that the kernel counted as dropped", Host: hostFilter, Lifts: true,
	Params: []param.Param{side, direction, established},
	Probe:  probeFilter,
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var w where
		if err := decode(with, &w); err != nil {
			return nil, err
		}
		return filter(t, w, rule{Syn: w.Established == "keep", Then: "drop"})
	},
}
