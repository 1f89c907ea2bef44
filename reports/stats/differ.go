package stats

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
)

// Difference is a change with the interval that holds it at confidence Conf.
type Difference struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Conf  float64 `json:"conf"`
}

// Newcombe is the difference of two independent proportions, b's minus a's, with
// the hybrid score interval (Newcombe 1998, method 10): closed, never outside
// [-1, 1], and near its nominal coverage where counts are 0 or small, where
// Wald's collapses to a point.
func Newcombe(ka, na, kb, nb int, conf float64) Difference {
	if na == 0 || nb == 0 {
		return Difference{0, -1, 1, conf}
	}
	la, ua := wilson(ka, na, conf)
	lb, ub := wilson(kb, nb, conf)
	pa, pb := float64(ka)/float64(na), float64(kb)/float64(nb)
	d := pb - pa
	return Difference{d, d - math.Hypot(pb-lb, ua-pa), d + math.Hypot(ub-pb, pa-la), conf}
}

// wilson is Wilson's score interval.
func wilson(k, n int, conf float64) (low, high float64) {
	z, N := normal(conf), float64(n)
	p := float64(k) / N
	mid, half := p+z*z/(2*N), z*math.Sqrt(p*(1-p)/N+z*z/(4*N*N))
	low, high = (mid-half)/(1+z*z/N), (mid+half)/(1+z*z/N)
	if k == 0 {
		low = 0
	}
	if k == n {
		high = 1
	}
	return low, high
}

// normal is the two-sided standard normal quantile: 1.96 for 0.95.
func normal(conf float64) float64 { return math.Sqrt2 * math.Erfinv(conf) }

// Fisher is the one-sided p of "b fails more often than a": Fisher's exact test,
// given the sum of failures.
func Fisher(ka, na, kb, nb int) float64 {
	sum, top, p := ka+kb, min(ka+kb, nb), 0.0
	for j := kb; j <= top; j++ {
		p += math.Exp(choose(nb, j) + choose(na, sum-j) - choose(na+nb, sum))
	}
	return min(p, 1)
}

// choose is the log of the binomial coefficient, -Inf outside the triangle.
func choose(n, k int) float64 {
	if k < 0 || k > n {
		return math.Inf(-1)
	}
	return logFactorial(n) - logFactorial(k) - logFactorial(n-k)
}

func logFactorial(n int) float64 {
	if n < len(logFactorials) {
		return logFactorials[n]
	}
	v, _ := math.Lgamma(float64(n + 1))
	return v
}

// logFactorials are the first, which tests of few trials ask for all the time.
var logFactorials = func() (out [512]float64) {
	for n := range out {
		out[n], _ = math.Lgamma(float64(n + 1))
	}
	return out
}()

// maxBoschloo is the number of tables above which [Boschloo] leaves it at
// Fisher's p, which is then hardly larger.
const maxBoschloo = 10_000

// Boschloo is the one-sided p of "b fails more often than a": Boschloo's exact
// unconditional test (1970). It never says less than Fisher's does, and needs
// fewer trials: 3 + 3 can differ at a two-sided 5 %, by Fisher's 4 + 4 at least.
func Boschloo(ka, na, kb, nb int) float64 {
	f := Fisher(ka, na, kb, nb)
	if na == 0 || nb == 0 {
		return 1
	}
	if f > 0.5 || (na+1)*(nb+1) > maxBoschloo { // above one half nobody asks by how much
		return f
	}
	from := region(f, na, nb)
	size := func(p float64) float64 { return mass(from, na, nb, p) }
	best, at := 0.0, 0.0
	const steps = 200
	for i := 1; i < steps; i++ {
		if s := size(float64(i) / steps); s > best {
			best, at = s, float64(i)/steps
		}
	}
	return min(f, max(best, peak(size, at-1.0/steps, at+1.0/steps)))
}

// region holds, for each i failures of a, from how many of b on a table is at
// least as extreme as one with Fisher's p of f.
func region(f float64, na, nb int) []int {
	from := make([]int, na+1)
	for i := range from {
		from[i] = sort.Search(nb+1, func(j int) bool { return Fisher(i, na, j, nb) <= f*(1+1e-9) })
	}
	return from
}

// mass is the region's probability where both fail at rate p.
func mass(from []int, na, nb int, p float64) float64 {
	sum := 0.0
	for i, j := range from {
		sum += math.Exp(choose(na, i)+times(i, math.Log(p))+times(na-i, math.Log1p(-p))) * binomialTail(j, nb, p)
	}
	return sum
}

// peak refines a maximum by ternary search and returns its height.
func peak(f func(float64) float64, lo, hi float64) float64 {
	for range 40 {
		a, b := lo+(hi-lo)/3, hi-(hi-lo)/3
		if f(a) < f(b) {
			lo = a
		} else {
			hi = b
		}
	}
	return f((lo + hi) / 2)
}

// LeastSeen is the least number of b's nb trials that must fail for [Boschloo]
// to tell b from a (ka of na) at level alpha, one-sided; -1 if not even nb do.
func LeastSeen(ka, na, nb int, alpha float64) int {
	k := sort.Search(nb+1, func(k int) bool { return Fisher(ka, na, k, nb) <= alpha })
	for k > 0 && Boschloo(ka, na, k-1, nb) <= alpha { // it needs one or two fewer
		k--
	}
	if k > nb {
		return -1
	}
	return k
}

// McNemar is the one-sided p of "b fails where a does not more often than the
// other way round": the exact binomial test on the pairs that differ, onlyA and
// onlyB in number (McNemar 1947).
func McNemar(onlyA, onlyB int) float64 { return binomialTail(onlyB, onlyA+onlyB, 0.5) }

// BonettPrice is the difference of two paired proportions, b's minus a's, of n
// pairs of which onlyA and onlyB differ, with the adjusted Wald interval (Bonett
// and Price 2012), which keeps its coverage with few pairs.
func BonettPrice(onlyA, onlyB, n int, conf float64) Difference {
	if n == 0 {
		return Difference{0, -1, 1, conf}
	}
	N := float64(n + 2)
	a, b := float64(onlyA+1)/N, float64(onlyB+1)/N
	half := normal(conf) * math.Sqrt((a+b-(b-a)*(b-a))/N)
	return Difference{float64(onlyB-onlyA) / float64(n), max(-1, b-a-half), min(1, b-a+half), conf}
}

// LogRankTest is the log-rank test of two series of durations.
type LogRankTest struct {
	Observed float64 `json:"observed"` // events of b
	Expected float64 `json:"expected"` // of b, if both were alike
	Chi2     float64 `json:"chi2"`     // 1 degree of freedom; 0 if nothing can differ
	Slower   float64 `json:"slower"`   // one-sided p of "b takes longer"
	Faster   float64 `json:"faster"`   // one-sided p of "b takes less"
	Exact    bool    `json:"exact"`    // p from all arrangements, not from a sample of them
}

// Bounds of the permutations of [LogRank].
const (
	maxArrangements = 20_000
	sampled         = 5_000
)

// LogRank tests whether b's durations differ from a's where some are censored
// (Mantel 1966). Its p is that of a permutation test: with five trials a side
// the usual chi-square is no good approximation. All arrangements are counted
// where there are at most 20,000, otherwise 5,000 are drawn with a fixed seed.
func LogRank(a, b []Duration) LogRankTest {
	scores, t := score(a, b)
	if len(a) == 0 || len(b) == 0 {
		t.Slower, t.Faster = 1, 1
		return t
	}
	seen := sum(scores[len(a):])
	const tiny = 1e-9
	total, slower, faster := 0, 0, 0
	count := func(s float64) {
		total++
		slower += boolInt(s <= seen+tiny)
		faster += boolInt(s >= seen-tiny)
	}
	if t.Exact = math.Exp(choose(len(scores), len(b))) <= maxArrangements; t.Exact {
		arrangements(scores, len(b), 0, count)
	} else {
		count(seen) // itself one of them, which makes the sampled p valid (Phipson and Smyth 2010)
		shuffled(scores, len(b), count)
	}
	t.Slower, t.Faster = float64(slower)/float64(total), float64(faster)/float64(total)
	return t
}

func sum(xs []float64) (s float64) {
	for _, x := range xs {
		s += x
	}
	return s
}

// score is each duration's log-rank score, a's then b's: whether it ended, less
// the ends expected of it. They sum to 0; b's sum is observed minus expected.
func score(a, b []Duration) ([]float64, LogRankTest) {
	type item struct {
		Duration
		i int
	}
	var all []item
	for i, d := range slices.Concat(a, b) {
		all = append(all, item{d, i})
	}
	slices.SortFunc(all, func(x, y item) int {
		return cmp.Or(cmp.Compare(x.Ns, y.Ns), boolInt(x.Censored)-boolInt(y.Censored), x.i-y.i)
	})
	scores, t, v, hazard := make([]float64, len(all)), LogRankTest{}, 0.0, 0.0
	riskB := float64(len(b))
	for from := 0; from < len(all); {
		to, ends, leaveB, endsB := from, 0.0, 0.0, 0.0
		for ; to < len(all) && all[to].Ns == all[from].Ns; to++ {
			isB := boolInt(all[to].i >= len(a))
			leaveB += float64(isB)
			if !all[to].Censored {
				ends, endsB = ends+1, endsB+float64(isB)
			}
		}
		risk := float64(len(all) - from)
		hazard += ends / risk
		t.Observed, t.Expected = t.Observed+endsB, t.Expected+ends*riskB/risk
		if risk > 1 {
			v += ends * (riskB / risk) * (1 - riskB/risk) * (risk - ends) / (risk - 1)
		}
		for _, x := range all[from:to] {
			scores[x.i] = float64(boolInt(!x.Censored)) - hazard
		}
		riskB, from = riskB-leaveB, to
	}
	if d := t.Observed - t.Expected; v > 0 {
		t.Chi2 = d * d / v
	}
	return scores, t
}

// arrangements calls back with the sum of every choice of k scores.
func arrangements(scores []float64, k int, s float64, found func(float64)) {
	if k == 0 {
		found(s)
		return
	}
	for i := 0; i+k <= len(scores); i++ {
		arrangements(scores[i+1:], k-1, s+scores[i], found)
	}
}

func shuffled(scores []float64, k int, found func(float64)) {
	rng, xs := rand.New(rand.NewPCG(1, 1)), slices.Clone(scores)
	for range sampled {
		for i := range k {
			j := i + rng.IntN(len(xs)-i)
			xs[i], xs[j] = xs[j], xs[i]
		}
		found(sum(xs[:k]))
	}
}

// MinSamples is how many durations a side a bootstrap interval needs to say
// anything; below it there is none.
const MinSamples = 5

// Shift is the difference of two medians, b's minus a's, in ns, and their ratio.
// A bound that censoring leaves open is nil.
type Shift struct {
	Ns        *int64   `json:"ns,omitempty"` // nil: a median is not known
	Low       *int64   `json:"low,omitempty"`
	High      *int64   `json:"high,omitempty"`
	Ratio     *float64 `json:"ratio,omitempty"`
	RatioLow  *float64 `json:"ratioLow,omitempty"`
	RatioHigh *float64 `json:"ratioHigh,omitempty"`
	Conf      float64  `json:"conf"`
}

// Medians compares the Kaplan–Meier medians of two independent series; bounds are
// those of a percentile bootstrap of 2,000 resamples with a fixed seed, nil with
// fewer than [MinSamples] a side.
func Medians(a, b []Duration, conf float64) Shift {
	s := Shift{Conf: conf}
	if len(a) == 0 || len(b) == 0 {
		return s
	}
	d, r := apart(a, b)
	s.Ns, s.Ratio = whole(d), finite(r)
	if len(a) < MinSamples || len(b) < MinSamples {
		return s
	}
	var ds, rs []float64
	rng := rand.New(rand.NewPCG(2, 2))
	for range 2000 {
		d, r := apart(resample(rng, a), resample(rng, b))
		ds, rs = append(ds, d), append(rs, r)
	}
	lo, hi := middle(ds, conf)
	s.Low, s.High = whole(lo), whole(hi)
	lo, hi = middle(rs, conf)
	s.RatioLow, s.RatioHigh = finite(lo), finite(hi)
	return s
}

// apart is the difference and the ratio of the medians: infinite where one is
// censored, NaN where both are.
func apart(a, b []Duration) (diff, ratio float64) {
	x, y := median(a), median(b)
	return y - x, y / x
}

func median(ds []Duration) float64 {
	m := KaplanMeierQuantile(ds, 0.5)
	if m.Censored {
		return math.Inf(1)
	}
	return float64(m.Ns)
}

func resample(rng *rand.Rand, ds []Duration) []Duration {
	out := make([]Duration, len(ds))
	for i := range out {
		out[i] = ds[rng.IntN(len(ds))]
	}
	return out
}

// middle is the bounds of the middle share conf; where some are NaN there is none.
func middle(xs []float64, conf float64) (lo, hi float64) {
	if slices.ContainsFunc(xs, math.IsNaN) {
		return math.Inf(-1), math.Inf(1)
	}
	slices.Sort(xs)
	cut := int((1 - conf) / 2 * float64(len(xs)))
	return xs[cut], xs[len(xs)-1-cut]
}

func finite(x float64) *float64 {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return nil
	}
	return &x
}

func whole(x float64) *int64 {
	if finite(x) == nil {
		return nil
	}
	n := int64(math.Round(x))
	return &n
}

// Pair is one duration of each of two subjects under the same plan.
type Pair struct{ A, B Duration }

// PairedShift is the median of the pairs' differences, with the sign test.
type PairedShift struct {
	Shift
	Pairs  int     `json:"pairs"`
	Longer int     `json:"longer"` // pairs in which b took longer
	Less   int     `json:"less"`   // pairs in which b took less
	Slower float64 `json:"slower"` // one-sided p of "b takes longer"
	Faster float64 `json:"faster"`
}

// Paired is the median of differences, b minus a, with bounds by order statistics
// (nil where pairs are too few: 6 for 95 %) and the sign test. Both are exact for
// any distribution and need of a pair with one censored side only who was longer;
// pairs censored on both sides, or equal, count for nothing.
func Paired(pairs []Pair, conf float64) PairedShift {
	s := PairedShift{Shift: Shift{Conf: conf}, Pairs: len(pairs)}
	var ds []float64
	for _, p := range pairs {
		d, known := p.difference()
		if !known {
			continue
		}
		ds = append(ds, d)
		s.Longer += boolInt(d > 0)
		s.Less += boolInt(d < 0)
	}
	n := s.Longer + s.Less
	s.Slower, s.Faster = binomialTail(s.Longer, n, 0.5), binomialTail(s.Less, n, 0.5)
	if len(ds) == 0 {
		return s
	}
	slices.Sort(ds)
	s.Ns = whole((ds[(len(ds)-1)/2] + ds[len(ds)/2]) / 2)
	rank := sort.Search(len(ds), func(r int) bool { return 1-binomialTail(r+1, len(ds), 0.5) > (1-conf)/2 })
	if rank > 0 {
		s.Low, s.High = whole(ds[rank-1]), whole(ds[len(ds)-rank])
	}
	return s
}

// difference is infinite where one side is censored at or above the other, and
// unknown where that can't be told.
func (p Pair) difference() (float64, bool) {
	switch a, b := p.A, p.B; {
	case !a.Censored && !b.Censored:
		return float64(b.Ns - a.Ns), true
	case b.Censored && !a.Censored && b.Ns >= a.Ns:
		return math.Inf(1), true
	case a.Censored && !b.Censored && a.Ns >= b.Ns:
		return math.Inf(-1), true
	}
	return 0, false
}

// Holm corrects p-values for their number (Holm 1979): taken together the chance
// of one false alarm stays at the level. The order is kept.
func Holm(ps []float64) []float64 {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ps[a], ps[b]) })
	out, worst := make([]float64, len(ps)), 0.0
	for rank, i := range order {
		worst = max(worst, min(1, ps[i]*float64(len(ps)-rank)))
		out[i] = worst
	}
	return out
}

// LeastShift is the least time, ns, by which b's durations would have to exceed
// a's for [LogRank] to tell at level alpha, one-sided, if b had as many as nb and
// was spread as a is: the resolution of a comparison. It is -1 if no shift is
// enough, or a has none that ended.
func LeastShift(a []Duration, nb int, alpha float64) int64 {
	if len(a) == 0 || nb == 0 || median(a) == math.Inf(1) {
		return -1
	}
	sorted := byTime(a)
	seen := func(shift int64) bool {
		b := make([]Duration, nb)
		for i := range b {
			b[i] = sorted[(2*i+1)*len(a)/(2*nb)]
			b[i].Ns += shift
		}
		return LogRank(a, b).Slower <= alpha
	}
	top := 2 * (sorted[len(sorted)-1].Ns + 1)
	if !seen(top) {
		return -1
	}
	lo, hi := int64(0), top
	for hi-lo > max(hi/100, 1) {
		if mid := (lo + hi) / 2; seen(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

// Choose is the binomial coefficient, as a float.
func Choose(n, k int) float64 { return math.Exp(choose(n, k)) }
