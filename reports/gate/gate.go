package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"faultbed/reports/internal/layout"
	"faultbed/reports/stats"
	"faultbed/reports/verdict"
)

// Options of a judgement.
type Options struct {
	Day        time.Time       // today; its day in UTC counts
	Baseline   *verdict.Result // of File.Baseline, if there is one
	Sequential bool            // figures were looked at while the run was made
}

// goal is the failure rate that a cell without a limit is measured by, and conf
// the confidence.
const (
	goal = 0.05
	conf = 0.95
)

// judge is one judgement in the making.
type judge struct {
	file   *File
	opt    Options
	bounds stats.Bounds
	ex     *excuses
}

// Judge decides on a judged run. A run that was made with a budget is judged as
// sequential whatever the options say: see [IsSequential].
func Judge(r verdict.Result, f *File, opt Options) Result {
	opt.Sequential = opt.Sequential || IsSequential(r)
	j := judge{file: f, opt: opt, bounds: stats.Exact, ex: newExcuses(f.Known, opt.Day)}
	if opt.Sequential {
		j.bounds = stats.Sequential
	}
	j.ex.look(r)
	out := Result{Version: Version, Run: r.Manifest.Run, File: f.name, Day: j.ex.day.Format(time.DateOnly), Sequential: opt.Sequential, Decisions: []Decision{}}
	for _, c := range r.Cells {
		out.Decisions = append(out.Decisions, j.cell(c, trialsOf(r, c))...)
	}
	out.Decisions = append(out.Decisions, j.unmatched(r)...)
	if opt.Baseline != nil {
		j.baseline(&out, r)
	}
	out.Known = j.ex.fates()
	out.conclude(r)
	return out
}

// trialsOf are a cell's, in the order of their numbers: side by side they end in
// any order, and bounds that hold at every look depend on it.
func trialsOf(r verdict.Result, c verdict.Cell) []verdict.Trial {
	return slices.SortedStableFunc(slices.Values(layout.Trials(r, c)), func(a, b verdict.Trial) int { return cmp.Compare(a.Trial, b.Trial) })
}

// IsSequential tells whether a run was made with a budget, so that its number of
// trials depends on what they showed.
func IsSequential(r verdict.Result) bool {
	return slices.ContainsFunc(r.Manifest.Args, func(a string) bool { return a == "--budget" || strings.HasPrefix(a, "--budget=") })
}

// cell applies every rule that is for a cell.
func (j judge) cell(c verdict.Cell, trials []verdict.Trial) (out []Decision) {
	tolerated := false
	for _, l := range j.file.Limits {
		if !l.Matches(c.Scenario, c.Subject, c.Variant) {
			continue
		}
		tolerated = tolerated || l.FailureRate != 0
		d := j.limit(l, trials)
		d.Line, d.Rule = l.line, l.rule()
		out = append(out, d)
	}
	if !tolerated {
		out = append(out, j.promises(trials))
	}
	about := j.ex.about(trials)
	for i := range out {
		out[i].Scenario, out[i].Subject, out[i].Variant = c.Scenario, c.Subject, c.Variant
		if out[i].Kind == Promises || out[i].Kind == Failures {
			out[i].Excused = about
		}
	}
	return out
}

// unmatched are limits that no cell was measured for: what was not measured must
// not read as kept.
func (j judge) unmatched(r verdict.Result) (out []Decision) {
	for _, l := range j.file.Limits {
		if !slices.ContainsFunc(r.Cells, func(c verdict.Cell) bool { return l.Matches(c.Scenario, c.Subject, c.Variant) }) {
			out = append(out, Decision{Kind: l.kind(), Rule: l.rule(), Line: l.line, Scenario: l.Where.String(), Verdict: verdict.Inconclusive,
				Figure: "it matches no cell of this run", Lacking: "run its scenarios, or mend its globs", Needed: -1})
		}
	}
	return out
}

func (l Limit) kind() string {
	switch {
	case l.FailureRate != 0:
		return Failures
	case l.DrainTime != 0:
		return DrainTime
	}
	return Requests
}

func (j judge) limit(l Limit, trials []verdict.Trial) Decision {
	switch l.kind() {
	case Failures:
		return j.failureRate(l, trials)
	case DrainTime:
		return j.drainTime(l, trials)
	}
	return j.requests(l, trials)
}

// series tells of each decided trial, in order, whether it failed, and how many
// are undecided.
func (j judge) series(trials []verdict.Trial) (failed []bool, undecided int) {
	for _, t := range trials {
		if t.Verdict == verdict.Inconclusive {
			undecided++
			continue
		}
		failed = append(failed, j.ex.failed(t))
	}
	return failed, undecided
}

// within bounds the share of a series. Sequential bounds hold at every look, so
// that what one look has shown stands whatever comes after it: trials that were
// under way when a cell was decided don't open it again.
func (j judge) within(series []bool, at float64) (low, high float64) {
	if !j.opt.Sequential {
		return stats.Exact(count(series), len(series), at)
	}
	high = 1
	k := 0
	for i, failed := range series {
		if failed {
			k++
		}
		b := look{k, i + 1, at}.bounds()
		low, high = max(low, b[0]), min(high, b[1])
	}
	return low, high
}

// look is a count that sequential bounds are asked of. A budget asks of the same
// ones after every trial, so they are remembered.
type look struct {
	k, n int
	at   float64
}

var looks sync.Map // look → [2]float64

func (l look) bounds() [2]float64 {
	if b, ok := looks.Load(l); ok {
		return b.([2]float64)
	}
	low, high := stats.Sequential(l.k, l.n, l.at)
	b := [2]float64{low, high}
	looks.Store(l, b)
	return b
}

// mean is within for shares of requests.
func (j judge) mean(shares []float64, at float64) (low, high float64) {
	low, high = stats.MeanBounds(shares, at)
	for i := 1; j.opt.Sequential && i < len(shares); i++ {
		l, h := stats.MeanBounds(shares[:i], at)
		low, high = max(low, l), min(high, h)
	}
	return low, high
}

func count(series []bool) (k int) {
	for _, failed := range series {
		if failed {
			k++
		}
	}
	return k
}

// promises is the rule of a cell without a limit: no trial fails. In a run with
// a budget an undecided trial was made again, so that one decided is enough.
func (j judge) promises(trials []verdict.Trial) Decision {
	series, undecided := j.series(trials)
	k, n := count(series), len(series)
	low, high := j.within(series, conf)
	d := Decision{Kind: Promises, Rule: "no promise is broken", Verdict: verdict.Pass, Low: low, High: &high,
		Figure: rate(k, n, low, high, conf) + and(undecided)}
	switch {
	case k > 0:
		d.Verdict, d.Needed = verdict.Fail, -1
		d.Figure += ": " + j.first(trials)
	case n == 0 || undecided > 0 && !j.opt.Sequential:
		d.Verdict = verdict.Inconclusive
		d.Needed, d.Lacking = max(undecided, 1), fmt.Sprintf("%s must be decided", plural(max(undecided, 1), "trial"))
		if why := undecidedWhy(trials); why != "" {
			d.Lacking += ": " + why
		}
	default:
		d.Needed = stats.CleanNeeded(j.bounds, 0, n, goal, conf)
		if d.Needed > 0 {
			d.Lacking = fmt.Sprintf("%s needed for ≤ %s at %s", more(d.Needed), Percent(goal), Percent(conf))
		}
	}
	return d
}

// first is why the first trial that failed did.
func (j judge) first(trials []verdict.Trial) string {
	for _, t := range trials {
		if j.ex.failed(t) {
			return strings.Join(t.Reasons, "; ")
		}
	}
	return ""
}

func undecidedWhy(trials []verdict.Trial) string {
	for _, t := range trials {
		if t.Verdict == verdict.Inconclusive {
			return strings.Join(t.Reasons, "; ")
		}
	}
	return ""
}

func (j judge) failureRate(l Limit, trials []verdict.Trial) Decision {
	series, undecided := j.series(trials)
	k, n := count(series), len(series)
	limit, at := float64(l.FailureRate), float64(l.Confidence)
	low, high := j.within(series, at)
	d := Decision{Kind: Failures, Verdict: between(low, high, limit), Low: low, High: &high, Figure: rate(k, n, low, high, at) + and(undecided)}
	if d.Verdict == verdict.Fail {
		d.Figure += ": " + j.first(trials)
	}
	d.want(func() int { return stats.CleanNeeded(j.bounds, k, n, limit, at) }, fmt.Sprintf("≤ %s at %s", l.FailureRate, l.Confidence))
	d.doubt(trials)
	return d
}

// doubtful is the share of undecided trials, as one of so many, beyond which a
// limit is not passed: what keeps trials from being decided may be what makes
// them fail.
const doubtful = 5

// doubt takes back a pass that too many undecided trials stand beside.
func (d *Decision) doubt(trials []verdict.Trial) {
	undecided, n := 0, len(trials)
	for _, t := range trials {
		if t.Verdict == verdict.Inconclusive {
			undecided++
		}
	}
	if d.Verdict != verdict.Pass || doubtful*undecided <= n {
		return
	}
	d.Verdict, d.Needed = verdict.Inconclusive, doubtful*undecided-n
	d.Lacking = fmt.Sprintf("%d of %d trials are undecided, more than %s: %s", undecided, n, Percent(1.0/doubtful), undecidedWhy(trials))
}

// between places bounds against a limit.
func between(low, high, limit float64) verdict.Verdict {
	switch {
	case low > limit: // first: those that hold at every look may contradict each other
		return verdict.Fail
	case high <= limit:
		return verdict.Pass
	}
	return verdict.Inconclusive
}

// want says what an open decision lacks.
func (d *Decision) want(clean func() int, what string) {
	if d.Verdict == verdict.Fail {
		d.Needed = -1
	}
	if d.Verdict != verdict.Inconclusive {
		return
	}
	d.Needed = clean()
	d.Lacking = fmt.Sprintf("%s needed for %s", more(d.Needed), what)
	if d.Needed < 0 {
		d.Lacking = "no sensible number of clean trials would show " + what
	}
}

// drainTime judges a quantile of the drains. That q of drains take at most the
// limit is the same as that at most 1-q take longer, which is a share of trials.
// A drain that was cut off before the limit is counted against whatever is to be
// decided.
func (j judge) drainTime(l Limit, trials []verdict.Trial) Decision {
	var ds []stats.Duration
	var over, least []bool // drains that may have, and that have, taken longer
	for _, t := range trials {
		if t.Drain == nil || t.Verdict == verdict.Inconclusive {
			continue
		}
		d := t.Drain.Time
		ds = append(ds, d)
		late := d.Ns > int64(l.DrainTime) || d.Censored && d.Ns >= int64(l.DrainTime)
		least, over = append(least, late), append(over, late || d.Censored)
	}
	allowed, at := 1-l.Quantile, float64(l.Confidence)
	low, _ := j.within(least, at)
	_, high := j.within(over, at)
	d := Decision{Kind: DrainTime, Verdict: between(low, high, allowed), Figure: drainFigure(ds, l)}
	d.span(j, ds, l)
	d.want(func() int { return stats.CleanNeeded(j.bounds, count(over), len(ds), allowed, at) }, fmt.Sprintf("%s at %s", l.DrainTime, l.Confidence))
	d.doubt(trials)
	return d
}

// span gives the quantile's interval. It is one for a number of trials that was
// fixed beforehand; a run with a budget has none that its decision rests on.
func (d *Decision) span(j judge, ds []stats.Duration, l Limit) {
	if j.opt.Sequential {
		if len(ds) > 0 {
			d.Figure += " (as if that number had been planned; the decision looks at each trial)"
		}
		return
	}
	low, high := stats.QuantileBounds(ds, l.Quantile, float64(l.Confidence))
	d.High = optional(high)
	if low != nil {
		d.Low = float64(low.Ns)
	}
}

func optional(d *stats.Duration) *float64 {
	if d == nil {
		return nil
	}
	f := float64(d.Ns)
	return &f
}

func drainFigure(ds []stats.Duration, l Limit) string {
	if len(ds) == 0 {
		return "no drain was measured"
	}
	cut := 0
	for _, d := range ds {
		if d.Censored {
			cut++
		}
	}
	low, high := stats.QuantileBounds(ds, l.Quantile, float64(l.Confidence))
	s := fmt.Sprintf("%s of %s take %s", Percent(l.Quantile), plural(len(ds), "drain"), quantile(stats.KaplanMeierQuantile(ds, l.Quantile)))
	s += fmt.Sprintf(" [%s, %s]", bound(low, "0"), bound(high, "no bound"))
	if cut > 0 {
		s += fmt.Sprintf(", %d killed at their limit", cut)
	}
	return s
}

func quantile(d *stats.Duration) string {
	if d.Censored {
		return "> " + layout.Dur(d.Ns)
	}
	return layout.Dur(d.Ns)
}

func bound(d *stats.Duration, none string) string {
	if d == nil {
		return none
	}
	return layout.Dur(d.Ns)
}

// requests judges the mean share of a trial's requests that failed. Trials are
// the clusters: within one, requests fail together.
func (j judge) requests(l Limit, trials []verdict.Trial) Decision {
	var shares []float64
	failed, n := 0, 0
	for _, t := range trials {
		f, m := requestsOf(t, l.Epoch)
		if t.Verdict == verdict.Inconclusive || m == 0 {
			continue
		}
		failed, n = failed+f, n+m
		shares = append(shares, float64(f)/float64(m))
	}
	limit, at := float64(l.RequestsFailed), float64(l.Confidence)
	low, high := j.mean(shares, at)
	d := Decision{Kind: Requests, Verdict: between(low, high, limit), Low: low, High: &high,
		Figure: fmt.Sprintf("%d of %d requests failed, in %s: a trial's mean share is within [%s, %s]", failed, n, plural(len(shares), "trial"), pct(low), pct(high))}
	if n == 0 {
		d.Figure = "no request was measured"
	}
	d.want(func() int { return stats.CleanSharesNeeded(shares, limit, at) }, fmt.Sprintf("≤ %s at %s, as requests of a trial fail together", l.RequestsFailed, l.Confidence))
	return d
}

func requestsOf(t verdict.Trial, epoch string) (failed, n int) {
	for _, e := range t.Requests {
		if epoch == "all" || e.Epoch == epoch {
			failed, n = failed+e.Failed, n+e.N
		}
	}
	return failed, n
}

// rate is a share of trials with its bounds.
func rate(k, n int, low, high, at float64) string {
	if n == 0 {
		return "no trial is decided"
	}
	s := fmt.Sprintf("%d of %s failed", k, plural(n, "trial"))
	if k == 0 {
		return s + fmt.Sprintf(", at most %s do at %s", pct(high), Percent(at))
	}
	return s + fmt.Sprintf(", %s [%s, %s]", pct(float64(k)/float64(n)), pct(low), pct(high))
}

func and(undecided int) string {
	if undecided == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d undecided)", undecided)
}

func pct(x float64) string { return fmt.Sprintf("%.3g %%", 100*x) }

func more(n int) string {
	if n == 1 {
		return "1 more clean trial is"
	}
	return fmt.Sprintf("%d more clean trials are", n)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
