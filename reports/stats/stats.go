// Package stats holds the few statistics that a verdict needs: exact binomial
// bounds and their sequential form, quantiles, the survival estimate of drain
// times of which some were cut off by a kill, and the tests that tell two
// series of trials apart, paired or not.
//
// It is not a statistics library. Every function is pure; what resamples does
// so with a fixed seed. Exact methods are preferred to asymptotic ones, for
// trials are few: a test here may be cautious, but does not cry wolf more often
// than it says. Counts are independent trials (a drain is one trial, however
// many requests it served); pooling requests that failed together would make
// intervals too narrow, so callers must not: [MeanBounds] takes their shares.
//
// Start with [ClopperPearson], [KaplanMeier] and [Boschloo].
package stats

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// Interval is a proportion k of n with its two-sided exact bounds.
type Interval struct {
	K    int     `json:"k"`
	N    int     `json:"n"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	Conf float64 `json:"conf"` // confidence, 0.95
}

// ClopperPearson is the exact binomial interval (Clopper and Pearson 1934): it
// covers the truth at least conf of the time for every n, at the price of
// being wide. With n = 0 it is [0, 1].
func ClopperPearson(k, n int, conf float64) Interval {
	iv := Interval{K: k, N: n, Low: 0, High: 1, Conf: conf}
	a := (1 - conf) / 2
	if n > 0 && k > 0 {
		iv.Low = mathext.InvRegIncBeta(float64(k), float64(n-k+1), a)
	}
	if n > 0 && k < n {
		iv.High = mathext.InvRegIncBeta(float64(k+1), float64(n-k), 1-a)
	}
	return iv
}

// TrialsNeeded is how many trials in a row without a failure bring the
// one-sided upper bound of the failure rate to limit (the "rule of three").
func TrialsNeeded(limit, conf float64) int {
	if limit <= 0 || limit >= 1 {
		return 0
	}
	return int(math.Ceil(math.Log(1-conf) / math.Log1p(-limit)))
}

// Quantile is the q-quantile (0 ≤ q ≤ 1) of raw samples by the nearest-rank
// rule; 0 for no samples. The input is not changed.
func Quantile(samples []int64, q float64) int64 {
	if len(samples) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(samples))
	i := int(math.Ceil(q*float64(len(s)))) - 1
	return s[min(max(i, 0), len(s)-1)]
}

// Duration is a time to an event, in ns, or the time until which the event had
// not come (Censored: the bed killed the subject at its limit).
type Duration struct {
	Ns       int64 `json:"ns"`
	Censored bool  `json:"censored,omitempty"`
}

// Survival summarises durations of which some may be censored.
type Survival struct {
	N        int       `json:"n"`
	Censored int       `json:"censored"`
	Median   *Duration `json:"median,omitempty"` // Censored: the median is above Ns
	Worst    *Duration `json:"worst,omitempty"`
}

// KaplanMeier estimates the median of possibly censored durations (Kaplan and
// Meier 1958): the first time at which the estimated share of those still
// draining is at most one half. If it never gets there, the median is only
// known to be above the largest duration.
func KaplanMeier(ds []Duration) Survival {
	s := Survival{N: len(ds), Median: KaplanMeierQuantile(ds, 0.5)}
	if len(ds) == 0 {
		return s
	}
	worst := byTime(ds)[len(ds)-1]
	s.Worst = &worst
	for _, d := range ds {
		s.Censored += boolInt(d.Censored)
	}
	return s
}

// KaplanMeierQuantile is the first time at which the estimated share of those
// still draining is at most 1-q; Censored if it never gets there. It is nil for
// no durations.
func KaplanMeierQuantile(ds []Duration, q float64) *Duration {
	if len(ds) == 0 {
		return nil
	}
	sorted, share := byTime(ds), 1.0
	for i, d := range sorted {
		if !d.Censored {
			share *= 1 - 1/float64(len(sorted)-i)
		}
		if !d.Censored && share <= 1-q+1e-12 {
			return &Duration{Ns: d.Ns}
		}
	}
	return &Duration{Ns: sorted[len(sorted)-1].Ns, Censored: true}
}

// byTime sorts a copy: events before censorings at a tie.
func byTime(ds []Duration) []Duration {
	return slices.SortedFunc(slices.Values(ds), func(a, b Duration) int {
		return cmp.Or(cmp.Compare(a.Ns, b.Ns), boolInt(a.Censored)-boolInt(b.Censored))
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
