package verdict

import (
	"faultbed/reports/check"
	"faultbed/reports/history"
	"faultbed/reports/stats"
)

// Verdict is pass, fail or inconclusive.
type Verdict string

// The three verdicts, from best to worst in a gate's order: fail beats
// inconclusive beats pass.
const (
	Pass         Verdict = "pass"
	Inconclusive Verdict = "inconclusive"
	Fail         Verdict = "fail"
)

// ResultVersion is the version of verdict.json's shape.
const ResultVersion = 1

// Result is verdict.json: everything that reports render. Durations and times
// are nanoseconds; times of a trial count from its T0.
type Result struct {
	Version  int              `json:"version"`
	Manifest history.Manifest `json:"manifest"`
	Verdict  Verdict          `json:"verdict"`
	Reason   string           `json:"reason"`
	SelfTest *SelfTest        `json:"selfTest,omitempty"` // of the bed; nil if the run has none
	Cells    []Cell           `json:"cells"`              // scenario × subject × variant, in planned order
	Trials   []Trial          `json:"trials"`
	Missing  []string         `json:"missing,omitempty"` // planned trials that never began
}

// Cell is one scenario on one subject (in one variant), over all its trials.
type Cell struct {
	Scenario    string          `json:"scenario"`
	Description string          `json:"description"`
	Subject     string          `json:"subject"`
	Variant     string          `json:"variant,omitempty"`
	Verdict     Verdict         `json:"verdict"`
	Reason      string          `json:"reason"`
	Trials      stats.Interval  `json:"trials"`             // K of N decided trials failed
	Undecided   int             `json:"undecided"`          // trials that were inconclusive
	Requests    []EpochCount    `json:"requests"`           // before, during, after
	Drain       *stats.Survival `json:"drain,omitempty"`    // drain time over trials
	Recovery    *int64          `json:"recovery,omitempty"` // worst recovery time, ns; nil if it does not apply
	Declares    []string        `json:"declares,omitempty"` // what the subject's YAML declares, so that no check takes it for a fault
	Plan        string          `json:"plan,omitempty"`     // of trial 1: equal in runs of one seed if the scenario is
	Headline    string          `json:"headline"`           // the one figure to show in the matrix: "drain 0.41 s", "0.0 % failed"
}

// EpochCount is what became of the requests of one epoch of the fault.
type EpochCount struct {
	Epoch    string                  `json:"epoch"` // before, during, after
	N        int                     `json:"n"`
	Failed   int                     `json:"failed"` // outcome other than ok
	Rate     stats.Interval          `json:"rate"`   // exact for independent requests; requests of one trial are one cluster, see Cell.Trials
	Kinds    map[history.Outcome]int `json:"kinds"`
	PerClass []ClassCount            `json:"perClass"`
}

// ClassCount is the same for one connection class and class of clients.
type ClassCount struct {
	Class  history.Class           `json:"class"`
	Client string                  `json:"client,omitempty"` // naive or retrying; "" is careful
	N      int                     `json:"n"`
	Failed int                     `json:"failed"`
	Rate   stats.Interval          `json:"rate"`
	Kinds  map[history.Outcome]int `json:"kinds"`
}

// Trial is one judged execution of one plan.
type Trial struct {
	Key        string            `json:"key"`
	Scenario   string            `json:"scenario"`
	Subject    string            `json:"subject"`
	Variant    string            `json:"variant,omitempty"`
	Trial      int               `json:"trial"`
	Runtime    string            `json:"runtime"`
	Status     string            `json:"status"`
	Verdict    Verdict           `json:"verdict"`
	Took       int64             `json:"took"` // ns from T0 to the last event; 0 if the load never started
	Reasons    []string          `json:"reasons"`
	Notes      []string          `json:"notes,omitempty"`      // what the bed or a node had to say: versions, what was missing
	Violations []check.Violation `json:"violations,omitempty"` // at most 20, with evidence
	Found      int               `json:"found"`                // violations in all
	Requests   []EpochCount      `json:"requests"`
	Faults     []FaultBite       `json:"faults,omitempty"`
	Validity   Validity          `json:"validity"`
	Drain      *Drain            `json:"drain,omitempty"`
	Recovery   *int64            `json:"recovery,omitempty"`
	Blast      *Blast            `json:"blast,omitempty"`
	Starting   []StartCell       `json:"starting,omitempty"`
	TLS        []TLSCell         `json:"tls,omitempty"`
	Ambiguous  int               `json:"ambiguous"` // the origin completed it, the client saw a failure
	Sweep      []Instant         `json:"sweep,omitempty"`
}

// FaultBite is one planned fault and the proof that it bit.
type FaultBite struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Leg     string `json:"leg,omitempty"`
	At      int64  `json:"at"`              // planned, ns from T0; 0 if it waits for an event
	After   string `json:"after,omitempty"` // the event that it waits for
	Real    int64  `json:"real"`            // realised, ns from T0; 0 if it never took effect
	End     int64  `json:"end"`             // realised end, ns from T0: lifted, or the subject gone or ready again, or the trial over
	Bites   int64  `json:"bites"`           // what it touched
	Touched string `json:"touched"`         // the unit of Bites: connections, requests, signals

	Settings []Setting `json:"settings,omitempty"` // its times, rates and shares that this host's calibration covers
}

// Setting is what a fault was told, and how exactly such is kept on this host.
type Setting struct {
	Param string        `json:"param"`
	Asked float64       `json:"asked"` // in the gauge's unit
	Gauge history.Gauge `json:"gauge"`
}

// Validity is what decides whether a trial counts.
type Validity struct {
	Planned     int   `json:"planned"`     // arrivals
	Begun       int   `json:"begun"`       // of which were sent
	SendLagP50  int64 `json:"sendLagP50"`  // ns from planned instant to the sender's start
	SendLagP99  int64 `json:"sendLagP99"`  //
	Controls    int   `json:"controls"`    // control requests, straight to the origin
	ControlsBad int   `json:"controlsBad"` // of which failed
	ControlP99  int64 `json:"controlP99"`  // ns

	GeneratorCPU float64 `json:"generatorCpu,omitempty"` // share of the machine's CPU time that the load used; 0 if unknown
}

// Drain is what one drain looked like. Times are ns after the first signal.
type Drain struct {
	Time         stats.Duration `json:"time"` // first signal → true exit
	Grace        int64          `json:"grace"`
	ExitCode     int            `json:"exitCode"`
	ExitSignal   string         `json:"exitSignal,omitempty"`
	Signals      int            `json:"signals"` // how many were sent
	Via          string         `json:"via"`     // pidfd, kill or api: how precise the times are
	FirstRefused *int64         `json:"firstRefused,omitempty"`
	FirstHung    *int64         `json:"firstHung,omitempty"`
	FirstReset   *int64         `json:"firstReset,omitempty"`
	InFlight     []Fate         `json:"inFlight"`   // what became of everything in flight at the signal
	Stragglers   int            `json:"stragglers"` // processes that outlived the subject
	Notices      int            `json:"notices"`    // responses after the signal that announced Connection: close, GOAWAYs, WebSocket close frames
}

// Fate counts one outcome of one class of what was in flight.
type Fate struct {
	Class   history.Class   `json:"class"`
	Outcome history.Outcome `json:"outcome"`
	N       int             `json:"n"`
	LastNs  int64           `json:"lastNs"` // when the last of them ended, ns after the signal
}

// Blast is the radius of one crash.
type Blast struct {
	Hook       string `json:"hook"`
	Faulty     string `json:"faulty"`     // outcome of the request that crashed
	Bystanders int    `json:"bystanders"` // requests in flight at the crash, or planned while it lasted
	Suffered   []Fate `json:"suffered"`   // of which did not end ok, or were late
	Longest    int64  `json:"longest"`    // ns from the crash to the last bystander that suffered
	WorstDelay int64  `json:"worstDelay"` // ns, the slowest bystander's latency
	Lived      bool   `json:"lived"`      // the process lived
	ExitCode   int    `json:"exitCode,omitempty"`
}

// StartCell is one signal during start-up.
type StartCell struct {
	Offset int64          `json:"offset"` // ns after the process existed
	Real   int64          `json:"real"`   // realised
	Time   stats.Duration `json:"time"`   // signal → exit
	Code   int            `json:"code"`
	Signal string         `json:"signal,omitempty"`
	Served bool           `json:"served"` // it answered its readiness probe after the signal: the signal was lost

	TooEarly bool `json:"tooEarly,omitempty"` // lost, since a PID 1 without a handler never gets it
}

// TLSCell is one chain judged by one verifier: on the back leg the subject
// itself, on the front leg a client.
type TLSCell struct {
	Case       string `json:"case"`
	Oracle     string `json:"oracle"` // must-accept, must-reject, local-policy
	Clause     string `json:"clause"`
	Leg        string `json:"leg"`
	Verifier   string `json:"verifier"`
	Verdict    string `json:"verdict"`
	Status     int    `json:"status,omitempty"`
	Alert      string `json:"alert,omitempty"`
	Handshakes int    `json:"handshakes"`
	Agrees     bool   `json:"agrees"` // with the oracle; local policy is only against hang, crash and unreachable
	Ns         int64  `json:"ns"`     // time to the answer
	Detail     string `json:"detail,omitempty"`
}
