package wire

import (
	"time"

	"golang.org/x/sys/unix"
)

// nap sleeps in the kernel, which wakes within some 0.1 ms.
func nap(d time.Duration) {
	if d > 0 {
		ts := unix.NsecToTimespec(int64(d))
		unix.Nanosleep(&ts, nil)
	}
}
