package history

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now is the host's CLOCK_MONOTONIC in nanoseconds. Containers share it with
// their host, so it orders events of the load, the origin and the bed alike.
//
// It is what clock_gettime(2) gives, without the system call: the runtime reads
// the same clock through the vDSO, ten times as fast, but tells it only as time
// since some instant, whose own reading is taken once at the process's start.
func Now() int64 { return origin.mono + int64(time.Since(origin.at)) }

// origin is one instant on both clocks.
var origin = calibrate()

type instant struct {
	at   time.Time
	mono int64
}

// calibrate reads both clocks, as near to each other as eight tries come: a
// process that was put off the processor between the two would be wrong by that
// for all its life.
func calibrate() instant {
	best, width := instant{}, time.Duration(1<<62)
	for range 8 {
		before := time.Now()
		mono := clockGettime()
		if d := time.Since(before); d < width {
			best, width = instant{before.Add(d / 2), mono}, d
		}
	}
	return best
}

func clockGettime() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("CLOCK_MONOTONIC can't be read: " + err.Error()) // only with an invalid clock id
	}
	return ts.Nano()
}
