package markdown

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"faultbed/reports/gate"
	"faultbed/reports/internal/layout"
	"faultbed/reports/verdict"
)

// Limit is the most that a summary has, in bytes; GitHub's own limit of a comment
// is 65,536 characters.
const Limit = 60_000

// reserve is kept so that every section can say what it leaves out.
const reserve = 1500

// Most that is shown of one foreign text, in bytes before it is escaped.
const (
	maxReason = 500
	maxWord   = 80
)

// Write renders a judged run, and what gates decided of it before the matrix.
func Write(w io.Writer, r verdict.Result, gates ...gate.Result) error {
	p := &page{room: Limit}
	p.head(r, gates)
	p.foot = howTo
	p.room -= len(p.foot)
	for _, g := range gates {
		p.gate(g)
	}
	p.matrix(r)
	p.cells(r, verdict.Fail, "Failed")
	p.cells(r, verdict.Inconclusive, "Undecided")
	p.missing(r)
	p.skipped(r)
	p.environment(r)
	if _, err := io.WriteString(w, p.b.String()+p.foot); err != nil {
		return fmt.Errorf("summary.md: %w", err)
	}
	return nil
}

const howTo = "\nEvidence and timelines are in `report.html`. Judge the run again, with no Docker: `faultbed report DIR`. " +
	"Execute its plans again: `faultbed replay DIR`. DIR is the run's folder.\n"

// page is the text and the room that is left for more.
type page struct {
	b    strings.Builder
	room int
	foot string
}

func (p *page) put(s string) {
	p.b.WriteString(s)
	p.room -= len(s)
}

// section writes as many lines as there is room for, and says how many are
// left out. Without lines there is no section.
func (p *page) section(head string, lines []string, tail, unit string) {
	if len(lines) == 0 {
		return
	}
	n, fits := 0, p.room-len(head)-len(tail)-reserve
	for n < len(lines) && len(lines[n]) <= fits {
		fits -= len(lines[n])
		n++
	}
	if n > 0 {
		p.put(head + strings.Join(lines[:n], "") + tail)
	}
	if left := len(lines) - n; left > 0 {
		p.put(fmt.Sprintf("\n_%d of %d %s are left out to keep this short; they are in `report.html`._\n", left, len(lines), unit))
	}
}

// head has the last word on top: the gate's, if one was asked.
func (p *page) head(r verdict.Result, gates []gate.Result) {
	n := layout.Count(r)
	title := fmt.Sprintf("%s faultbed: %s", layout.Mark(r.Verdict), r.Verdict)
	if len(gates) > 0 {
		g := gates[len(gates)-1]
		title = fmt.Sprintf("%s faultbed gate: %s", layout.Mark(g.Verdict), g.Verdict)
	}
	p.put(fmt.Sprintf("## %s\n\n**%s.** %d cells passed, %d failed, %d undecided, %d skipped; %d trials judged, %d never began.\n",
		title, text(r.Reason, maxReason), n[verdict.Pass], n[verdict.Fail], n[verdict.Inconclusive],
		len(r.Manifest.Skipped), len(r.Trials), len(r.Missing)))
	if r.SelfTest != nil {
		p.put(fmt.Sprintf("\nSelf-test of the bed: %s %s\n", layout.Mark(r.SelfTest.Verdict), text(r.SelfTest.Reason, maxReason)))
	}
}

func (p *page) matrix(r verdict.Result) {
	m := layout.Of(r)
	head := "\n| scenario |"
	for _, s := range m.Subjects {
		head += " " + text(s, maxWord) + " |"
	}
	head += "\n| --- |" + strings.Repeat(" --- |", len(m.Subjects)) + "\n"
	var lines []string
	for _, g := range m.Groups {
		for _, row := range g.Rows {
			lines = append(lines, line(row))
		}
	}
	p.section(head, lines, "\n✓ kept its promises, ✗ broke one, ? undecided, – not measured.\n", "scenarios")
}

func line(row layout.Row) string {
	out := "| " + text(row.Scenario, maxWord) + " |"
	for _, slots := range row.Slots {
		var cells []string
		for _, s := range slots {
			cells = append(cells, slot(s))
		}
		out += " " + strings.Join(cells, "<br>") + " |"
	}
	return out + "\n"
}

// slot is one cell of the matrix: "✗ pid1: drain > 3.00 s (1/2)".
func slot(s layout.Slot) string {
	variant := ""
	if s.Variant != "" {
		variant = text(s.Variant, maxWord) + ": "
	}
	switch {
	case s.Cell == nil && s.Missing:
		return layout.None + " " + variant + "never began"
	case s.Cell == nil:
		return layout.None + " " + variant + "skipped"
	}
	out := layout.Mark(s.Cell.Verdict) + " " + variant + text(s.Cell.Headline, maxWord)
	if iv := s.Cell.Trials; iv.N > 1 && iv.K > 0 {
		out += fmt.Sprintf(" (%d/%d)", iv.K, iv.N)
	}
	return out
}

func (p *page) cells(r verdict.Result, v verdict.Verdict, title string) {
	var lines []string
	for _, c := range r.Cells {
		if c.Verdict == v {
			lines = append(lines, fmt.Sprintf("- **%s on %s**: %s\n", text(c.Scenario, maxWord), text(layout.Name(c.Subject, c.Variant), maxWord), text(c.Reason, maxReason)))
		}
	}
	p.section(fmt.Sprintf("\n### %s %s\n\n", layout.Mark(v), title), lines, "", strings.ToLower(title)+" cells")
}

func (p *page) missing(r verdict.Result) {
	var lines []string
	for _, key := range r.Missing {
		lines = append(lines, "- "+text(key, 2*maxWord)+"\n")
	}
	p.folded(fmt.Sprintf("%d planned trials never began", len(lines)), lines, "trials")
}

func (p *page) skipped(r verdict.Result) {
	var lines []string
	for _, s := range r.Manifest.Skipped {
		lines = append(lines, fmt.Sprintf("- %s on %s: %s\n", text(s.Scenario, maxWord), text(layout.Name(s.Subject, s.Variant), maxWord), text(s.Reason, maxReason)))
	}
	p.folded(fmt.Sprintf("%d skipped", len(lines)), lines, "skipped cells")
}

func (p *page) environment(r verdict.Result) {
	m := r.Manifest
	took := ""
	if !m.Ended.IsZero() {
		took = ", took " + m.Ended.Sub(m.Started).Round(time.Second).String()
	}
	lines := []string{
		fact("run", m.Run), fact("status", m.Status), fact("seed", fmt.Sprint(m.Seed)), fact("trials per cell", fmt.Sprint(m.Trials)),
		fact("started", m.Started.UTC().Format(time.RFC3339)+took), fact("runtime", m.Runtime+": "+m.Why), fact("command line", "faultbed "+strings.Join(m.Args, " ")),
	}
	if c := layout.Calibrated(m.Calibration); c != "" {
		lines = append(lines, fact("injectors", c))
	}
	for _, line := range layout.Settings(r) {
		lines = append(lines, "- "+text(line, maxReason)+"\n")
	}
	for _, k := range slices.Sorted(maps.Keys(m.Subjects)) {
		lines = append(lines, fact("subject "+k, m.Subjects[k]))
	}
	for _, k := range slices.Sorted(maps.Keys(m.Env)) {
		lines = append(lines, fact(k, m.Env[k]))
	}
	p.folded("Environment", lines, "facts")
}

func fact(name, value string) string {
	return "- " + text(name, maxWord) + ": " + text(value, maxReason) + "\n"
}

// folded is a section that is closed until someone opens it.
func (p *page) folded(title string, lines []string, unit string) {
	p.section("\n<details><summary>"+title+"</summary>\n\n", lines, "\n</details>\n", unit)
}
