package markdown

import (
	"fmt"
	"strings"
	"time"

	"faultbed/reports/gate"
	"faultbed/reports/internal/layout"
	"faultbed/reports/verdict"
)

// gate says what a gate decided: what failed, what is open and what it lacks,
// what became of known failures, and, folded, what passed.
func (p *page) gate(g gate.Result) {
	p.put(fmt.Sprintf("\n### %s Gate, asked on %s: %s\n\n%s.%s\n", layout.Mark(g.Verdict), text(g.Day, maxWord), g.Verdict, text(g.Reason, maxReason), spent(g.Spent)))
	p.decisions(g, verdict.Fail, "failed")
	p.decisions(g, verdict.Inconclusive, "open")
	var known []string
	for _, k := range g.Known {
		known = append(known, "- "+text(k.Message, maxReason)+"\n")
	}
	p.section("\nKnown failures on "+text(g.Day, maxWord)+":\n\n", known, "", "known failures")
	var notes []string
	for _, n := range g.Notes {
		notes = append(notes, "- "+text(n, maxReason)+"\n")
	}
	p.section("\nNotes:\n\n", notes, "", "notes")
	var passed []string
	for _, d := range g.Decisions {
		if d.Verdict == verdict.Pass {
			passed = append(passed, "- "+text(d.Text(), maxReason)+"\n")
		}
	}
	p.folded(fmt.Sprintf("%d decisions passed", len(passed)), passed, "decisions")
}

func (p *page) decisions(g gate.Result, v verdict.Verdict, unit string) {
	var lines []string
	for _, d := range g.Decisions {
		if d.Verdict == v {
			lines = append(lines, fmt.Sprintf("- %s **%s**: %s\n", layout.Mark(v), text(d.Name(), maxWord), text(strings.TrimPrefix(d.Text(), d.Name()+": "), maxReason)))
		}
	}
	p.section("\n", lines, "", unit+" decisions")
}

func spent(s *gate.Spent) string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf(" %d trials in %v of %v: %s.", s.Trials, time.Duration(s.Used).Round(time.Second), time.Duration(s.Budget), text(s.Stopped, maxReason))
}
