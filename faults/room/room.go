// Package room is what all faults on the machine under a subject have in common:
// the shape in which a room of the catalogue (faults/process, faults/resource,
// faults/packet, faults/inject …) describes each of its faults and carries it out.
//
// A room is a package with one small file per fault and a function Kinds. Its
// faults act from faultbed's own process, on the same kernel as the subject; what
// they change belongs to the subject alone (its processes, its cgroup, its network
// namespace, or marked rules), so that it ends with the subject or is found by its
// mark ([Leftover]). It is not for faults on a leg's bytes: those are faults/wire
// and faults/toxic.
//
// Start with [Kind]; package faults joins the rooms to the catalogue.
package room

import (
	"context"
	"encoding/json"

	"faultbed/faults/param"
	"faultbed/reports/history"
)

// Kind is one fault of a room.
type Kind struct {
	Name     string // within the room: "cpu" of resource.cpu
	Sentence string // what it does, lower case, no full stop
	Touches  string // unit of its bites: requests, processes, packets, signals …
	Bites    string // what counts as one
	Host     string // what the host must have beyond a bed, in words; empty: nothing
	Subject  string // capability that the subject must declare; empty: none
	Runtimes []string
	Params   []param.Param
	Lifts    bool // it has an end; otherwise it is an instant
	Alone    bool // two of it can't act on one replica at a time: they set the same thing

	// Probe is an error that says why this host can't have it; nil func: it always can.
	Probe func() error
	// Check refuses what no single parameter shows; nil func: nothing to refuse.
	Check func(with json.RawMessage) error
	// Inject begins it, or does it if it is an instant (then it may return a nil
	// Active). with is what the plan holds: complete, durations in ns.
	Inject func(ctx context.Context, t Target, with json.RawMessage) (Active, error)
}

// Active is a fault in force.
type Active interface {
	// Lift ends it and leaves things as they were. It is called once, also after
	// the subject has died, and must then be no error for that.
	Lift(ctx context.Context) error
}

// LiftFunc is an Active that is one function.
type LiftFunc func(ctx context.Context) error

// Lift calls f.
func (f LiftFunc) Lift(ctx context.Context) error { return f(ctx) }

// Target is the replica that a fault acts on.
type Target struct {
	Fault     string // the fault's id in the plan, "f1"
	Run       string // run id: the mark on everything that outlives a call
	Node      string // "subject-0"
	PID       int    // the subject's own process, as this kernel's first PID namespace counts; 0: unknown
	Container string // id of the container that it runs in; empty in the process runtime
	Dir       string // folder of the subject's files as this machine sees it; empty in a container
	Addr      string // its plain listener, host:port
	Origin    string // what it dials: the last injector of the back leg, or the origin
	Load      string // host from which the load dials it
	Seed      uint64 // of the fault's dice

	// Names speaks to the bed's name server: inject and lift of package dns; nil
	// where the plan has none.
	Names func(ctx context.Context, command string, arg any) error

	// Note writes an event to the fault ledger; T, Node and ID are filled in.
	Note func(history.Event)
}

// Bit notes n bites in their unit ("packets"); detail says what was touched.
func (t Target) Bit(n int64, unit, detail string) {
	t.Note(history.Event{Kind: history.Bite, Count: n, Via: unit, Detail: detail})
}

// Leftover is something that a killed run left on this machine: Kind in a word
// ("cgroup", "rule"), ID by which its room removes it.
type Leftover struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Name string `json:"name"`
	Run  string `json:"run"`
}

// Cleaner is what a room that marks things outside the subject offers.
type Cleaner struct {
	// Leftovers lists what carries any run's mark.
	Leftovers func(ctx context.Context) ([]Leftover, error)
	// Remove removes one; what is gone already is no error.
	Remove func(ctx context.Context, l Leftover) error
}
