package compare

import (
	"fmt"
	"strings"

	"faultbed/reports/internal/layout"
	"faultbed/reports/stats"
)

// Version is the version of a [Report]'s shape.
const Version = 1

// Report is a whole comparison.
type Report struct {
	Version     int      `json:"version"`
	Paired      bool     `json:"paired"`
	Rows        []Row    `json:"rows"`
	Comparisons int      `json:"comparisons"` // tests made: each may err at 5 %
	Sure        []string `json:"sure"`        // differences that survive Holm's correction for their number
	Summary     string   `json:"summary"`
	Notes       []string `json:"notes,omitempty"` // what else differs between the two runs
}

func newReport(rows []Row, paired bool) Report {
	r := Report{Version: Version, Paired: paired, Rows: rows, Sure: []string{}}
	var ps []float64
	var names []string
	for _, row := range rows {
		if f := row.Failures; f != nil {
			ps, names = append(ps, twoSided(f.Worse, f.Better)), append(names, row.Name()+": failures "+string(f.Change))
		}
		if d := row.Drains; d != nil {
			ps, names = append(ps, twoSided(d.Slower, d.Faster)), append(names, row.Name()+": drain time "+string(d.Change))
		}
	}
	for i, p := range stats.Holm(ps) {
		if p <= Alpha {
			r.Sure = append(r.Sure, names[i])
		}
	}
	r.Comparisons = len(ps)
	r.Summary = r.summary()
	return r
}

func twoSided(a, b float64) float64 { return min(1, 2*min(a, b)) }

// Name is a row's cell: "drain/sigterm on go [pid1]", or "… on go and python".
func (r Row) Name() string {
	s := r.Subject
	if r.SubjectB != "" {
		s += " and " + r.SubjectB
	}
	return r.Scenario + " on " + layout.Name(s, r.Variant)
}

func (r Report) summary() string {
	n := map[Change]int{}
	for _, row := range r.Rows {
		n[row.Change]++
	}
	var parts []string
	for _, c := range []Change{Worse, Better, Same, Unknown, OnlyInA, OnlyInB, Differs} {
		if n[c] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[c], c))
		}
	}
	s := fmt.Sprintf("%d cells: %s", len(r.Rows), strings.Join(parts, ", "))
	if r.Comparisons < holmNote {
		return s
	}
	return s + fmt.Sprintf("; of %d comparisons at 5 %% about %d differ by chance, %d differ beyond that (Holm)",
		r.Comparisons, int(Alpha*float64(r.Comparisons)+0.5), len(r.Sure))
}

// why says a row in figures.
func (r Row) why() string {
	s := r.FailuresText()
	if r.Drains != nil {
		s += "; " + r.DrainsText()
	}
	if r.Failures.Pairs > 0 && !r.Interleaved {
		s += "; not interleaved: what drifted meanwhile struck one side more"
	}
	return s
}

// FailuresText says how often trials failed, and the difference.
func (r Row) FailuresText() string {
	f := r.Failures
	s := fmt.Sprintf("failed trials %d/%d, then %d/%d", r.A.Trials.K, r.A.Trials.N, r.B.Trials.K, r.B.Trials.N)
	if f.Pairs > 0 {
		s = fmt.Sprintf("of %d pairs A alone failed in %d, B alone in %d", f.Pairs, f.OnlyA, f.OnlyB)
	}
	s += fmt.Sprintf(": %s, p %s", percent(f.Difference), shortP(twoSided(f.Worse, f.Better)))
	if f.Change == Same || f.Change == Unknown {
		s += "; " + r.Seen()
	}
	return s
}

// Seen is the smallest effect that so many trials could have shown.
func (r Row) Seen() string {
	f := r.Failures
	switch {
	case f.Pairs > 0 && f.Least < 0:
		return fmt.Sprintf("%d pairs can show nothing: it takes 6", f.Pairs)
	case f.Pairs > 0:
		return fmt.Sprintf("only %d pairs of %d that differ one way could have been seen", f.Least, f.Pairs)
	case r.A.Trials.N == 0 || r.B.Trials.N == 0:
		return "a side has no decided trial"
	case f.Least < 0:
		return fmt.Sprintf("%d + %d trials can show no change for the worse", r.A.Trials.N, r.B.Trials.N)
	}
	return fmt.Sprintf("with %d + %d trials only a change from %s to ≥ %s could have been seen",
		r.A.Trials.N, r.B.Trials.N, share(r.A.Trials.K, r.A.Trials.N), share(f.Least, f.LeastOf))
}

func share(k, n int) string { return fmt.Sprintf("%.0f %%", 100*float64(k)/float64(n)) }

func percent(d stats.Difference) string {
	return fmt.Sprintf("%+.0f %% [%+.0f, %+.0f]", 100*d.Value, 100*d.Low, 100*d.High)
}

func shortP(p float64) string {
	if p < 0.001 {
		return "< 0.001"
	}
	return fmt.Sprintf("%.2g", p)
}

// DrainsText says how long drains took, and the difference.
func (r Row) DrainsText() string {
	d := r.Drains
	s := fmt.Sprintf("median drain %s, then %s", drain(r.A.Drain), drain(r.B.Drain))
	if d.Ns != nil {
		s += ": " + signed(*d.Ns)
		if d.Low != nil || d.High != nil {
			s += fmt.Sprintf(" [%s, %s]", bound(d.Low), bound(d.High))
		}
	}
	s += ", p " + shortP(twoSided(d.Slower, d.Faster))
	if d.Change == Same && d.Least > 0 {
		s += ", a change of " + layout.Dur(d.Least) + " could have been seen"
	}
	if d.Change == Unknown {
		s += ", which so few drains can't tell from chance"
	}
	return s
}

func signed(ns int64) string {
	if ns > 0 {
		return "+" + layout.Dur(ns)
	}
	return layout.Dur(ns)
}

func bound(ns *int64) string {
	if ns == nil {
		return "unknown"
	}
	return signed(*ns)
}

func drain(s *stats.Survival) string {
	if s == nil || s.Median == nil {
		return "unknown"
	}
	if s.Median.Censored {
		return "> " + layout.Dur(s.Median.Ns)
	}
	return layout.Dur(s.Median.Ns)
}
