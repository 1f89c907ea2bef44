package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"faultbed/proxy"
	"faultbed/reports"
	"faultbed/reports/history"
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"golang.org/x/term"
)

// progress shows what runs, what is left and the time so far: one line that is
// rewritten on a terminal, one line per finished trial elsewhere.
type progress struct {
	w     io.Writer
	tty   bool
	quiet bool
	start time.Time
	mu    sync.Mutex
	last  campaign.Progress
	stop  chan struct{}
	once  sync.Once
}

func newProgress(f *os.File, quiet bool) *progress {
	p := &progress{w: f, tty: term.IsTerminal(int(f.Fd())), quiet: quiet, start: time.Now(), stop: make(chan struct{})}
	if !quiet {
		go p.tick()
	}
	return p
}

// tick shows the status anew: often on a terminal, elsewhere so that a log shows
// signs of life.
func (p *progress) tick() {
	every := 30 * time.Second
	if p.tty {
		every = 200 * time.Millisecond
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-t.C:
			p.mu.Lock()
			p.status()
			p.mu.Unlock()
		}
	}
}

func (p *progress) elapsed() string {
	d := time.Since(p.start).Round(time.Second)
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

func (p *progress) step(s campaign.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = s
	if p.quiet {
		return
	}
	switch s.Stage {
	case "trial":
		if p.tty {
			p.status()
		}
	case "done":
		p.line(fmt.Sprintf("%s [%*d/%d] %s%s%s", p.elapsed(), len(fmt.Sprint(s.Total)), s.Done, s.Total, s.Text, rest(s), problem(s.Err)))
	default:
		p.line(fmt.Sprintf("%s %s", p.elapsed(), s.Text))
	}
}

// rest is what is left after a trial and what runs meanwhile.
func rest(s campaign.Progress) string {
	left := s.Total - s.Done
	switch {
	case left == 0:
		return ""
	case len(s.Running) == 0:
		return fmt.Sprintf(" (%d left)", left)
	}
	return fmt.Sprintf(" (%d left, running: %s)", left, strings.Join(s.Running, ", "))
}

func problem(err error) string {
	if err == nil {
		return ""
	}
	return ": " + strings.ReplaceAll(err.Error(), "\n", "; ")
}

func (p *progress) line(s string) {
	if p.tty {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	fmt.Fprintln(p.w, s)
}

func (p *progress) status() {
	if p.last.Total == 0 {
		return
	}
	s := fmt.Sprintf("%s  %d of %d done%s", p.elapsed(), p.last.Done, p.last.Total, rest(p.last))
	if p.tty {
		fmt.Fprintf(p.w, "\r\x1b[K%s", s[:min(len(s), 110)])
	} else {
		fmt.Fprintln(p.w, s)
	}
}

func (p *progress) end() {
	p.once.Do(func() {
		close(p.stop)
		if p.tty && !p.quiet {
			fmt.Fprint(p.w, "\r\x1b[K")
		}
	})
}

var marks = map[verdict.Verdict]string{verdict.Pass: "ok  ", verdict.Fail: "FAIL", verdict.Inconclusive: "?   "}

// printTable prints scenario × subject: verdict and headline figure of each.
func printTable(w io.Writer, r verdict.Result) {
	var subjects, rows []string
	cells := map[string]string{}
	width := map[string]int{}
	for _, c := range r.Cells {
		row := c.Scenario
		if c.Variant != "" {
			row += " " + c.Variant
		}
		if !slices.Contains(subjects, c.Subject) {
			subjects = append(subjects, c.Subject)
		}
		if !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
		text := marks[c.Verdict] + " " + c.Headline
		cells[row+"\x00"+c.Subject] = text
		width[c.Subject] = max(width[c.Subject], len(text), len(c.Subject))
	}
	slices.SortStableFunc(rows, func(a, b string) int { return strings.Compare(a, b) })
	first := len("scenario")
	for _, row := range rows {
		first = max(first, len(row))
	}
	line := func(head string, of func(string) string) {
		s := fmt.Sprintf("%-*s", first, head)
		for _, sub := range subjects {
			s += fmt.Sprintf("  %-*s", width[sub], of(sub))
		}
		fmt.Fprintln(w, strings.TrimRight(s, " "))
	}
	line("scenario", func(s string) string { return s })
	for _, row := range rows {
		line(row, func(s string) string { return cells[row+"\x00"+s] })
	}
}

// printProblems names each cell that did not pass, in two lines: why, and where
// its evidence is and how to see the same again.
func printProblems(w io.Writer, dir string, r verdict.Result) {
	for _, c := range r.Cells {
		if c.Verdict == verdict.Pass {
			continue
		}
		why := strings.ReplaceAll(c.Reason, "\n", "; ")
		fmt.Fprintf(w, "\n%s %s on %s%s: %s\n", strings.TrimSpace(marks[c.Verdict]), c.Scenario, c.Subject, variant(c.Variant), clip(why, 200))
		if key := example(r, c); key != "" {
			fmt.Fprintf(w, "     %s#trial-%s; again: faultbed replay %s --trial %s%s\n", filepath.Join(dir, reports.HTMLFile), key, dir, key, own(r, c.Subject))
		}
	}
}

// example is the key of the first trial with its cell's verdict.
func example(r verdict.Result, c verdict.Cell) string {
	for _, t := range r.Trials {
		if t.Scenario == c.Scenario && t.Subject == c.Subject && t.Variant == c.Variant && t.Verdict == c.Verdict {
			return t.Key
		}
	}
	return ""
}

// own is the flag that a replay needs for a subject that is not built in: the
// files that the run was given.
func own(r verdict.Result, subject string) (flags string) {
	all, _ := proxy.Embedded()
	if slices.ContainsFunc(all, func(s *proxy.Spec) bool { return s.Name == subject }) {
		return ""
	}
	for i, arg := range r.Manifest.Args {
		value, joined := strings.CutPrefix(arg, "--subject=")
		if !joined && i > 0 && r.Manifest.Args[i-1] == "--subject" {
			value = arg
		}
		for file := range strings.SplitSeq(value, ",") {
			if isFile(file) && (joined || r.Manifest.Args[max(i-1, 0)] == "--subject") {
				flags += " --subject " + file
			}
		}
	}
	if flags == "" {
		return " --subject FILE"
	}
	return flags
}

func variant(v string) string {
	if v == "" {
		return ""
	}
	return " (" + v + ")"
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// printReplay shows each fault as planned, as realised then, and as realised now.
func printReplay(w io.Writer, old *history.Run, out string, now verdict.Result) {
	fmt.Fprintf(w, "\nreplay of %s in %s: times in ms from T0\n%-44s %-6s %-18s %9s %9s %9s %8s %8s\n", old.Dir, out, "trial", "id", "fault", "planned", "then", "now", "bit then", "bit now")
	for _, t := range old.Trials {
		then := verdict.JudgeTrial(t)
		i := slices.IndexFunc(now.Trials, func(n verdict.Trial) bool { return n.Key == then.Key })
		if i < 0 {
			continue
		}
		for _, f := range then.Faults {
			fmt.Fprintf(w, "%-44s %-6s %-18s %9s %9s", then.Key, f.ID, f.Kind, planned(f), realised(f))
			if n, ok := sameFault(now.Trials[i].Faults, f); ok {
				fmt.Fprintf(w, " %9s %8d %8d", realised(n), f.Bites, n.Bites)
			} else {
				fmt.Fprintf(w, " %9s %8d %8s", "–", f.Bites, "–")
			}
			if f.After != "" {
				fmt.Fprintf(w, "  after %s", f.After)
			}
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%-44s verdict %s then, %s now\n", then.Key, then.Verdict, now.Trials[i].Verdict)
	}
}

// sameFault finds a planned fault in another execution: its plan may have been
// damaged, or written by another version.
func sameFault(all []verdict.FaultBite, f verdict.FaultBite) (verdict.FaultBite, bool) {
	i := slices.IndexFunc(all, func(n verdict.FaultBite) bool {
		return n.Kind == f.Kind && n.At == f.At && n.After == f.After && n.ID == f.ID
	})
	if i < 0 {
		return verdict.FaultBite{}, false
	}
	return all[i], true
}

// planned is when a fault was to begin: what waits for an event has no time.
func planned(f verdict.FaultBite) string {
	if f.After != "" {
		return "event"
	}
	return fmt.Sprintf("%.1f", msOf(f.At))
}

// realised is when it began.
func realised(f verdict.FaultBite) string {
	if f.After != "" && f.Real == 0 {
		return "never"
	}
	return fmt.Sprintf("%.1f", msOf(f.Real))
}

func msOf(ns int64) float64 { return float64(ns) / 1e6 }
