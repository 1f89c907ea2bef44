package packet

import (
	"context"
	"encoding/json"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// disconnect takes the subject's network away as the engine's "network disconnect"
// does, save that the address is kept for it: routes are gone, so connecting fails
// at once (ENETUNREACH); connections stall, and go on if it comes back in time.
var disconnect = room.Kind{
	Name: "disconnect", Sentence: "sets the subject's network interfaces down, then up again with the routes that they had (IPv4)",
	Touches: "interfaces", Bites: "one interface that was read back as down", Host: hostLink, Runtimes: []string{"docker"}, Lifts: true,
	Params: []param.Param{}, Probe: probeLink,
	Inject: func(_ context.Context, t room.Target, _ json.RawMessage) (room.Active, error) { return unplug(t) },
}
