// Package resource is the room of faults on what a subject is given: files, processor, memory, processes, disk, ports, backlog.
//
// It describes and carries out; what a fault is made of is said in package room,
// and when it acts is a plan's.
//
// It takes nothing from other programs of the machine.
// Start with [Kinds].
package resource

import "faultbed/faults/room"

// Kinds lists the room's faults.
func Kinds() []room.Kind { return nil }
