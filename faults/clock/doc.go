// Package clock is the room of faults on the clock that a subject reads.
//
// It describes and carries out; what a fault is made of is said in package room,
// and when it acts is a plan's.
//
// It does not change the machine's clock.
// Start with [Kinds].
package clock

import "faultbed/faults/room"

// Kinds lists the room's faults.
func Kinds() []room.Kind { return []room.Kind{skew} }
