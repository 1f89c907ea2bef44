// Package inject is the room of faults on unmodified programs, by the injector: a panic in one request, an exception, a native crash, an error number for one destination.
//
// It describes and carries out; what a fault is made of is said in package room,
// and when it acts is a plan's.
//
// The program that attaches is cmd/injector, a process of its own.
// Start with [Kinds].
package inject

import (
	"slices"

	"faultbed/faults/room"
)

// Kinds lists the room's faults.
func Kinds() []room.Kind { return slices.Concat(goKinds(), nativeKinds(), connKinds(), pyKinds()) }
