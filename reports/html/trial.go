package html

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"faultbed/reports/check"
	"faultbed/reports/history"
	"faultbed/reports/internal/layout"
	"faultbed/reports/verdict"
)

// Bounds of the file's size. What they leave out is said in its place.
const (
	maxTimelines = 4_500_000 // bytes of timeline data in all
	maxEvidence  = 6000      // rows of evidence in all
	maxShown     = 5         // violations of one trial that are shown with evidence
)

// trial is one trial's part of the page.
type trial struct {
	verdict.Trial
	Scene      string // description of the scenario
	Seed       uint64
	Violations []violation
	Timeline   json.RawMessage
	NoTimeline string          // why there is none
	Classes    []history.Class // of what was in flight
	More       int             // violations beyond those listed

	Calibration *history.Calibration // of the run's host
}

type violation struct {
	check.Violation
	Steps   []step
	LeftOut bool
}

// step is one event of the evidence, in the column of the side that saw it.
type step struct {
	T, Since             string
	Client, Mid, Origin  string // what; in one of the three
	ClientIs, MidIs, OIs string // the kind
}

// Drawing is what the page shows of a trial's history, and all that is kept of
// it: some tens of kilobytes, however many requests there were.
type Drawing struct {
	key      string
	scene    string
	seed     uint64
	t0       int64
	timeline json.RawMessage
	none     string // why there is no timeline
}

// Draw makes the drawing of a trial that was judged.
func Draw(v *check.View, t verdict.Trial) (*Drawing, error) {
	d := &Drawing{key: t.Key, scene: v.Plan.Description, seed: v.Plan.Seed, t0: v.Info.T0}
	switch {
	case t.Status == history.Unreadable:
		d.none = "Its plan can't be read: " + v.Info.Error
	case d.t0 == 0:
		d.none = "The load never started: " + v.Info.Error
	default:
		data, err := json.Marshal(newTimeline(v, t))
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", t.Key, err)
		}
		d.timeline = data
	}
	return d, nil
}

// newTrials makes the trials' parts, in planned order. Timelines go first to
// failed trials, then to undecided ones, as long as there is room.
func newTrials(r verdict.Result, drawings []*Drawing) []trial {
	of := map[string]*Drawing{}
	for _, d := range drawings {
		of[d.key] = d
	}
	out := make([]trial, len(r.Trials))
	for i, t := range r.Trials {
		out[i] = trial{Trial: t, More: t.Found - len(t.Violations), Calibration: r.Manifest.Calibration}
		if t.Drain != nil {
			out[i].Classes = layout.Classes(t.Drain.InFlight)
		}
	}
	room, rows := maxTimelines, maxEvidence
	for _, i := range urgent(r.Trials) {
		d := of[out[i].Key]
		room -= out[i].draw(d, room)
		rows -= out[i].prove(d, rows)
	}
	return out
}

// urgent orders trials for the room that there is: failed, undecided, passed.
func urgent(ts []verdict.Trial) []int {
	var out []int
	for _, v := range []verdict.Verdict{verdict.Fail, verdict.Inconclusive, verdict.Pass} {
		for i, t := range ts {
			if t.Verdict == v {
				out = append(out, i)
			}
		}
	}
	return out
}

// draw adds the timeline if there is room, and returns its size.
func (t *trial) draw(d *Drawing, room int) int {
	if d == nil {
		t.NoTimeline = "The ledgers of this trial were not read."
		return 0
	}
	t.Scene, t.Seed, t.NoTimeline = d.scene, d.seed, d.none
	switch n := len(d.timeline); {
	case n == 0:
	case n > room:
		t.NoTimeline = "The timeline is left out to keep this file small; the ledgers are in the run folder."
	default:
		t.Timeline = d.timeline
		return n
	}
	return 0
}

// prove adds the violations with their evidence while there is room.
func (t *trial) prove(d *Drawing, room int) (used int) {
	for i, x := range t.Trial.Violations {
		v := violation{Violation: x}
		if d != nil && len(x.Evidence) > 0 {
			v.LeftOut = i >= maxShown || used+len(x.Evidence) > room
			if !v.LeftOut {
				v.Steps = steps(d.t0, x.Evidence)
				used += len(v.Steps)
			}
		}
		t.Violations = append(t.Violations, v)
	}
	return used
}

func steps(t0 int64, events []history.Event) []step {
	var out []step
	for i, e := range events {
		s := step{T: at(e.T - t0)}
		if i > 0 {
			s.Since = fmt.Sprintf("+%.2f", float64(e.T-events[i-1].T)/1e6)
		}
		s.put(e)
		out = append(out, s)
	}
	return out
}

// put sets an event into the column of the side that saw it.
func (s *step) put(e history.Event) {
	switch {
	case e.Node == "load" || e.Node == "verify":
		s.ClientIs, s.Client = string(e.Kind), details(e)
	case e.Node == "origin":
		s.OIs, s.Origin = string(e.Kind), details(e)
	default:
		s.MidIs, s.Mid = e.Node+" "+string(e.Kind), details(e)
	}
}

// details writes the fields of an event that are set, in a fixed order.
func details(e history.Event) string {
	if e.Kind == history.TLSCell { // its fields have meanings of their own
		return chain(e)
	}
	var out []string
	add := func(there bool, format string, args ...any) {
		if there {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	add(e.Class != "", "%s", e.Class)
	add(e.Outcome != "", "%s", e.Outcome)
	add(e.Verdict != "", "%s", e.Verdict)
	add(e.Status != 0, "status %d", e.Status)
	add(e.Phase != "", "in %s", e.Phase)
	add(e.Signal != "", "SIG%s", e.Signal)
	add(e.Code != 0 || e.Kind == history.Exit, "code %d", e.Code)
	add(e.PID != 0, "pid %d", e.PID)
	add(e.Via != "", "by %s", e.Via)
	add(e.Bytes != 0 && e.Want != 0, "%d of %d bytes", e.Bytes, e.Want)
	add(e.Bytes != 0 && e.Want == 0, "%d bytes", e.Bytes)
	add(e.Count != 0, "%d touched", e.Count)
	add(e.Conn != "", "conn %s #%d", e.Conn, e.Nth)
	add(e.Local != "", "from %s", e.Local)
	add(e.Peer != "", "peer %s", e.Peer)
	add(e.Closing, "announces close")
	add(e.Kind == history.Inject || e.Kind == history.Lift || e.Kind == history.Bite, "%s", e.ID)
	add(e.Detail != "", "%s", e.Detail)
	return strings.Join(out, ", ")
}

func chain(e history.Event) string {
	out := []string{e.ID, string(e.Class) + " says " + e.Verdict, e.Phase, e.Peer}
	if e.Status != 0 {
		out = append(out, "status "+strconv.Itoa(e.Status))
	}
	for _, s := range []string{e.Local, e.Detail} {
		if s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, ", ")
}

// Why is what the summary line of a trial says beside its verdict.
func (t trial) Why() string {
	if t.Verdict == verdict.Pass || len(t.Reasons) == 0 {
		return ""
	}
	return layout.Clip(t.Reasons[0], 160)
}

// PerClass joins the three epochs by class, for one table. Classes of clients are
// told apart: what a naive client suffers is not the subject's doing alone.
func (t trial) PerClass() []classRow {
	var classes []history.Class
	for _, e := range t.Requests {
		for _, c := range e.PerClass {
			if !slices.Contains(classes, c.Class) {
				classes = append(classes, c.Class)
			}
		}
	}
	layout.SortClasses(classes)
	var out []classRow
	for _, class := range classes {
		for _, client := range []string{"", "naive", "retrying"} {
			if row, any := t.classRow(class, client); any {
				out = append(out, row)
			}
		}
	}
	return out
}

func (t trial) classRow(class history.Class, client string) (row classRow, any bool) {
	row = classRow{Class: class, Client: client}
	for _, e := range t.Requests {
		i := slices.IndexFunc(e.PerClass, func(c verdict.ClassCount) bool { return c.Class == class && c.Client == client })
		if i < 0 {
			row.Epochs = append(row.Epochs, nil)
			continue
		}
		row.Epochs, any = append(row.Epochs, &e.PerClass[i]), true
	}
	return row, any
}

type classRow struct {
	Class  history.Class
	Client string                // naive or retrying; "" is careful
	Epochs []*verdict.ClassCount // nil where there were none
}
