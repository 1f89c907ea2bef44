// Package line is what the injector says: one line of JSON per event on its standard
// output, which the room reads.
//
//	{"event":"READY","t":…}        armed, or about to act
//	{"event":"FIRED","t":…,"tid":…} a thread was changed
//	{"event":"DETACHED","t":…}     it has let go; the last line
//	{"event":"UNSUPPORTED","why":…} this can't be had here; nothing was changed (exit code 4)
//	{"event":"FAILED","why":…}     it did not work (exit code 1)
//
// It starts nothing and knows no fault. Start with [Line] and [Read].
package line

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Events.
const (
	Ready       = "READY"
	Fired       = "FIRED"
	Detached    = "DETACHED"
	Unsupported = "UNSUPPORTED"
	Failed      = "FAILED"
)

// Exit codes of the injector beside 0.
const (
	ExitFailed      = 1
	ExitUsage       = 2
	ExitUnsupported = 4
)

// Line is one event. Times are CLOCK_MONOTONIC ns.
type Line struct {
	Event string `json:"event"`
	T     int64  `json:"t"`
	PID   int    `json:"pid,omitempty"`  // process that was acted on
	TID   int    `json:"tid,omitempty"`  // thread that was changed
	Func  string `json:"func,omitempty"` // function at whose entry
	Path  string `json:"path,omitempty"` // path of the request that it was called for
	Why   string `json:"why,omitempty"`
	Fault string `json:"fault,omitempty"` // whose event, where one injector acts for several
	What  string `json:"what,omitempty"`  // FIRED: what was done, where it is no request
	Held  int64  `json:"held,omitempty"`  // ns: FIRED, this thread's stop; DETACHED, the longest of any thread
	Stops int64  `json:"stops,omitempty"` // how often threads were stopped, each for Held at most
	Fired int    `json:"fired,omitempty"` // DETACHED: how often it fired
	Ended string `json:"ended,omitempty"` // DETACHED: how the process ended, if it did
}

// Write writes one event.
func Write(w io.Writer, l Line) error { return json.NewEncoder(w).Encode(l) }

// Read gives each line to take until the input ends or take wants no more. A line
// that is none of ours is an error.
func Read(r io.Reader, take func(Line) bool) error {
	s := bufio.NewScanner(r)
	for s.Scan() {
		var l Line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			return fmt.Errorf("the injector said %.80q: %w", s.Bytes(), err)
		}
		if !take(l) {
			return nil
		}
	}
	return s.Err()
}
