package layout

import (
	"slices"
	"strings"

	"faultbed/reports/verdict"
)

// Matrix is scenario × subject, the scenarios grouped by the first part of
// their name. Columns are Subjects; all orders are those of the plan.
type Matrix struct {
	Subjects []string
	Groups   []Group
}

// Group is the scenarios below one name: "network", "drain".
type Group struct {
	Name string
	Rows []Row
}

// Row is one scenario.
type Row struct {
	Scenario    string // "drain/sigterm"
	Description string
	Slots       [][]Slot // for each subject one slot per variant; empty if nothing was planned
}

// Slot is one cell of the matrix: measured (Cell), skipped (Skip says why), or
// planned and never begun (Missing).
type Slot struct {
	Variant string
	Cell    *verdict.Cell
	Skip    string
	Missing bool
}

// Of arranges a result.
func Of(r verdict.Result) Matrix {
	m := Matrix{}
	for i, c := range r.Cells {
		m.put(c.Scenario, c.Description, c.Subject, Slot{Variant: c.Variant, Cell: &r.Cells[i]})
	}
	for _, s := range r.Manifest.Skipped {
		m.put(s.Scenario, "", s.Subject, Slot{Variant: s.Variant, Skip: s.Reason})
	}
	for _, key := range r.Missing {
		m.miss(Split(key))
	}
	for g := range m.Groups {
		for i := range m.Groups[g].Rows {
			m.Groups[g].Rows[i].widen(len(m.Subjects))
		}
	}
	return m
}

// Key is a trial's key, taken apart: "drain/sigterm/go/pid1/2".
type Key struct{ Scenario, Subject, Variant, Trial string }

// Split takes a key apart. A scenario's name has two parts and a subject's one
// (their schemas say so); what has another shape is all scenario.
func Split(key string) Key {
	switch p := strings.Split(key, "/"); len(p) {
	case 4:
		return Key{p[0] + "/" + p[1], p[2], "", p[3]}
	case 5:
		return Key{p[0] + "/" + p[1], p[2], p[3], p[4]}
	}
	return Key{Scenario: key}
}

// GroupOf is the first part of a scenario's name.
func GroupOf(scenario string) string {
	g, _, _ := strings.Cut(scenario, "/")
	return g
}

func (m *Matrix) put(scenario, description, subject string, s Slot) {
	row := m.row(scenario)
	if row.Description == "" {
		row.Description = description
	}
	i := slices.Index(m.Subjects, subject)
	if i < 0 {
		i = len(m.Subjects)
		m.Subjects = append(m.Subjects, subject)
	}
	row.widen(i + 1)
	row.Slots[i] = append(row.Slots[i], s)
}

func (m *Matrix) row(scenario string) *Row {
	g := slices.IndexFunc(m.Groups, func(g Group) bool { return g.Name == GroupOf(scenario) })
	if g < 0 {
		g = len(m.Groups)
		m.Groups = append(m.Groups, Group{Name: GroupOf(scenario)})
	}
	group := &m.Groups[g]
	i := slices.IndexFunc(group.Rows, func(r Row) bool { return r.Scenario == scenario })
	if i < 0 {
		i = len(group.Rows)
		group.Rows = append(group.Rows, Row{Scenario: scenario})
	}
	return &group.Rows[i]
}

func (r *Row) widen(n int) {
	for len(r.Slots) < n {
		r.Slots = append(r.Slots, nil)
	}
}

// miss marks a cell of which no trial began.
func (m *Matrix) miss(k Key) {
	row := m.row(k.Scenario)
	if k.Subject == "" {
		return
	}
	if i := slices.Index(m.Subjects, k.Subject); i >= 0 {
		row.widen(i + 1)
		if slices.ContainsFunc(row.Slots[i], func(s Slot) bool { return s.Variant == k.Variant }) {
			return
		}
	}
	m.put(k.Scenario, "", k.Subject, Slot{Variant: k.Variant, Missing: true})
}

// Trials lists the trials of a cell, in order.
func Trials(r verdict.Result, c verdict.Cell) []verdict.Trial {
	var out []verdict.Trial
	for _, t := range r.Trials {
		if t.Scenario == c.Scenario && t.Subject == c.Subject && t.Variant == c.Variant {
			out = append(out, t)
		}
	}
	return out
}

// Worst is the trial that explains a cell's verdict: its first failed one, else
// its first undecided one, else its first.
func Worst(trials []verdict.Trial) (verdict.Trial, bool) {
	for _, v := range []verdict.Verdict{verdict.Fail, verdict.Inconclusive, verdict.Pass} {
		i := slices.IndexFunc(trials, func(t verdict.Trial) bool { return t.Verdict == v })
		if i >= 0 {
			return trials[i], true
		}
	}
	return verdict.Trial{}, false
}

// Count is how many cells have each verdict.
func Count(r verdict.Result) map[verdict.Verdict]int {
	out := map[verdict.Verdict]int{}
	for _, c := range r.Cells {
		out[c.Verdict]++
	}
	return out
}
