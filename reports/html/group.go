package html

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"faultbed/reports/history"
	"faultbed/reports/internal/layout"
	"faultbed/reports/stats"
	"faultbed/reports/verdict"
)

// group is the tables of one group of scenarios. A table with no rows is not
// shown.
type group struct {
	Name     string
	Cells    []verdict.Cell // with requests
	Drains   []drainRow
	Classes  []history.Class // columns of the fate of what was in flight
	Starting []startRow
	Offsets  []int64
	Blasts   []verdict.Trial
	TLS      []tlsTable
}

// drainRow is one cell's drains over its trials.
type drainRow struct {
	verdict.Cell
	Grace                               int64
	Exits                               string
	Lost, InFlight                      int
	FirstRefused, FirstHung, FirstReset *int64 // the earliest of all trials
	Stragglers, Notices                 int
	Via                                 string
	Fates                               []verdict.Fate
}

type startRow struct {
	Name, Scenario string
	Cells          []startCell
}

type startCell struct {
	Text string
	Bad  bool
}

// tlsTable is one leg: cases × (subject, verifier).
type tlsTable struct {
	Leg      string
	Subjects []span
	Columns  []string // verifiers, below Subjects
	Rows     []tlsRow
}

type span struct {
	Name string
	Wide int
}

type tlsRow struct {
	Case, Oracle, Clause string
	Wrong                bool
	Cells                []tlsCell
}

type tlsCell struct {
	Mark, Verdict, More string
	Class               string // agree, wrong, policy, none
}

func newGroup(r verdict.Result, g layout.Group) group {
	out := group{Name: g.Name}
	var fates []verdict.Fate
	for _, c := range r.Cells {
		if layout.GroupOf(c.Scenario) != g.Name {
			continue
		}
		trials := layout.Trials(r, c)
		if c.Requests[0].N+c.Requests[1].N+c.Requests[2].N > 0 && trials[0].TLS == nil {
			out.Cells = append(out.Cells, c)
		}
		if row, ok := newDrainRow(c, trials); ok {
			out.Drains, fates = append(out.Drains, row), append(fates, row.Fates...)
		}
		out.addStarts(c, trials)
		for _, t := range trials {
			if t.Blast != nil {
				out.Blasts = append(out.Blasts, t)
			}
		}
	}
	out.Classes = layout.Classes(fates)
	for _, leg := range []string{"back", "front"} {
		if t := newTLSTable(r, g.Name, leg); len(t.Rows) > 0 {
			out.TLS = append(out.TLS, t)
		}
	}
	return out
}

func newDrainRow(c verdict.Cell, trials []verdict.Trial) (drainRow, bool) {
	row := drainRow{Cell: c}
	var exits []string
	for _, t := range trials {
		if t.Drain == nil {
			continue
		}
		d := *t.Drain
		row.Grace, row.Via = d.Grace, d.Via
		exits = append(exits, layout.ExitOf(d))
		lost, all := layout.Lost(d)
		row.Lost, row.InFlight = row.Lost+lost, row.InFlight+all
		row.Stragglers, row.Notices = row.Stragglers+d.Stragglers, row.Notices+d.Notices
		row.FirstRefused = earliest(row.FirstRefused, d.FirstRefused)
		row.FirstHung = earliest(row.FirstHung, d.FirstHung)
		row.FirstReset = earliest(row.FirstReset, d.FirstReset)
		row.Fates = append(row.Fates, d.InFlight...)
	}
	slices.Sort(exits)
	row.Exits = strings.Join(slices.Compact(exits), ", ")
	return row, exits != nil
}

func earliest(a, b *int64) *int64 {
	if a == nil || (b != nil && *b < *a) {
		return b
	}
	return a
}

func (g *group) addStarts(c verdict.Cell, trials []verdict.Trial) {
	for _, t := range trials {
		if len(t.Starting) == 0 {
			continue
		}
		row := startRow{Name: layout.Name(t.Subject, t.Variant), Scenario: c.Scenario}
		if len(trials) > 1 {
			row.Name += fmt.Sprintf(" trial %d", t.Trial)
		}
		for i, s := range t.Starting {
			if i >= len(g.Offsets) {
				g.Offsets = append(g.Offsets, s.Offset)
			}
			row.Cells = append(row.Cells, newStartCell(s))
		}
		g.Starting = append(g.Starting, row)
	}
}

func newStartCell(s verdict.StartCell) startCell {
	end := fmt.Sprintf("exit %d", s.Code)
	if s.Signal != "" {
		end = "SIG" + s.Signal
	}
	switch {
	case s.TooEarly:
		return startCell{"– too early: PID 1 had no handler yet", false}
	case s.Time.Censored && s.Served:
		return startCell{"✗ lost: it went on to serve", true}
	case s.Time.Censored:
		return startCell{"✗ alive after " + layout.Dur(s.Time.Ns), true}
	}
	return startCell{fmt.Sprintf("%s in %s", end, layout.Dur(s.Time.Ns)), false}
}

// column is one verifier of one subject's trials.
type column struct{ subject, verifier string }

// newTLSTable sets one leg's verdicts side by side, disagreements with the
// oracle first.
func newTLSTable(r verdict.Result, name, leg string) tlsTable {
	var columns []column
	var rows []tlsRow
	at := map[string]map[column][]verdict.TLSCell{}
	for _, t := range r.Trials {
		for _, c := range t.TLS {
			if c.Leg != leg || layout.GroupOf(t.Scenario) != name {
				continue
			}
			col := column{layout.Name(t.Subject, t.Variant), c.Verifier}
			if !slices.Contains(columns, col) {
				columns = append(columns, col)
			}
			if at[c.Case] == nil {
				at[c.Case] = map[column][]verdict.TLSCell{}
				rows = append(rows, tlsRow{Case: c.Case, Oracle: c.Oracle, Clause: c.Clause})
			}
			at[c.Case][col] = append(at[c.Case][col], c)
		}
	}
	out := tlsTable{Leg: leg, Rows: rows}
	for _, col := range columns {
		out.head(col)
	}
	for i := range rows {
		for _, col := range columns {
			c := newTLSCell(at[rows[i].Case][col])
			rows[i].Wrong = rows[i].Wrong || c.Class == "wrong"
			rows[i].Cells = append(rows[i].Cells, c)
		}
	}
	slices.SortStableFunc(rows, func(a, b tlsRow) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}

func rank(r tlsRow) int {
	if r.Wrong {
		return 0
	}
	return 1
}

func (t *tlsTable) head(c column) {
	t.Columns = append(t.Columns, c.verifier)
	if n := len(t.Subjects); n > 0 && t.Subjects[n-1].Name == c.subject {
		t.Subjects[n-1].Wide++
		return
	}
	t.Subjects = append(t.Subjects, span{c.subject, 1})
}

// newTLSCell shows one chain at one verifier over all trials: the first wrong
// one if there is any, else the first.
func newTLSCell(cs []verdict.TLSCell) tlsCell {
	if len(cs) == 0 {
		return tlsCell{Mark: layout.None, Class: "none"}
	}
	c := cs[max(slices.IndexFunc(cs, func(c verdict.TLSCell) bool { return !c.Agrees }), 0)]
	out := tlsCell{Mark: "✓", Verdict: c.Verdict, Class: "agree"}
	switch {
	case c.Verdict == "unreachable":
		out.Mark, out.Class = "?", "policy"
	case !c.Agrees:
		out.Mark, out.Class = "✗", "wrong"
	case c.Oracle == "local-policy":
		out.Mark, out.Class = "·", "policy"
	}
	out.More = strings.Join(answer(c), " · ")
	if n := differing(cs, c.Verdict); n > 0 {
		out.More += fmt.Sprintf(" · other in %d of %d trials", n, len(cs))
	}
	return out
}

func answer(c verdict.TLSCell) (out []string) {
	if c.Status != 0 {
		out = append(out, fmt.Sprint(c.Status))
	}
	if c.Alert != "" {
		out = append(out, c.Alert)
	}
	if c.Handshakes != 1 {
		out = append(out, fmt.Sprintf("%d handshakes", c.Handshakes))
	}
	return out
}

func differing(cs []verdict.TLSCell, verdict string) (n int) {
	for _, c := range cs {
		if c.Verdict != verdict {
			n++
		}
	}
	return n
}

// wide is the interval's bar: from, length and point on a scale of 0 to 1000.
func wide(i stats.Interval) [3]int {
	from, to := permille(i.Low), permille(i.High)
	return [3]int{from, max(to-from, 12), permille(float64(i.K) / float64(max(i.N, 1)))}
}
