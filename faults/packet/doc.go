// Package packet is the room of faults on packets between a subject and its peers: drop, reject, partition, loss, delay.
//
// It describes and carries out; what a fault is made of is said in package room,
// and when it acts is a plan's.
//
// It touches no rule that does not carry its mark.
// Start with [Kinds].
package packet

import "faultbed/faults/room"

// Kinds lists the room's faults.
func Kinds() []room.Kind { return nil }
