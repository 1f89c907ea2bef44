package inject

import (
	"context"
	"time"

	"faultbed/faults/room"
)

// Skew shifts the wall clock of the subject's processes by whole seconds until it is
// lifted. It is what time.skew does: see faults/clock.
func Skew(ctx context.Context, t room.Target, offset time.Duration) (room.Active, error) {
	i, err := beginFor(ctx, t, "processes", t.PID, "skew", "--offset="+offset.String())
	if err != nil {
		return nil, err
	}
	return i, nil
}

// CanTrace says why no process can be changed from outside here.
func CanTrace() error { return canTrace() }

// Tracing is what that needs.
const Tracing = tracing
