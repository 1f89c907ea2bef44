package packet

import (
	"context"
	"encoding/json"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// reject is a firewall that says no. A reset ends whoever sent the packet at once;
// what ICMP says ends a connect, and a connection only when it times out (RFC 1122
// section 4.2.3.9, RFC 5461).
var reject = room.Kind{
	Name: "reject", Sentence: "drops packets and answers each with a TCP reset or an ICMP error",
	Touches: unit, Bites: "one packet that the kernel counted as rejected", Host: hostFilter, Lifts: true,
	Params: []param.Param{side, direction, established, {Name: "answer", Type: param.Enum, Default: "tcp-reset",
		Of: []string{"tcp-reset", "port-unreachable", "host-unreachable", "net-unreachable", "admin-prohibited"}, Doc: "what the sender gets"}},
	Probe: probeFilter,
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var p struct {
			where
			Answer string `json:"answer"`
		}
		if err := decode(with, &p); err != nil {
			return nil, err
		}
		return filter(t, p.where, rule{Syn: p.Established == "keep", Then: p.Answer})
	},
}
