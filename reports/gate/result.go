package gate

import (
	"cmp"
	"fmt"
	"strings"

	"faultbed/reports/internal/layout"
	"faultbed/reports/verdict"
)

// Version is the version of gate.json's shape.
const Version = 1

// FileName is the name of a gate's result in a run folder.
const FileName = "gate.json"

// Result is gate.json: what was decided, and on what.
type Result struct {
	Version    int             `json:"version"`
	Run        string          `json:"run"`
	File       string          `json:"file,omitempty"`     // the gate's file
	Baseline   string          `json:"baseline,omitempty"` // run id of the baseline
	Day        string          `json:"day"`                // UTC, by which known failures expire
	Sequential bool            `json:"sequential"`         // bounds hold at every look
	Verdict    verdict.Verdict `json:"verdict"`
	Reason     string          `json:"reason"`
	Decisions  []Decision      `json:"decisions"`
	Known      []Fate          `json:"known,omitempty"`
	Notes      []string        `json:"notes,omitempty"`
	Spent      *Spent          `json:"spent,omitempty"`
}

// Kinds of rules.
const (
	Promises  = "promises"
	Failures  = "failure_rate"
	DrainTime = "drain_time"
	Requests  = "requests_failed"
	Baseline  = "baseline"
)

// Decision is one rule on one cell.
type Decision struct {
	Kind     string          `json:"kind"`
	Rule     string          `json:"rule"`           // in words
	Line     int             `json:"line,omitempty"` // of the gate's file
	Scenario string          `json:"scenario"`
	Subject  string          `json:"subject"`
	Variant  string          `json:"variant,omitempty"`
	Verdict  verdict.Verdict `json:"verdict"`
	Figure   string          `json:"figure"`            // with its interval
	Lacking  string          `json:"lacking,omitempty"` // what it would take to decide
	Needed   int             `json:"needed"`            // clean trials; -1 if no sensible number is enough
	Excused  string          `json:"excused,omitempty"` // known failures that were
	Low      float64         `json:"low"`               // bounds of what is limited: a share, or ns
	High     *float64        `json:"high"`              // null: without bound
}

// Name is the decision's cell.
func (d Decision) Name() string {
	if d.Subject == "" {
		return d.Scenario
	}
	return d.Scenario + " on " + layout.Name(d.Subject, d.Variant)
}

// Text is the decision in one line, without its verdict.
func (d Decision) Text() string {
	s := d.Name() + ": " + d.Rule + ": " + d.Figure
	for _, more := range []string{d.Lacking, d.Excused} {
		if more != "" {
			s += "; " + more
		}
	}
	return s
}

// Fate is what became of a known failure.
type Fate struct {
	Where   string `json:"where"`
	Check   string `json:"check"`
	Reason  string `json:"reason"`
	Issue   string `json:"issue,omitempty"`
	Until   string `json:"until"`
	Line    int    `json:"line"`
	State   string `json:"state"` // excused, expired, absent, unmatched
	Trials  int    `json:"trials"`
	Message string `json:"message"`
}

// States of a known failure.
const (
	Excused   = "excused"   // it occurred, and is excused
	Expired   = "expired"   // its day is over: it excuses nothing
	Absent    = "absent"    // its cells ran and did not fail by it
	Unmatched = "unmatched" // no cell of the run is meant
)

// Spent is what a budget was spent on.
type Spent struct {
	Budget  int64       `json:"budget"` // ns
	Used    int64       `json:"used"`   // ns
	Trials  int         `json:"trials"`
	Stopped string      `json:"stopped"` // why it ended
	Cells   []SpentCell `json:"cells"`
}

// SpentCell is a cell's part of a budget.
type SpentCell struct {
	Name   string `json:"name"`
	Trials int    `json:"trials"`
	Ns     int64  `json:"ns"`
}

// Of is the gate's verdict on one cell, by all rules that were for it: fail beats
// inconclusive beats pass.
func (r Result) Of(scenario, subject, variant string) verdict.Verdict {
	out := verdict.Pass
	for _, d := range r.Decisions {
		if d.Scenario == scenario && d.Subject == subject && d.Variant == variant {
			out = worst(out, d.Verdict)
		}
	}
	return out
}

// About is what the gate said of one cell.
func (r Result) About(scenario, subject, variant string) string {
	var out []string
	for _, d := range r.Decisions {
		if d.Scenario == scenario && d.Subject == subject && d.Variant == variant {
			s := d.Rule + ": " + d.Figure
			if d.Excused != "" {
				s += "; " + d.Excused
			}
			out = append(out, s)
		}
	}
	return strings.Join(out, "; ")
}

var rank = map[verdict.Verdict]int{verdict.Pass: 0, verdict.Inconclusive: 1, verdict.Fail: 2}

func worst(a, b verdict.Verdict) verdict.Verdict {
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// conclude sums the decisions up.
func (r *Result) conclude(res verdict.Result) {
	n := map[verdict.Verdict]int{}
	r.Verdict = verdict.Pass
	for _, d := range r.Decisions {
		n[d.Verdict]++
		r.Verdict = worst(r.Verdict, d.Verdict)
	}
	r.Reason = fmt.Sprintf("of %d decisions %d failed and %d are open", len(r.Decisions), n[verdict.Fail], n[verdict.Inconclusive])
	if r.Verdict == verdict.Pass {
		r.Reason = fmt.Sprintf("all %d decisions passed", len(r.Decisions))
	}
	if open := Unfinished(res); open != "" {
		r.Verdict = worst(r.Verdict, verdict.Inconclusive)
		r.Reason += "; " + open
	}
}

// Unfinished says what of a run was not measured, or why nothing that it measured
// can be believed; nothing if all is well. Such a run passes no gate.
func Unfinished(res verdict.Result) string {
	var out []string
	if len(res.Cells) == 0 {
		out = append(out, "nothing was measured")
	}
	if n := len(res.Missing); n > 0 {
		out = append(out, fmt.Sprintf("%d planned trials never began, the first %s", n, res.Missing[0]))
	}
	if res.Manifest.Status != "complete" {
		out = append(out, "the run did not come to its end: it is "+cmp.Or(res.Manifest.Status, "of unknown state"))
	}
	if t := res.SelfTest; t != nil && t.Verdict != verdict.Pass {
		out = append(out, "the bed can't be trusted: "+t.Reason)
	}
	if gone := res.Unavailable(); gone != "" {
		out = append(out, gone)
	}
	return strings.Join(out, "; ")
}
