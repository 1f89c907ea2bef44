package wire

import (
	"context"
	"time"
)

// margin is how long before an instant a wait gives way to a precise one: the
// runtime's timers are up to 1 ms late even on an idle machine, as they count
// whole milliseconds.
const margin = 1500 * time.Microsecond

// precisely limits how many threads wait so at once.
var precisely = make(chan struct{}, 16)

// rest waits for the rest of a time, at most margin, and then for nothing else.
func rest(until time.Time) {
	select {
	case precisely <- struct{}{}:
		nap(time.Until(until))
		<-precisely
	default:
		time.Sleep(time.Until(until))
	}
}

// Until waits for an instant as exactly as a fault's delay is waited for; false if
// ctx ended before.
func Until(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t) - margin)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		rest(t)
		return true
	}
}
