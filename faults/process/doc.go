// Package process is the room of faults on a subject's processes: signals in storms and sequences, pauses, kills, crash loops.
//
// It describes and carries out; what a fault is made of is said in package room,
// and when it acts is a plan's.
//
// It starts no process: restarts are the engine's.
// Start with [Kinds].
package process

import "faultbed/faults/room"

// Kinds lists the room's faults.
func Kinds() []room.Kind { return []room.Kind{pause} }
