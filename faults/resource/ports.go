package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// ports leaves the subject few ephemeral ports: the range is a sysctl of the network
// namespace (ip-sysctl.rst), which in a container is the subject's own. Connections
// that it has keep theirs, so a pool hides the fault until it must grow.
var ports = room.Kind{
	Name: "ports-exhausted", Sentence: "leaves the subject's network namespace so few ephemeral ports that connections to the origin use them up",
	Touches: "connects", Lifts: true, Alone: true, Runtimes: []string{"docker"},
	Bites: "one connect to the origin, tried from the namespace while every port of the range was in use towards it, that the kernel refused for want of one (EADDRNOTAVAIL)",
	Host:  "root",
	Params: []param.Param{{Name: "ports", Type: param.Int, Unit: "ports", Min: 1, Max: 1 << 14,
		Doc: "free ones that are left; 1 or even, because the kernel searches them in pairs"}},
	Probe: root,
	Check: func(with json.RawMessage) error {
		var w portsWith
		if err := json.Unmarshal(with, &w); err != nil {
			return err
		}
		if w.Ports > 1 && w.Ports%2 != 0 {
			return param.Errorf("ports", "is neither 1 nor even")
		}
		return nil
	},
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var w portsWith
		if err := json.Unmarshal(with, &w); err != nil {
			return nil, err
		}
		if t.PID <= 0 {
			return nil, errNoProcess
		}
		origin, err := netip.ParseAddrPort(t.Origin)
		if err != nil {
			return nil, fmt.Errorf("the origin's address: %w", err)
		}
		ns, err := enterNet(t)
		if err != nil {
			return nil, err
		}
		r := &portRange{net: ns, pid: t.PID, origin: origin}
		stop, err := watch(t, "connects", r.look)
		if err != nil {
			return nil, errors.Join(err, ns.close())
		}
		lift := room.LiftFunc(func(context.Context) error {
			stop()
			return errors.Join(r.restore(), ns.close())
		})
		if err := r.shrink(w.Ports); err != nil {
			return nil, errors.Join(err, lift(context.Background()))
		}
		return lift, nil
	},
}

type portsWith struct{ Ports int }

// span is a range of ports, both ends in it.
type span struct{ low, high uint16 }

func (s span) has(port uint16) bool { return port >= s.low && port <= s.high }

// choose is the highest part of a range with so many ports of which none is used.
func choose(all span, n int, used map[uint16]bool) (span, error) {
	free := 0
	for p := int(all.high); p >= int(all.low); p-- {
		if free++; used[uint16(p)] {
			free = 0
		}
		if free == n {
			return span{uint16(p), uint16(p + n - 1)}, nil
		}
	}
	return span{}, fmt.Errorf("of ports %d to %d no %d in a row are free", all.low, all.high, n)
}

// taken counts the ports of a span that are in use towards an address.
func (s span) taken(ss []socket, to netip.AddrPort) int {
	ports := map[uint16]bool{}
	for _, x := range ss {
		if s.has(x.local.Port()) && x.remote == to {
			ports[x.local.Port()] = true
		}
	}
	return len(ports)
}

func (s span) size() int { return int(s.high) - int(s.low) + 1 }
