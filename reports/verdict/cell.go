package verdict

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"faultbed/reports/history"
	"faultbed/reports/stats"
)

// cell judges one scenario on one subject over its trials.
func cell(p history.Plan, trials []Trial) Cell {
	c := Cell{Scenario: p.Scenario, Description: p.Description, Subject: p.Subject, Variant: p.Variant}
	c.Declares = p.Promise.Declares
	failed, decided := 0, 0
	var drains []stats.Duration
	for _, t := range trials {
		switch t.Verdict {
		case Fail:
			failed, decided = failed+1, decided+1
		case Pass:
			decided++
		}
		if t.Drain != nil && t.Verdict != Inconclusive {
			drains = append(drains, t.Drain.Time)
		}
		if t.Recovery != nil && (c.Recovery == nil || *t.Recovery > *c.Recovery) {
			r := *t.Recovery
			c.Recovery = &r
		}
	}
	c.Trials = stats.ClopperPearson(failed, decided, confidence)
	c.Undecided = len(trials) - decided
	c.Requests = mergeEpochs(trials)
	if len(drains) > 0 {
		s := stats.KaplanMeier(drains)
		c.Drain = &s
	}
	c.Verdict, c.Reason = cellVerdict(c, trials)
	c.Headline = headline(c, trials)
	return c
}

func cellVerdict(c Cell, trials []Trial) (Verdict, string) {
	first := func(v Verdict) string {
		i := slices.IndexFunc(trials, func(t Trial) bool { return t.Verdict == v })
		return strings.Join(trials[i].Reasons, "; ")
	}
	switch {
	case c.Trials.K > 0:
		return Fail, fmt.Sprintf("%d of %d trials failed: %s", c.Trials.K, c.Trials.N, first(Fail))
	case c.Undecided > 0:
		return Inconclusive, fmt.Sprintf("%d of %d trials are undecided: %s", c.Undecided, len(trials), first(Inconclusive))
	}
	return Pass, clean(c.Trials)
}

// goal is the failure rate of trials that a clean series is measured by.
const goal = 0.05

// clean says what a series without a failure is worth, and what is lacking. The
// interval is two-sided, so its upper bound alone holds at (1+confidence)/2.
func clean(i stats.Interval) string {
	s := fmt.Sprintf("0 of %d trials failed: at most %.0f %% of trials do, at 95 %%", i.N, 100*i.High)
	if more := stats.TrialsNeeded(goal, (1+confidence)/2) - i.N; more > 0 {
		s += fmt.Sprintf("; %d more clean ones would bring that to %.0f %%", more, 100*goal)
	}
	return s
}

func mergeEpochs(trials []Trial) []EpochCount {
	out := []EpochCount{{Epoch: "before"}, {Epoch: "during"}, {Epoch: "after"}}
	for _, t := range trials {
		for i, e := range t.Requests {
			out[i].merge(e)
		}
	}
	for i := range out {
		out[i].close()
	}
	return out
}

func (e *EpochCount) merge(from EpochCount) {
	if e.Kinds == nil {
		e.Kinds = map[history.Outcome]int{}
	}
	e.N, e.Failed = e.N+from.N, e.Failed+from.Failed
	addAll(e.Kinds, from.Kinds)
	for _, f := range from.PerClass {
		i := slices.IndexFunc(e.PerClass, func(c ClassCount) bool { return c.Class == f.Class && c.Client == f.Client })
		if i < 0 {
			i = len(e.PerClass)
			e.PerClass = append(e.PerClass, ClassCount{Class: f.Class, Client: f.Client, Kinds: map[history.Outcome]int{}})
		}
		c := &e.PerClass[i]
		c.N, c.Failed = c.N+f.N, c.Failed+f.Failed
		addAll(c.Kinds, f.Kinds)
	}
}

func addAll(into, from map[history.Outcome]int) {
	for k, n := range from {
		into[k] += n
	}
}

// headline is the one figure of a cell that a reader looks for.
func headline(c Cell, trials []Trial) string {
	t := trials[0]
	switch {
	case c.Drain != nil:
		return drainLine(*c.Drain.Median)
	case t.Blast != nil && t.Status == "complete":
		return blastLine(*t.Blast)
	case len(t.TLS) > 0:
		return tlsLine(t.TLS)
	case t.Starting != nil:
		return startLine(t.Starting)
	}
	if c.Verdict == Fail {
		return broken(trials)
	}
	if before := c.Requests[0]; c.Requests[1].N == 0 && before.N > 0 { // no fault acted
		return fmt.Sprintf("%d of %d failed", before.Failed, before.N)
	}
	return duringLine(c.Requests[1], c.Verdict)
}

// broken names what the first failed trial broke: "framing (6), trailers (23)".
func broken(trials []Trial) string {
	i := slices.IndexFunc(trials, func(t Trial) bool { return t.Verdict == Fail })
	var names []string
	for _, r := range trials[i].Reasons {
		if name, _, ok := strings.Cut(r, ": "); ok && strings.HasSuffix(name, ")") && len(names) < 2 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func drainLine(d stats.Duration) string {
	more := ""
	if d.Censored {
		more = "> "
	}
	if ns := time.Duration(d.Ns); ns < 100*time.Millisecond {
		return fmt.Sprintf("drain %s%.1f ms", more, float64(ns)/1e6)
	}
	return fmt.Sprintf("drain %s%.2f s", more, float64(d.Ns)/1e9)
}

// duringLine says of failures in a passed cell that they were the contract: a
// 502 while the origin is away is no blemish.
func duringLine(during EpochCount, v Verdict) string {
	if during.N == 0 {
		return "-"
	}
	s := fmt.Sprintf("%.1f %% failed", 100*float64(during.Failed)/float64(during.N))
	if v == Pass && during.Failed > 0 {
		s += ", as allowed"
	}
	return s
}

func blastLine(b Blast) string {
	n := 0
	for _, f := range b.Suffered {
		n += f.N
	}
	if !b.Lived {
		return fmt.Sprintf("died, %d hurt", n)
	}
	return fmt.Sprintf("lived, %d hurt", n)
}

func tlsLine(cells []TLSCell) string {
	agree, judged := 0, 0
	for _, c := range cells {
		if c.Oracle == "local-policy" || c.Verdict == "unreachable" {
			continue
		}
		judged++
		if c.Agrees {
			agree++
		}
	}
	return fmt.Sprintf("%d of %d right", agree, judged)
}

func startLine(cells []StartCell) string {
	ended, early := 0, 0
	for _, c := range cells {
		switch {
		case c.TooEarly:
			early++
		case !c.Served && !c.Time.Censored:
			ended++
		}
	}
	if early > 0 {
		return fmt.Sprintf("%d of %d ended, %d too early", ended, len(cells), early)
	}
	return fmt.Sprintf("%d of %d ended", ended, len(cells))
}
