package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"faultbed/reports/history"
	"faultbed/reports/stats"
)

// verb is the first word of what the origin is told to do.
func verb(script string) string {
	v, _, _ := strings.Cut(script, " ")
	return v
}

// honesty is what a proxy may make of an origin's answer: statuses, and visible
// failures.
type honesty struct {
	statuses []int
	outcomes []history.Outcome
}

// cutOff are the ways in which a broken answer shows.
var cutOff = []history.Outcome{history.Truncated, history.EOF, history.Reset}

// honest is what may become of each script that breaks an answer. RFC 9110
// §15.6.3: 502 for an invalid answer; §15.6.5: 504 for one that did not come in
// time; §15.6.4: 503 while the origin is taken for down.
var honest = map[string]honesty{
	"drop":    {statuses: []int{502, 503}},
	"reset":   {statuses: []int{502, 503}},
	"garbage": {statuses: []int{502}},
	"stall":   {statuses: []int{504}},
	"unread":  {statuses: []int{408, 502, 504}},
	"cut":     {statuses: []int{502}, outcomes: cutOff},
	"longer":  {statuses: []int{502}, outcomes: cutOff},
	"excess":  {statuses: []int{502}, outcomes: []history.Outcome{history.OK}},
}

// fixed are the scripts whose status must be passed on as it is.
var fixed = []string{"status", "early"}

// Breaks tells whether an arrival's answer was broken on purpose, so that its
// failure is no failure of the subject.
func Breaks(a history.Arrival) bool {
	_, broken := honest[verb(a.Script)]
	return broken || slices.Contains(fixed, verb(a.Script)) || verb(a.Script) == "raw"
}

func scripted(p history.Plan) bool { return slices.ContainsFunc(p.Arrivals, Breaks) }

func statusHonesty(v *View) []Violation {
	return v.each(func(x *Exchange) string {
		if !Breaks(x.Arrival) || x.End == nil || x.Outcome() == history.Aborted || v.Overlaps(x) || x.ownDoing() {
			return ""
		}
		if want, ok := allowed(x); !ok {
			return fmt.Sprintf("the origin was told %q; honest would be %s, and it %s", x.Arrival.Script, want, describe(v, x))
		}
		return ""
	})
}

// allowed tells whether a scripted arrival's outcome is honest, and what is.
func allowed(x *Exchange) (want string, ok bool) {
	if slices.Contains(fixed, verb(x.Arrival.Script)) {
		_, arg, _ := strings.Cut(x.Arrival.Script, " ")
		status, _ := strconv.Atoi(arg)
		return "status " + arg, x.End.Status == status && !slices.Contains([]history.Outcome{history.Truncated, history.Timeout}, x.Outcome())
	}
	h := honest[verb(x.Arrival.Script)]
	if verb(x.Arrival.Script) == "raw" {
		h = permits(x.Arrival.Lawful)
	}
	var words []string
	for _, s := range h.statuses {
		words = append(words, strconv.Itoa(s))
		complete := x.Outcome() == history.Status5xx || x.Outcome() == history.Status4xx
		ok = ok || complete && x.End.Status == s
	}
	for _, o := range h.outcomes {
		words = append(words, string(o))
		ok = ok || x.Outcome() == o
	}
	return strings.Join(words, " or "), ok
}

// permits reads what an odd answer's file allows to reach the client: ok, cut, or
// statuses.
func permits(words string) (h honesty) {
	for word := range strings.FieldsSeq(words) {
		switch n, _ := strconv.Atoi(word); {
		case word == "cut":
			h.outcomes = append(h.outcomes, cutOff...)
		case n > 0:
			h.statuses = append(h.statuses, n)
		default:
			h.outcomes = append(h.outcomes, history.Outcome(word))
		}
	}
	return h
}

// recovering tells whether an exchange was planned after all faults had ended:
// recovery judges it.
func (v *View) recovering(x *Exchange) bool {
	end, ok := v.lastEnd()
	return ok && !v.Plan.Expect.Drain && x.Begin.Planned > end
}

// lastEnd is when the last fault had ended and its recovery time had passed; false
// if one never ended or none acted.
func (v *View) lastEnd() (end int64, ok bool) {
	for _, w := range v.Windows {
		if w.From == 0 && !w.Never() {
			return 0, false
		}
		if w.Never() {
			continue
		}
		end = max(end, w.To+v.Plan.Expect.Recovery)
	}
	return end, end != 0
}

// What is slower after a fault than before it: the median of a class beyond so
// many of its 99th percentiles before, and by so much more.
const (
	slowerBy    = 3
	slowerLeast = 100 * time.Millisecond
	enough      = 20 // requests of a class on either side
)

func recovery(v *View) []Violation {
	end, ok := v.lastEnd()
	if !ok {
		return nil
	}
	out := v.each(func(x *Exchange) string {
		if !x.IsRequest() || v.settled(x) || !v.recovering(x) {
			return ""
		}
		return fmt.Sprintf("all faults had ended, and the time to recover, %v before: %s", ms(x.Begin.Planned-end), describe(v, x))
	})
	before, after := map[history.Class][]int64{}, map[history.Class][]int64{}
	for _, x := range v.Exchanges {
		from, to := v.Span(x)
		switch took := to - from - x.Arrival.Hold; {
		case !x.IsRequest() || x.Outcome() != history.OK:
		case v.Epoch(x) == "before":
			before[x.Arrival.Class] = append(before[x.Arrival.Class], took)
		case v.recovering(x):
			after[x.Arrival.Class] = append(after[x.Arrival.Class], took)
		}
	}
	for _, c := range history.Classes() {
		if len(before[c]) < enough || len(after[c]) < enough {
			continue
		}
		p99, median := stats.Quantile(before[c], 0.99), stats.Quantile(after[c], 0.5)
		if median > slowerBy*p99+int64(slowerLeast) {
			out = append(out, Violation{At: v.Rel(end), What: fmt.Sprintf("%s took %v in the median after the faults; before them 99 %% took at most %v", c, ms(median), ms(p99))})
		}
	}
	return out
}
