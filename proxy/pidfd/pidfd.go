// Package pidfd signals and watches one process by a file descriptor that can't
// come to mean another process: about 0.1 ms to signal, about 1 ms from exit to
// notice, where the engine's API takes 10 and up to 300.
//
// It needs Linux 5.4 and the right to signal the process; elsewhere [Open]
// returns [ErrUnsupported] and drivers fall back to the API and say so. It
// starts and reaps nothing. Start with [Open].
package pidfd

import (
	"errors"
	"slices"

	"faultbed/proxy"
)

// ErrUnsupported is that this system has no pidfd.
var ErrUnsupported = errors.New("no pidfd on this system")

// Living names those of the processes that live, each once.
func Living(pids []int) []proxy.Process {
	pids = slices.Clone(pids)
	slices.Sort(pids)
	var out []proxy.Process
	for _, pid := range slices.Compact(pids) {
		if comm := Comm(pid); comm != "" {
			out = append(out, proxy.Process{PID: pid, Comm: comm})
		}
	}
	return out
}
