package html

import (
	"slices"
	"strconv"

	"faultbed/reports/check"
	"faultbed/reports/history"
	"faultbed/reports/internal/layout"
	"faultbed/reports/verdict"
)

// timeline is the data that timeline.js draws. Names are short and requests are
// stored by column, because there are tens of thousands of them. Times are in
// tens of microseconds from T0.
type timeline struct {
	Dur      int64             `json:"dur"`
	Grace    int64             `json:"grace,omitempty"`
	Phases   []phase           `json:"phases"`
	Faults   []fault           `json:"faults"`
	Nodes    []node            `json:"nodes"`
	Classes  []history.Class   `json:"classes"`
	Outcomes []history.Outcome `json:"outcomes"`
	Held     []bool            `json:"held"` // per class
	Req      requests          `json:"req"`
	Of       int               `json:"of,omitempty"`     // how many requests there were, where only some are drawn
	Counts   []int             `json:"counts,omitempty"` // of all of those, by outcome
	Bin      int64             `json:"bin,omitempty"`
	Rates    [][3]int64        `json:"rates,omitempty"` // of all of those: bin, outcome, how many requests ended
}

type phase struct {
	Name string `json:"name"`
	From int64  `json:"from"`
	To   int64  `json:"to"`
}

type fault struct {
	Label   string `json:"label"`
	At      int64  `json:"at"`  // planned
	For     int64  `json:"for"` // planned; 0: instantaneous or until the end
	From    int64  `json:"from"`
	To      int64  `json:"to"` // realised; both 0 if it never took effect
	Bites   int64  `json:"bites"`
	Touched string `json:"touched"`
}

// node is one replica's lives and the signals that it got.
type node struct {
	Name    string   `json:"name"`
	Lives   []life   `json:"lives"`
	Signals []signal `json:"signals"`
}

type life struct {
	From  int64  `json:"from"`
	Ready *int64 `json:"ready,omitempty"`
	To    *int64 `json:"to,omitempty"` // nil: it outlived the ledgers
	End   string `json:"end"`          // "exit 0", "SIGKILL"
	Bad   bool   `json:"bad"`          // killed by the bed
}

type signal struct {
	T    int64  `json:"t"`
	Name string `json:"name"`
}

// requests are columns of equal length; sparse ones are keyed by index.
type requests struct {
	ID     []string       `json:"id"`
	Plan   []int64        `json:"plan"` // planned instant, as the difference to the one before
	Lag    []int64        `json:"lag"`  // planned → begun
	Took   []int64        `json:"took"` // planned → end; -1 if no end was recorded
	Class  []int          `json:"class"`
	Out    []int          `json:"out"`
	Conn   []string       `json:"conn"`
	Status map[int]int    `json:"status"` // other than 200
	Detail map[int]string `json:"detail"`
	Bad    []int          `json:"bad"` // indexes of requests that a violation names
}

// tick is the resolution of a timeline.
const tick = 10_000

func newTimeline(v *check.View, t verdict.Trial) *timeline {
	tl := &timeline{Dur: v.Rel(v.EndT()) / tick, Phases: []phase{}, Faults: []fault{}, Nodes: []node{},
		Req: requests{Status: map[int]int{}, Detail: map[int]string{}, Bad: []int{}, ID: []string{}, Conn: []string{}}}
	if t.Drain != nil {
		tl.Grace = t.Drain.Grace / tick
	}
	for _, p := range phases(v) {
		tl.Phases = append(tl.Phases, phase{p.Name, p.From / tick, p.To / tick})
	}
	lasts := map[string]int64{}
	for _, w := range v.Windows {
		lasts[w.Fault.ID] = w.Fault.For
	}
	for _, f := range t.Faults {
		if f.After != "" { // no time was planned
			f.At = f.Real
		}
		tl.Faults = append(tl.Faults, fault{Label: label(f), At: f.At / tick, For: lasts[f.ID] / tick, From: f.Real / tick, To: f.End / tick, Bites: f.Bites, Touched: f.Touched})
	}
	for _, e := range v.Fault {
		tl.live(v.Rel(e.T)/tick, e)
	}
	tl.requests(v, t)
	return tl
}

// phases are the plan's, or, where a fault waited for its event, those that came of
// it.
func phases(v *check.View) []history.Phase {
	var from, to int64
	waited := false
	for _, w := range v.Windows {
		waited = waited || w.Fault.After != ""
		if w.From == 0 {
			continue
		}
		if from == 0 || w.From < from {
			from = w.From
		}
		to = max(to, w.To)
	}
	if !waited || from == 0 {
		return v.Plan.Phases
	}
	a, b, end := v.Rel(from), v.Rel(to), v.Rel(v.EndT())
	return []history.Phase{{Name: "baseline", To: a}, {Name: "fault", From: a, To: b}, {Name: "recovery", From: b, To: max(b, end)}}
}

func label(f verdict.FaultBite) string {
	s := f.ID + " " + f.Kind
	if f.Leg != "" {
		s += ", " + f.Leg + " leg"
	}
	if f.After != "" {
		s += ", after " + f.After
	}
	return s
}

// live follows the subject's processes.
func (tl *timeline) live(t int64, e history.Event) {
	switch e.Kind {
	case history.Start:
		n := tl.node(e.Node)
		n.Lives = append(n.Lives, life{From: t})
	case history.Signal:
		n := tl.node(e.Node)
		n.Signals = append(n.Signals, signal{t, e.Signal})
	case history.Ready, history.Killed, history.Exit:
		n := tl.node(e.Node)
		if len(n.Lives) == 0 {
			return
		}
		n.Lives[len(n.Lives)-1].note(t, e)
	}
}

func (l *life) note(t int64, e history.Event) {
	switch e.Kind {
	case history.Ready:
		l.Ready = &t
	case history.Killed:
		l.Bad = l.To == nil
	case history.Exit:
		l.To, l.End = &t, ending(e)
	}
}

func ending(e history.Event) string {
	if e.Signal != "" {
		return "SIG" + e.Signal
	}
	return "exit " + strconv.Itoa(e.Code)
}

func (tl *timeline) node(name string) *node {
	i := slices.IndexFunc(tl.Nodes, func(n node) bool { return n.Name == name })
	if i < 0 {
		i = len(tl.Nodes)
		tl.Nodes = append(tl.Nodes, node{Name: name, Lives: []life{}, Signals: []signal{}})
	}
	return &tl.Nodes[i]
}

// requests fills the columns in planned order.
func (tl *timeline) requests(v *check.View, t verdict.Trial) {
	for _, x := range v.Exchanges {
		if !slices.Contains(tl.Classes, x.Begin.Class) {
			tl.Classes = append(tl.Classes, x.Begin.Class)
		}
	}
	layout.SortClasses(tl.Classes)
	for _, c := range tl.Classes {
		tl.Held = append(tl.Held, c.IsHeld())
	}
	named := map[string]bool{}
	for _, x := range t.Violations {
		named[x.ID] = x.ID != ""
	}
	tl.Outcomes = history.Outcomes()
	drawn := v.Exchanges
	if len(drawn) > maxDrawn {
		drawn = pick(drawn, named)
		tl.total(v)
	}
	var last int64
	for i, x := range drawn {
		planned := v.Rel(x.Begin.Planned) / tick
		tl.Req.add(i, x, planned-last)
		tl.Req.Class = append(tl.Req.Class, slices.Index(tl.Classes, x.Begin.Class))
		tl.Req.Out = append(tl.Req.Out, slices.Index(tl.Outcomes, x.Outcome()))
		if named[x.Begin.ID] {
			tl.Req.Bad = append(tl.Req.Bad, i)
		}
		last = planned
	}
}

func (r *requests) add(i int, x *check.Exchange, delta int64) {
	r.ID = append(r.ID, x.Begin.ID)
	r.Plan = append(r.Plan, delta)
	r.Lag = append(r.Lag, (x.Begin.T-x.Begin.Planned)/tick)
	if x.End == nil {
		r.Took, r.Conn = append(r.Took, -1), append(r.Conn, "")
		return
	}
	r.Took = append(r.Took, (x.End.T-x.Begin.Planned)/tick)
	r.Conn = append(r.Conn, connOf(*x.End))
	if x.End.Status != 0 && x.End.Status != 200 {
		r.Status[i] = x.End.Status
	}
	if s := ended(*x.End); s != "" {
		r.Detail[i] = s
	}
}

func connOf(e history.Event) string {
	if e.Nth > 1 {
		return e.Conn + " #" + strconv.Itoa(e.Nth)
	}
	return e.Conn
}

// ended says where and why an arrival ended, if it did not end well.
func ended(e history.Event) string {
	s := layout.Clip(e.Detail, 200)
	if e.Phase != "" && e.Outcome != history.OK && e.Outcome != history.Held {
		s = "in " + e.Phase + ": " + s
	}
	return s
}
