// Package process is the room of faults that act on a subject's processes from
// beside it: pauses, of a process with all below it.
//
// It describes and carries out. What a fault is made of is said in package room, and
// when it acts is a plan's.
//
// Signals, storms and escalations of them, restarts, kills and crash loops are not
// carried out here, though the catalogue calls them process.* too: they belong to a
// replica's life and are the engine's (suites/scenario/process.go).
// Start with [Kinds].
package process

import "faultbed/faults/room"

// Kinds lists the room's faults.
func Kinds() []room.Kind { return []room.Kind{pause} }
