// Package dns is the room of faults on the names that a subject looks up.
//
// It describes and carries out; what a fault is made of is said in package room,
// and when it acts is a plan's.
//
// It changes no resolver of the machine.
// Start with [Kinds].
package dns

import "faultbed/faults/room"

// Kinds lists the room's faults.
func Kinds() []room.Kind { return nil }
