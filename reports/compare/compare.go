// Package compare tells two series of trials apart: two judged runs, cell by
// cell, or two subjects of one run whose trials were interleaved, pair by pair.
//
// Of each cell it compares how often trials fail and how long drains take, with
// exact tests (Boschloo's and a permutation of the log-rank test; McNemar's and
// the sign test for pairs), the size of the difference with its interval, and
// what the numbers of trials could have shown at all. A cell is worse or better
// only at 5 %, two-sided; otherwise no difference was seen, or these trials
// can't tell. Among many cells one in twenty differs by chance: [Report] says
// which survive Holm's correction for that.
//
// It judges nothing: a gate does, which see. Start with [Runs] and [Within].
package compare

import (
	"fmt"
	"slices"

	"faultbed/reports/stats"
	"faultbed/reports/verdict"
)

// Alpha is the level of the words worse and better, two-sided.
const Alpha = 0.05

// conf is the confidence of every interval here.
const conf = 1 - Alpha

// Change is what became of a cell from A to B.
type Change string

// Changes.
const (
	Worse   Change = "worse"
	Better  Change = "better"
	Same    Change = "no difference seen"
	Unknown Change = "can't tell"
	OnlyInA Change = "only in A"
	OnlyInB Change = "only in B"
	Differs Change = "the scenario differs"
)

// holmNote is the number of comparisons from which one false alarm is to be
// expected at 5 %.
const holmNote = 20

// Side is one series' figures of a cell.
type Side struct {
	Verdict verdict.Verdict `json:"verdict"`
	Trials  stats.Interval  `json:"trials"` // failed of decided trials
	During  stats.Interval  `json:"during"` // failed requests while the fault acted
	Drain   *stats.Survival `json:"drain,omitempty"`
}

// Row is one cell in both series. A side that lacks it is nil.
type Row struct {
	Scenario    string    `json:"scenario"`
	Subject     string    `json:"subject"`
	SubjectB    string    `json:"subjectB,omitempty"` // if it is not Subject
	Variant     string    `json:"variant,omitempty"`
	A           *Side     `json:"a,omitempty"`
	B           *Side     `json:"b,omitempty"`
	Change      Change    `json:"change"`
	Why         string    `json:"why"`
	Interleaved bool      `json:"interleaved,omitempty"` // pairs were measured side by side
	Failures    *Failures `json:"failures,omitempty"`
	Drains      *Drains   `json:"drains,omitempty"`
}

// Failures compares how often trials fail.
type Failures struct {
	stats.Difference         // of the share of failed trials, B's minus A's
	Change           Change  `json:"change"`
	Worse            float64 `json:"worse"`  // one-sided p of "B fails more often"
	Better           float64 `json:"better"` // one-sided p of "B fails less often"
	Pairs            int     `json:"pairs,omitempty"`
	OnlyA            int     `json:"onlyA,omitempty"` // pairs of which A alone failed
	OnlyB            int     `json:"onlyB,omitempty"`
	Least            int     `json:"least"` // of B's trials that must fail to be told worse; -1: not even all
	LeastOf          int     `json:"leastOf"`
}

// Drains compares how long drains take.
type Drains struct {
	stats.Shift         // of the median drain, B's minus A's, ns; paired: median of differences
	Change      Change  `json:"change"`
	Slower      float64 `json:"slower"` // one-sided p of "B takes longer"
	Faster      float64 `json:"faster"` // one-sided p of "B takes less"
	Pairs       int     `json:"pairs,omitempty"`
	Chi2        float64 `json:"chi2,omitempty"` // of the log-rank test
	Least       int64   `json:"least"`          // ns by which B must be slower to be told so; -1: no time is enough, 0: not computed
}

// Options of a comparison.
type Options struct {
	// Failed tells which decided trials count as failed; those whose verdict is
	// fail if nil. A gate excuses known failures so.
	Failed func(verdict.Trial) bool
}

func (o Options) failed(t verdict.Trial) bool {
	if o.Failed != nil {
		return o.Failed(t)
	}
	return t.Verdict == verdict.Fail
}

type key struct{ scenario, subject, variant string }

// Runs compares b with a, in a's order, then what only b has. Trials of the two
// are independent of each other.
func Runs(a, b verdict.Result, opt Options) Report {
	as, bs := opt.cells(a), opt.cells(b)
	var rows []Row
	for _, k := range keys(a, b) {
		r := Row{Scenario: k.scenario, Subject: k.subject, Variant: k.variant}
		if a.Manifest.Seed == b.Manifest.Seed && unlike(as[k], bs[k]) {
			rows = append(rows, r.differs(as[k], bs[k]))
		} else {
			rows = append(rows, r.apart(as[k], bs[k]))
		}
	}
	out := newReport(rows, false)
	out.Notes = Unlike(a, b)
	return out
}

// unlike tells whether two cells of one seed had different plans: then their
// scenario, or what the subject can be sent, is another.
func unlike(a, b *cell) bool {
	return a != nil && b != nil && a.plan != "" && b.plan != "" && a.plan != b.plan
}

// differs is a row of two scenarios of one name, of which neither is better.
func (r Row) differs(a, b *cell) Row {
	r.A, r.B, r.Change = &a.Side, &b.Side, Differs
	r.Why = "with the same seed the plans differ: the scenario was changed, or what the subject declares, or faultbed"
	return r
}

// Unlike says what else than the subject differs between two runs.
func Unlike(a, b verdict.Result) (out []string) {
	if x, y := a.Manifest.Runtime, b.Manifest.Runtime; x != y {
		out = append(out, fmt.Sprintf("A was measured in runtime %s, B in %s: a difference may be theirs", x, y))
	}
	if x, y := a.Manifest.Seed, b.Manifest.Seed; x != y {
		out = append(out, fmt.Sprintf("A has seed %d, B %d: their plans differ, and whether the scenarios do can't be told", x, y))
	}
	return out
}

// Subjects compares subject y of run b with subject x of run a as [Runs] does.
func Subjects(a verdict.Result, x string, b verdict.Result, y string, opt Options) Report {
	as, bs := opt.cells(a), opt.cells(b)
	var rows []Row
	for _, k := range keys(of(a, x, ""), of(b, y, x)) {
		r := Row{Scenario: k.scenario, Subject: x, SubjectB: other(x, y), Variant: k.variant}
		rows = append(rows, r.apart(as[key{k.scenario, x, k.variant}], bs[key{k.scenario, y, k.variant}]))
	}
	out := newReport(rows, false)
	out.Notes = Unlike(a, b)
	return out
}

// of keeps a subject's cells, under another name if one is given.
func of(r verdict.Result, subject, as string) (out verdict.Result) {
	for _, c := range r.Cells {
		if c.Subject != subject {
			continue
		}
		if as != "" {
			c.Subject = as
		}
		out.Cells = append(out.Cells, c)
	}
	return out
}

func other(x, y string) string {
	if x == y {
		return ""
	}
	return y
}

func keys(rs ...verdict.Result) []key {
	var out []key
	for _, r := range rs {
		for _, c := range r.Cells {
			if k := (key{c.Scenario, c.Subject, c.Variant}); !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	return out
}

// cell is a cell's figures and the trials behind them.
type cell struct {
	Side
	plan   string          // its digest
	trials []verdict.Trial // decided ones
	drains []stats.Duration
}

func (o Options) cells(r verdict.Result) map[key]*cell {
	out := map[key]*cell{}
	for _, c := range r.Cells {
		s := &cell{plan: c.Plan, Side: Side{Verdict: c.Verdict, Drain: c.Drain}}
		if len(c.Requests) > 1 {
			s.During = c.Requests[1].Rate
		}
		out[key{c.Scenario, c.Subject, c.Variant}] = s
	}
	for _, t := range r.Trials {
		c := out[key{t.Scenario, t.Subject, t.Variant}]
		if c == nil || t.Verdict == verdict.Inconclusive {
			continue
		}
		c.trials = append(c.trials, t)
		if t.Drain != nil {
			c.drains = append(c.drains, t.Drain.Time)
		}
	}
	for _, c := range out {
		c.Trials = stats.ClopperPearson(o.count(c.trials), len(c.trials), conf)
	}
	return out
}

func (o Options) count(ts []verdict.Trial) (n int) {
	for _, t := range ts {
		if o.failed(t) {
			n++
		}
	}
	return n
}

// alone fills a row that only one side has, and tells whether it did.
func (r *Row) alone(a, b *cell) bool {
	switch {
	case a == nil:
		r.Change, r.B = OnlyInB, &b.Side
	case b == nil:
		r.Change, r.A = OnlyInA, &a.Side
	default:
		r.A, r.B = &a.Side, &b.Side
		return false
	}
	return true
}

// apart compares two independent cells.
func (r Row) apart(a, b *cell) Row {
	if r.alone(a, b) {
		return r
	}
	x, y := a.Trials, b.Trials
	f := &Failures{Difference: stats.Newcombe(x.K, x.N, y.K, y.N, conf),
		Worse: stats.Boschloo(x.K, x.N, y.K, y.N), Better: stats.Boschloo(y.K, y.N, x.K, x.N), LeastOf: y.N, Least: -1}
	if x.N > 0 && y.N > 0 {
		f.Least = stats.LeastSeen(x.K, x.N, y.N, Alpha/2)
	}
	f.Change = word(f.Worse, f.Better, f.Least >= 0 || stats.LeastSeen(y.K, y.N, x.N, Alpha/2) >= 0)
	r.Failures = f
	if len(a.drains) > 0 && len(b.drains) > 0 {
		r.Drains = drains(a.drains, b.drains)
	}
	r.conclude()
	return r
}

func drains(a, b []stats.Duration) *Drains {
	t := stats.LogRank(a, b)
	d := &Drains{Shift: stats.Medians(a, b, conf), Slower: t.Slower, Faster: t.Faster, Chi2: t.Chi2, Least: stats.LeastShift(a, len(b), Alpha/2)}
	d.Change = word(d.Slower, d.Faster, d.Least >= 0)
	return d
}

// word says what one-sided p's allow to say; able tells whether any outcome of so
// many trials could have been told.
func word(worse, better float64, able bool) Change {
	switch {
	case worse <= Alpha/2:
		return Worse
	case better <= Alpha/2:
		return Better
	case able:
		return Same
	}
	return Unknown
}

// conclude sums a row up: worse beats better beats no difference.
func (r *Row) conclude() {
	found := []Change{r.Failures.Change}
	if r.Drains != nil {
		found = append(found, r.Drains.Change)
	}
	for _, c := range []Change{Worse, Better, Same, Unknown} {
		if slices.Contains(found, c) {
			r.Change = c
			break
		}
	}
	r.Why = r.why()
}
