package wire

import (
	"time"

	"golang.org/x/sys/unix"
)

// nap sleeps in the kernel, which wakes within some 0.1 ms: the thread that happens
// to do it keeps no timer slack, 50 µs by default (prctl(2), PR_SET_TIMERSLACK).
func nap(d time.Duration) {
	if d > 0 {
		unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
		ts := unix.NsecToTimespec(int64(d))
		unix.Nanosleep(&ts, nil)
	}
}
