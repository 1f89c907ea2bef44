package packet

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// rate is a narrow line with a buffer before it, for all connections of a way
// together; toxiproxy's bandwidth is for each.
var rate = room.Kind{
	Name: "rate", Sentence: "lets all connections of a direction share a narrow line with a buffer; what finds it full is lost",
	Touches: unit, Bites: "one packet that had to wait for others, or was lost", Host: hostQueue, Lifts: true,
	Params: []param.Param{side, direction, {Name: "rate", Type: param.Int, Unit: "kB/s (1 kB = 1000 B), IP headers included", Min: 1, Max: 1 << 20, Default: int64(1000), Doc: "in each direction"},
		waits("buffer", time.Second, "how long a packet may wait for its turn; 0: it may not")},
	Probe: probeQueue,
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var p struct {
			where
			line
		}
		if err := decode(with, &p); err != nil {
			return nil, err
		}
		return queued(t, p.where, false, func(int) policy { return &line{Rate: p.Rate, Buffer: p.Buffer} })
	},
}

// line is the policy of rate.
type line struct {
	Rate         int64 `json:"rate"`
	Buffer       int64 `json:"buffer"`
	free         int64 // when the packet before will have left
	waited, lost int64
}

func (l *line) judge(p *parcel, now int64) verdict {
	begin := max(now, l.free)
	switch {
	case begin-now > l.Buffer:
		l.lost++
		return verdict{drop: true}
	case begin > now:
		l.waited++
	}
	l.free = begin + int64(len(p.data))*int64(time.Second)/(l.Rate*1000)
	return verdict{release: l.free} // the last byte arrives last
}

func (l *line) bites() (int64, string) {
	return l.waited + l.lost, fmt.Sprintf("%d waited, %d lost", l.waited, l.lost)
}
