package packet

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"faultbed/faults/param"
	"faultbed/faults/room"
	"faultbed/reports/history"
)

// forget is a NAT device or a stateful firewall that has dropped an idle
// connection's state and says nothing: what is sent on it afterwards is lost. Only
// a new handshake makes new state (RFC 5382 REQ-5 wants 2 h 4 min; many have less).
var forget = room.Kind{
	Name: "nat-forget", Sentence: "loses all packets of connections that were idle for a time, as a NAT device that forgot them",
	Touches: unit, Bites: "one packet that was lost because its connection was forgotten", Host: hostQueue, Lifts: true,
	Params: []param.Param{side, {Name: "idle", Type: param.Duration, Max: int64(time.Minute), Default: int64(300 * time.Millisecond),
		Doc: "how long a connection is remembered after a packet; those that are there at the begin count from it; 0: all are forgotten at once, as after a restart"}},
	Probe: probeQueue,
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var p struct {
			where
			Idle int64 `json:"idle"`
		}
		if err := decode(with, &p); err != nil {
			return nil, err
		}
		p.Direction = "both"
		return queued(t, p.where, true, func(int) policy { return &memory{idle: p.Idle, begun: history.Now(), seen: map[flow]int64{}} })
	},
}

// memory is the policy of nat-forget: one for both directions.
type memory struct {
	idle  int64
	begun int64
	seen  map[flow]int64 // last packet of each connection; -1: it is forgotten
	gone  int64          // connections
	n     int64
}

func (m *memory) judge(p *parcel, now int64) verdict {
	seg, f, ok := tcp(p.data)
	if !ok {
		return verdict{}
	}
	c := f.connection()
	if opens := seg[13]&0x12 == 0x02; opens {
		m.seen[c] = now
		return verdict{}
	}
	last, known := m.seen[c]
	if !known {
		last = m.begun
	}
	if last >= 0 && (m.idle > 0 && now-last > m.idle || m.idle == 0 && !known) {
		m.gone++
		last = -1
	}
	if last < 0 {
		m.n++
		m.seen[c] = -1
		return verdict{drop: true}
	}
	m.seen[c] = now
	return verdict{}
}

func (m *memory) bites() (int64, string) {
	return m.n, fmt.Sprintf("lost, of %d connections that were forgotten", m.gone)
}
