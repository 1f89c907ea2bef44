package clock

import (
	"context"
	"encoding/json"
	"time"

	"faultbed/faults/inject"
	"faultbed/faults/param"
	"faultbed/faults/room"
)

// limit is the furthest that a clock is set: ten years.
const limit = 10 * 365 * 24 * time.Hour

// skew is what an operator's mistake, a dead clock battery or a restored snapshot
// does. Timers go by the monotonic clock, which is left alone: only what compares
// dates notices, as the verification of certificates does.
var skew = room.Kind{
	Name: "skew", Sentence: "shifts the wall clock that the subject's processes read, and no other clock",
	Touches: "processes", Bites: "one process whose own clock_gettime, called in it, gave the shifted time; the detail has what it read",
	Host: inject.Tracing + ", a subject that reads its clock by the vDSO", Lifts: true, Alone: true,
	Params: []param.Param{{Name: "offset", Type: param.Duration, Min: -int64(limit), Max: int64(limit), Step: int64(time.Second), Default: int64(time.Hour), Doc: "added to the true time; programs that it starts while skewed read the true one"}},
	Probe:  inject.CanTrace,
	Inject: func(ctx context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var p struct {
			Offset time.Duration `json:"offset"`
		}
		if err := json.Unmarshal(with, &p); err != nil {
			return nil, err
		}
		return inject.Skew(ctx, t, p.Offset)
	},
}
