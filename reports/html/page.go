package html

import (
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"time"

	"faultbed/reports/history"
	"faultbed/reports/internal/layout"
	"faultbed/reports/verdict"
)

// pageData is all that the template sees.
type pageData struct {
	R       verdict.Result
	CSS     template.CSS
	JS      template.JS
	Policy  string
	Matrix  []matrixGroup
	Columns []string
	Wide    int // columns of the matrix with that of the scenarios
	Counts  []count
	PerCell int // trials, if each has as many
	Took    string
	Command string
	Env     []pair
	Groups  []group
	Trials  []trial

	Declared []declared
}

// declared is what a subject's YAML declares.
type declared struct {
	Subject  string
	Declares []string
}

func declarations(r verdict.Result) (out []declared) {
	for _, c := range r.Cells {
		if len(c.Declares) > 0 && !slices.ContainsFunc(out, func(d declared) bool { return d.Subject == c.Subject }) {
			out = append(out, declared{c.Subject, c.Declares})
		}
	}
	return out
}

type pair struct{ Key, Value string }

type count struct {
	Verdict verdict.Verdict
	N       int
}

type matrixGroup struct {
	Name string
	Rows []matrixRow
}

type matrixRow struct {
	layout.Row
	Cells [][]slot
}

// slot is a cell of the matrix with the link to the trial that explains it.
type slot struct {
	layout.Slot
	Link   string
	Failed string // "2/5" where there are several trials
}

func newPage(r verdict.Result, drawings []*Drawing) pageData {
	m := layout.Of(r)
	d := pageData{R: r, CSS: template.CSS(style), JS: template.JS(script), Policy: policy(), Columns: m.Subjects, Wide: len(m.Subjects) + 1,
		Took: took(r.Manifest), Command: "faultbed " + strings.Join(r.Manifest.Args, " "), Env: environment(r.Manifest), Declared: declarations(r), PerCell: perCell(r.Cells)}
	n := layout.Count(r)
	for _, v := range []verdict.Verdict{verdict.Pass, verdict.Fail, verdict.Inconclusive} {
		d.Counts = append(d.Counts, count{v, n[v]})
	}
	for _, g := range m.Groups {
		rows := matrixGroup{Name: g.Name}
		for _, row := range g.Rows {
			rows.Rows = append(rows.Rows, matrixRow{row, slots(r, row)})
		}
		d.Matrix = append(d.Matrix, rows)
		d.Groups = append(d.Groups, newGroup(r, g))
	}
	d.Trials = newTrials(r, drawings)
	return d
}

// perCell is how many trials each cell has; 0 if they differ, as with a budget.
func perCell(cells []verdict.Cell) (n int) {
	for i, c := range cells {
		own := c.Trials.N + c.Undecided
		if i > 0 && own != n {
			return 0
		}
		n = own
	}
	return n
}

func slots(r verdict.Result, row layout.Row) [][]slot {
	out := make([][]slot, len(row.Slots))
	for i, ss := range row.Slots {
		for _, s := range ss {
			out[i] = append(out[i], newSlot(r, s))
		}
	}
	return out
}

func newSlot(r verdict.Result, s layout.Slot) slot {
	out := slot{Slot: s}
	if s.Cell == nil {
		return out
	}
	if t, ok := layout.Worst(layout.Trials(r, *s.Cell)); ok {
		out.Link = "#" + anchor(t.Key)
	}
	if iv := s.Cell.Trials; iv.N > 1 && iv.K > 0 {
		out.Failed = fmt.Sprintf("%d/%d", iv.K, iv.N)
	}
	return out
}

func took(m history.Manifest) string {
	if m.Ended.IsZero() {
		return ""
	}
	return m.Ended.Sub(m.Started).Round(time.Second).String()
}

func environment(m history.Manifest) []pair {
	var out []pair
	for _, k := range slices.Sorted(maps.Keys(m.Subjects)) {
		out = append(out, pair{"subject " + k, m.Subjects[k]})
	}
	for _, k := range slices.Sorted(maps.Keys(m.Env)) {
		out = append(out, pair{k, m.Env[k]})
	}
	return out
}
