package history

import (
	"encoding/json"
	"time"
)

// PlanVersion is the version of the plan's shape. A reader refuses a newer one.
const PlanVersion = 1

// Plan is a scenario resolved with a seed for one subject: every time and
// every throw of the dice is fixed. Times are nanoseconds from T0, the instant
// at which the load starts. The same scenario, subject, seed and trial give the
// same bytes ([Plan.Encode]).
type Plan struct {
	Version     int         `json:"version"`
	Scenario    string      `json:"scenario"` // "drain/sigterm"
	Description string      `json:"description"`
	Engine      string      `json:"engine"`            // what executes it: timeline, starting, tls-back, tls-front
	Subject     string      `json:"subject"`           // name of the subject
	Variant     string      `json:"variant,omitempty"` // pid1 or init; "" where it does not matter
	Seed        uint64      `json:"seed"`
	Trial       int         `json:"trial"` // from 1
	Exclusive   bool        `json:"exclusive"`
	Replicas    int         `json:"replicas"`
	Propagation int64       `json:"propagation,omitempty"` // ns after a restart's signal at which clients learn that the replica is gone
	Out         int64       `json:"out,omitempty"`         // ns after a restart's signal at which clients come back to the replica
	Promise     Promise     `json:"promise"`
	Duration    int64       `json:"duration"` // the last arrival's or fault's end
	Timeout     int64       `json:"timeout"`  // deadline of one request, from its planned instant
	Phases      []Phase     `json:"phases"`
	Front       []string    `json:"front,omitempty"` // injectors on the client→subject leg, in order
	Back        []string    `json:"back,omitempty"`  // injectors on the subject→origin leg, in order
	Arrivals    []Arrival   `json:"arrivals"`
	Faults      []Fault     `json:"faults"`
	Expect      Expectation `json:"expect"`
	TLS         bool        `json:"tls,omitempty"`     // the subject also listens with TLS (h2 classes, tls engines)
	Crash       bool        `json:"crash,omitempty"`   // crash hooks are armed
	Settings    Settings    `json:"settings"`          // the subject's documented timeouts in this trial
	Cases       []string    `json:"cases,omitempty"`   // tls engines: chain cases in order
	Clients     []string    `json:"clients,omitempty"` // tls-front: verifiers
	Names       bool        `json:"names,omitempty"`   // the subject knows its origin by name, and asks the bed's server for it
	Offsets     []int64     `json:"offsets,omitempty"` // starting: when the signal is sent after the process exists
}

// Promise is what the subject's YAML promises about its end.
type Promise struct {
	Signal    string `json:"signal"`    // drain signal without SIG
	Grace     int64  `json:"grace"`     // ns within which it promises to be gone
	ExitCodes []int  `json:"exitCodes"` // codes that a drain may end with

	Declares []string `json:"declares,omitempty"` // transformations that are no violation, as retries-idempotent
}

// Settings are the documented timeouts that the subject is configured with, in
// nanoseconds. A subject whose program lacks one ignores it.
type Settings struct {
	Grace          int64 `json:"grace"`
	ShutdownDelay  int64 `json:"shutdownDelay"`
	ReadHeader     int64 `json:"readHeader"`
	StreamIdle     int64 `json:"streamIdle"`
	Connect        int64 `json:"connect"`
	ResponseHeader int64 `json:"responseHeader"`
}

// Phase is a named part of the trial: baseline, fault, recovery.
type Phase struct {
	Name string `json:"name"`
	From int64  `json:"from"`
	To   int64  `json:"to"`
}

// Arrival is one planned request or held connection.
type Arrival struct {
	At      int64  `json:"at"`
	ID      string `json:"id"`
	Class   Class  `json:"class"`
	Replica int    `json:"replica,omitempty"`
	Size    int64  `json:"size,omitempty"` // body bytes, in the direction that the class says
	Hold    int64  `json:"hold,omitempty"` // ns that the origin draws the answer out, or that a connection is held
	Hook    string `json:"hook,omitempty"` // crash hook
	Over    string `json:"over,omitempty"` // crash: "new" or "h2" connection; "" is a pooled one of HTTP/1.1
	Param   string `json:"param,omitempty"`
	Client  string `json:"client,omitempty"` // naive or retrying; "" is careful
	Lane    int    `json:"lane,omitempty"`   // the one connection, from 1, that must carry it: it waits its turn, timed from the schedule; 0: any
	Lawful  string `json:"lawful,omitempty"` // raw: what may reach the origin: reject (nothing), one (exactly it), part (no whole one), either, any (as it came); script raw: what may reach the client: ok, cut, malformed, statuses
	Script  string `json:"script,omitempty"` // what the origin does with it: see fixtures/script
}

// Fault is one planned fault. Each repetition of a fault is one of its own, "f1.2"
// being the second of the first in the scenario's list.
type Fault struct {
	ID      string          `json:"id"`
	Kind    string          `json:"kind"` // "toxic.latency", "wire.rst", "process.signal", "crash.panic", "origin.down"
	Leg     string          `json:"leg,omitempty"`
	At      int64           `json:"at"`              // 0 if it waits for an event
	After   string          `json:"after,omitempty"` // the event that it waits for, as [ParseAwaited] reads it
	Delay   int64           `json:"delay,omitempty"` // ns after that event
	For     int64           `json:"for,omitempty"`   // 0: not lifted before the trial's end, or instantaneous
	Replica int             `json:"replica,omitempty"`
	With    json.RawMessage `json:"with,omitempty"`
}

// End is when the fault is over, from T0.
func (f Fault) End() int64 { return f.At + f.For }

// Expectation is what the scenario allows while its faults act, beyond the
// checks that hold always.
type Expectation struct {
	Allow      []Outcome `json:"allow,omitempty"`      // outcomes that an arrival overlapping a fault may have besides ok
	Statuses   []int     `json:"statuses,omitempty"`   // statuses of 5xx that are honest here
	MinOK      float64   `json:"minOk,omitempty"`      // least share of ok among requests overlapping a fault
	Recovery   int64     `json:"recovery,omitempty"`   // ns after a fault's end from which all must be ok again
	Drain      bool      `json:"drain,omitempty"`      // the subject is told to drain: drain checks apply
	Killed     bool      `json:"killed,omitempty"`     // the control: the subject is killed and in-flight work must be seen lost
	Dies       bool      `json:"dies,omitempty"`       // the crash ends the process: bystanders in flight are lost
	MaxRSS     int64     `json:"maxRss,omitempty"`     // bytes of resident memory that the subject may gain while faults act
	MaxCPU     float64   `json:"maxCpu,omitempty"`     // cores that the subject may keep busy while faults act
	Bystanders []Outcome `json:"bystanders,omitempty"` // crash: outcomes allowed to requests in flight beside the faulty one

	Faulty     []Outcome `json:"faulty,omitempty"`     // crash: outcomes that the faulty request must have one of
	Again      []Outcome `json:"again,omitempty"`      // crash: the same for those of later crashes
	Concurrent []Outcome `json:"concurrent,omitempty"` // crash or signal: outcomes that a request under way at the origin across it must have one of
	Ends       string    `json:"ends,omitempty"`       // crash that takes time: whether those end "before" or "after" that time is over
	Exit       []int     `json:"exit,omitempty"`       // codes that the process must end with one of; 128 + n by signal n
}

// Encode is the plan's canonical form: indented JSON with a final newline.
func (p Plan) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(p, "", " ")
	return append(b, '\n'), err
}

// Key names the trial within its run, as a relative folder:
// "drain/sigterm/go/pid1/1".
func (p Plan) Key() string {
	k := p.Scenario + "/" + p.Subject
	if p.Variant != "" {
		k += "/" + p.Variant
	}
	return k + "/" + itoa(p.Trial)
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// Dur turns nanoseconds into a time.Duration.
func Dur(ns int64) time.Duration { return time.Duration(ns) }
