package stats

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// Bounds are one-sided limits of a proportion, each at the given confidence:
// the truth is below High, and above Low, with that confidence each.
type Bounds func(k, n int, conf float64) (low, high float64)

// Exact is Clopper and Pearson's bounds for a number of trials that was fixed
// before the first.
func Exact(k, n int, conf float64) (low, high float64) {
	i := ClopperPearson(k, n, 2*conf-1)
	return i.Low, i.High
}

// Sequential is bounds that hold at every look, however often one looks and
// whenever one stops. They invert a likelihood ratio in the manner of Wald's
// SPRT, mixed over two alternatives a side (Robbins 1970); by Ville's inequality
// the chance that such a ratio ever exceeds 1/(1-conf) under the hypothesis is
// at most 1-conf. No looks have to be planned. 5 % at 95 % takes 65 clean trials
// where [Exact] takes 59.
func Sequential(k, n int, conf float64) (low, high float64) {
	enough := -math.Log1p(-conf)
	high = solve(func(p float64) bool { return below(k, n, p) >= enough })
	low = 1 - solve(func(q float64) bool { return above(k, n, 1-q) >= enough })
	return low, high
}

// below is the log of the evidence against "the rate is p or more": the mixture
// of the alternatives 0 and p/4, half each.
func below(k, n int, p float64) float64 {
	return mix(ratio(k, n, 0, p), ratio(k, n, p/4, p))
}

// above is the log of the evidence against "the rate is p or less": alternatives
// 2.5 p and half way to 1. Both weaken as p grows, as bisection needs.
func above(k, n int, p float64) float64 {
	half := (1 + p) / 2
	return mix(ratio(k, n, min(2.5*p, half), p), ratio(k, n, half, p))
}

// ratio is the log likelihood ratio of rates q and p at k of n.
func ratio(k, n int, q, p float64) float64 {
	return times(k, math.Log(q/p)) + times(n-k, math.Log((1-q)/(1-p)))
}

// times is n·x, 0 for n = 0 also where x is infinite.
func times(n int, x float64) float64 {
	if n == 0 {
		return 0
	}
	return float64(n) * x
}

// mix is log((e^a+e^b)/2).
func mix(a, b float64) float64 {
	hi := max(a, b)
	if math.IsInf(hi, 0) {
		return hi
	}
	return hi + math.Log((math.Exp(a-hi)+math.Exp(b-hi))/2)
}

// solve is the least x in (0, 1) for which a monotone condition holds, 1 if none.
func solve(holds func(float64) bool) float64 {
	lo, hi := 0.0, 1.0
	for range 60 {
		if mid := (lo + hi) / 2; holds(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

// MostTrials bounds what [CleanNeeded] looks for.
const MostTrials = 10_000_000

// CleanNeeded is how many more trials, all clean, bring the upper bound after k
// of n down to limit; 0 if it is there, -1 if more than [MostTrials] would be
// needed.
func CleanNeeded(b Bounds, k, n int, limit, conf float64) int {
	ok := func(m int) bool { _, high := b(k, n+m, conf); return high <= limit }
	top := 1
	for !ok(top) {
		if top *= 2; top > MostTrials {
			return -1
		}
	}
	return sort.Search(top, ok)
}

// MeanBounds are one-sided bounds of the mean of independent shares in [0, 1],
// whatever their distribution, each at confidence conf and at every look
// (Waudby-Smith and Ramdas 2023, a capital process with fixed bets). A share is
// one trial's: failures within it may be as dependent as they like. As nothing
// is assumed of trials not seen, few trials bound little, however many requests
// they had.
func MeanBounds(shares []float64, conf float64) (low, high float64) {
	enough := -math.Log1p(-conf)
	flipped := make([]float64, len(shares))
	for i, x := range shares {
		flipped[i] = 1 - x
	}
	high = solve(func(m float64) bool { return capital(shares, m) >= enough })
	low = 1 - solve(func(m float64) bool { return capital(flipped, m) >= enough })
	return low, high
}

// bets are shares of the capital that may be lost on one trial, with weights.
var bets = []struct{ bet, weight float64 }{{1, 0.5}, {0.75, 0.125}, {0.5, 0.125}, {0.25, 0.125}, {0.1, 0.125}}

// capital is the log of what betting against "the mean is m or more" has made
// of 1. It grows with m.
func capital(shares []float64, m float64) float64 {
	total := math.Inf(-1)
	for _, b := range bets {
		sum := math.Log(b.weight)
		for _, x := range shares {
			sum += math.Log1p(b.bet * (m - x) / (1 - m))
		}
		total = logAdd(total, sum)
	}
	return total
}

func logAdd(a, b float64) float64 {
	hi := max(a, b)
	if math.IsInf(hi, 0) || math.IsNaN(hi) {
		return hi
	}
	return hi + math.Log(math.Exp(a-hi)+math.Exp(b-hi))
}

// CleanSharesNeeded is how many more trials without any failure bring the upper
// bound of the mean share down to limit; -1 if more than 100,000.
func CleanSharesNeeded(shares []float64, limit, conf float64) int {
	const most = 100_000
	var start []float64
	for _, b := range bets {
		sum := math.Log(b.weight)
		for _, x := range shares {
			sum += math.Log1p(b.bet * (limit - x) / (1 - limit))
		}
		start = append(start, sum)
	}
	enough := -math.Log1p(-conf)
	n := sort.Search(most, func(n int) bool {
		total := math.Inf(-1)
		for i, b := range bets {
			total = logAdd(total, start[i]+times(n, math.Log1p(b.bet*limit/(1-limit))))
		}
		return total >= enough
	})
	if n == most {
		return -1
	}
	return n
}

// QuantileBounds are one-sided bounds of the q-quantile, each at confidence
// conf, by order statistics: exact for any distribution. A censored duration is
// at least what it says; nil is no bound. (Conover 1999, §3.2.)
func QuantileBounds(ds []Duration, q, conf float64) (low, high *Duration) {
	n := len(ds)
	dist := distuv.Binomial{N: float64(n), P: q}
	rank := sort.Search(n, func(i int) bool { return dist.CDF(float64(i)) > 1-conf }) // how many lie below, at least
	if n > 0 && rank > 0 {
		low = &Duration{Ns: byTime(ds)[rank-1].Ns}
	}
	// P(the u-th smallest < quantile) = P(Bin(n, q) ≥ u).
	u := 1 + sort.Search(n, func(i int) bool { return 1-dist.CDF(float64(i)) <= 1-conf+1e-12 })
	if n == 0 || u > n {
		return low, nil
	}
	return low, latest(ds, u)
}

// latest is the u-th smallest duration if every censored one lasted for ever.
func latest(ds []Duration, u int) *Duration {
	sorted := byTime(ds)
	var ended []Duration
	for _, d := range sorted {
		if !d.Censored {
			ended = append(ended, d)
		}
	}
	if u > len(ended) {
		return nil
	}
	return &ended[u-1]
}

// binomialTail is P(Bin(n, p) ≥ k).
func binomialTail(k, n int, p float64) float64 {
	switch {
	case k <= 0:
		return 1
	case k > n:
		return 0
	}
	return mathext.RegIncBeta(float64(k), float64(n-k+1), p)
}
