package layout

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"faultbed/reports/history"
	"faultbed/reports/stats"
	"faultbed/reports/verdict"
)

// None stands where there is no figure.
const None = "–"

// Mark is a verdict's symbol, so that no reader depends on colour.
func Mark(v verdict.Verdict) string {
	switch v {
	case verdict.Pass:
		return "✓"
	case verdict.Fail:
		return "✗"
	}
	return "?"
}

// Name is a cell's subject with its variant: "go [pid1]".
func Name(subject, variant string) string {
	if variant == "" {
		return subject
	}
	return subject + " [" + variant + "]"
}

// Dur writes nanoseconds with three significant digits: "0.42 ms", "412 ms",
// "2.31 s".
func Dur(ns int64) string {
	switch a := max(ns, -ns); {
	case a == 0:
		return "0"
	case a < 999_500_000:
		return significant(float64(ns)/1e6) + " ms"
	}
	return significant(float64(ns)/1e9) + " s"
}

// significant keeps three digits.
func significant(f float64) string {
	digits := 2 - int(math.Floor(math.Log10(math.Abs(f))))
	return fmt.Sprintf("%.*f", min(max(digits, 0), 2), f)
}

// DurPtr is Dur, or [None] for nil.
func DurPtr(ns *int64) string {
	if ns == nil {
		return None
	}
	return Dur(*ns)
}

// Time writes a duration that may be censored: "> 3.00 s".
func Time(d *stats.Duration) string {
	switch {
	case d == nil:
		return None
	case d.Censored:
		return "> " + Dur(d.Ns)
	}
	return Dur(d.Ns)
}

// Percent writes a share with one decimal.
func Percent(f float64) string { return fmt.Sprintf("%.1f %%", 100*f) }

// Share is the point estimate of an interval in percent, [None] without data.
func Share(i stats.Interval) string {
	if i.N == 0 {
		return None
	}
	return Percent(float64(i.K) / float64(i.N))
}

// Rate writes an interval: "3/120 = 2.5 % [0.5, 7.1]".
func Rate(i stats.Interval) string {
	if i.N == 0 {
		return None
	}
	return fmt.Sprintf("%d/%d = %s %s", i.K, i.N, Share(i), Bounds(i))
}

// Bounds writes the bounds of an interval in percent: "[0.5, 7.1]".
func Bounds(i stats.Interval) string {
	if i.N == 0 {
		return ""
	}
	return fmt.Sprintf("[%.1f, %.1f]", 100*i.Low, 100*i.High)
}

// Kinds writes counts of outcomes in the enum's order, without those of leave:
// "2 5xx, 1 timeout".
func Kinds(kinds map[history.Outcome]int, leave ...history.Outcome) string {
	var out []string
	for _, o := range history.Outcomes() {
		if n := kinds[o]; n > 0 && !slices.Contains(leave, o) {
			out = append(out, fmt.Sprintf("%d %s", n, o))
		}
	}
	return strings.Join(out, ", ")
}

// FatesOf writes what became of one class: "5 ok, 1 truncated".
func FatesOf(fates []verdict.Fate, class history.Class) string {
	kinds := map[history.Outcome]int{}
	for _, f := range fates {
		if f.Class == class {
			kinds[f.Outcome] += f.N
		}
	}
	return Kinds(kinds)
}

// Classes lists the classes that occur in fates, requests first, in the order of
// the vocabulary.
func Classes(fates []verdict.Fate) []history.Class {
	var out []history.Class
	for _, f := range fates {
		if !slices.Contains(out, f.Class) {
			out = append(out, f.Class)
		}
	}
	SortClasses(out)
	return out
}

var classOrder = []history.Class{history.Short, history.Fresh, history.Slow, history.Upload, history.Stream, history.Headers, history.Abort, history.H2, history.H2Stream,
	history.Crash, history.WebSocket, history.Idle, history.Silent, history.HalfHeader, history.Control}

// SortClasses puts classes into reading order: requests, held connections, and
// the control arm last. Unknown ones follow by name.
func SortClasses(cs []history.Class) {
	rank := func(c history.Class) int {
		if i := slices.Index(classOrder, c); i >= 0 {
			return i
		}
		return len(classOrder)
	}
	slices.SortFunc(cs, func(a, b history.Class) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
}

// ExitOf writes how a drain ended: "0", "KILL", "–" if no exit was seen.
func ExitOf(d verdict.Drain) string {
	switch {
	case d.ExitSignal != "":
		return "SIG" + d.ExitSignal
	case d.Time.Censored && d.ExitCode == 0:
		return None
	}
	return fmt.Sprint(d.ExitCode)
}

// Lost counts the requests that were in flight at a drain signal, and those of
// them that did not end ok. Held connections are no requests.
func Lost(d verdict.Drain) (lost, all int) {
	for _, f := range d.InFlight {
		if f.Class.IsHeld() {
			continue
		}
		all += f.N
		if f.Outcome != history.OK {
			lost += f.N
		}
	}
	return lost, all
}

// Clip shortens a text to at most n bytes, at a rune's edge.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
