package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

func near(t *testing.T, what string, got, want, by float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > by {
		t.Errorf("%s: got %.5f, want %.5f", what, got, want)
	}
}

// TestNewcombe holds it against Newcombe 1998, Statistics in Medicine 17:873,
// table II, method 10.
func TestNewcombe(t *testing.T) {
	for _, c := range []struct {
		ka, na, kb, nb int
		low, high      float64
	}{
		{48, 80, 56, 70, 0.0524, 0.3339},
		{3, 10, 9, 10, 0.1705, 0.8090},
		{2, 7, 6, 7, 0.0582, 0.8062},
		{0, 29, 5, 56, -0.0381, 0.1926},
		{0, 20, 0, 10, -0.1611, 0.2775},
		{0, 10, 10, 10, 0.6075, 1},
	} {
		d := Newcombe(c.ka, c.na, c.kb, c.nb, 0.95)
		near(t, "low", d.Low, c.low, 1e-4)
		near(t, "high", d.High, c.high, 1e-4)
	}
}

// TestFisherAndBoschloo: Fisher's tea-tasting lady is 17/70 (Fisher 1935);
// Boschloo's p of (74, 31; 43, 32), whose columns are the series, is that of SciPy's manual of boschloo_exact.
func TestFisherAndBoschloo(t *testing.T) {
	near(t, "tea", Fisher(1, 4, 3, 4), 17.0/70, 1e-12)
	near(t, "SciPy's statistic", Fisher(31, 63, 74, 117), 0.0483, 1e-4)
	near(t, "SciPy's p", Boschloo(31, 63, 74, 117), 0.0355, 1e-4)
	near(t, "3 + 3", Boschloo(0, 3, 3, 3), math.Pow(0.5, 6), 1e-6)
}

func TestBoschlooIsExact(t *testing.T) {
	for _, n := range [][2]int{{3, 3}, {5, 5}, {4, 9}, {10, 10}} {
		for _, p := range []float64{0.02, 0.2, 0.5, 0.9} {
			if size := rejects(n[0], n[1], p, 0.05); size > 0.05 {
				t.Errorf("%d + %d trials that fail alike at rate %.2f differ in %.4f", n[0], n[1], p, size)
			}
		}
	}
}

// rejects is the exact chance that Boschloo's p is at most alpha.
func rejects(na, nb int, p, alpha float64) (size float64) {
	a, b := distuv.Binomial{N: float64(na), P: p}, distuv.Binomial{N: float64(nb), P: p}
	for i := range na + 1 {
		for j := range nb + 1 {
			if Boschloo(i, na, j, nb) <= alpha {
				size += a.Prob(float64(i)) * b.Prob(float64(j))
			}
		}
	}
	return size
}

func TestBoschlooNeverSaysLessThanFisher(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		na, nb := rapid.IntRange(1, 25).Draw(t, "na"), rapid.IntRange(1, 25).Draw(t, "nb")
		ka, kb := rapid.IntRange(0, na).Draw(t, "ka"), rapid.IntRange(0, nb).Draw(t, "kb")
		b, f := Boschloo(ka, na, kb, nb), Fisher(ka, na, kb, nb)
		if b > f || b <= 0 || f > 1 {
			t.Fatalf("%d/%d, %d/%d: Boschloo %g, Fisher %g", ka, na, kb, nb, b, f)
		}
		k := LeastSeen(ka, na, nb, 0.05)
		if k >= 0 && Boschloo(ka, na, k, nb) > 0.05 || k > 0 && Boschloo(ka, na, k-1, nb) <= 0.05 {
			t.Fatalf("%d/%d against %d: least seen %d", ka, na, nb, k)
		}
	})
}

// leukaemia is Freireich et al. 1963: weeks of remission, 6-MP and placebo.
func leukaemia() (mp, placebo []Duration) {
	for _, w := range []int64{6, 6, 6, 7, 10, 13, 16, 22, 23} {
		mp = append(mp, Duration{Ns: w})
	}
	for _, w := range []int64{6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35} {
		mp = append(mp, Duration{Ns: w, Censored: true})
	}
	for _, w := range []int64{1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23} {
		placebo = append(placebo, Duration{Ns: w})
	}
	return mp, placebo
}

// TestLogRank: chi-square 16.79, 9 events where 19.25 are expected, medians 23
// and 8 weeks (Kleinbaum and Klein, Survival Analysis, ch. 2).
func TestLogRank(t *testing.T) {
	mp, placebo := leukaemia()
	r := LogRank(placebo, mp)
	near(t, "chi-square", r.Chi2, 16.79, 0.01)
	near(t, "observed", r.Observed, 9, 0)
	near(t, "expected", r.Expected, 19.25, 0.01)
	if r.Exact || r.Slower > 0.001 || r.Faster < 0.99 {
		t.Errorf("%+v", r)
	}
	if m := KaplanMeierQuantile(mp, 0.5); m.Ns != 23 {
		t.Errorf("median %+v", m)
	}
	// Survival after 6 weeks is 18/21, after 10 it is 0.753 (ibid.).
	if m := KaplanMeierQuantile(mp, 0.2); m.Ns != 10 {
		t.Errorf("0.2-quantile %+v", m)
	}
}

func series(from, n int64) (out []Duration) {
	for i := range n {
		out = append(out, Duration{Ns: from + i})
	}
	return out
}

func TestLogRankOfFew(t *testing.T) {
	r := LogRank(series(10, 3), series(20, 3))
	if !r.Exact {
		t.Error("20 arrangements are not counted out")
	}
	near(t, "3 + 3 apart", r.Slower, 1.0/20, 1e-12)
	killed := []Duration{{Ns: 30, Censored: true}, {Ns: 30, Censored: true}, {Ns: 30, Censored: true}, {Ns: 30, Censored: true}}
	near(t, "all killed at the limit", LogRank(series(10, 4), killed).Slower, 1.0/70, 1e-12)
	near(t, "both killed", LogRank(killed, killed).Slower, 1, 0)
	near(t, "nothing", LogRank(nil, killed).Slower, 1, 0)
}

// TestLogRankIsAntisymmetric: who is slower one way is faster the other.
func TestLogRankIsAntisymmetric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := durations(t, "a", 6), durations(t, "b", 6)
		x, y := LogRank(a, b), LogRank(b, a)
		if math.Abs(x.Slower-y.Faster) > 1e-9 || math.Abs(x.Chi2-y.Chi2) > 1e-6 {
			t.Fatalf("%+v, the other way round %+v", x, y)
		}
	})
}

func durations(t *rapid.T, name string, most int) []Duration {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Duration {
		return Duration{Ns: rapid.Int64Range(1, 9).Draw(t, "ns"), Censored: rapid.Bool().Draw(t, "censored")}
	}), 1, most).Draw(t, name)
}

// TestLogRankHoldsItsLevel draws both series from one distribution, cut off at
// one limit.
func TestLogRankHoldsItsLevel(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	draw := func() (out []Duration) {
		for range 5 {
			ns := int64(1e6 * rng.ExpFloat64())
			out = append(out, Duration{Ns: min(ns, 2e6), Censored: ns > 2e6})
		}
		return out
	}
	alarms := 0
	const n = 2000
	for range n {
		if LogRank(draw(), draw()).Slower <= 0.05 {
			alarms++
		}
	}
	if alarms > binomialLimit(n, 0.05) {
		t.Errorf("%d false alarms of %d at 5 %%", alarms, n)
	}
	if alarms == 0 {
		t.Error("a test that never rejects")
	}
}

// binomialLimit is what n draws at rate p exceed less than once in 10,000.
func binomialLimit(n int, p float64) int {
	k := 0
	for binomialTail(k, n, p) > 1e-4 {
		k++
	}
	return k
}

func TestMcNemar(t *testing.T) {
	near(t, "5 of 5", McNemar(0, 5), 1.0/32, 1e-12)
	near(t, "none differs", McNemar(0, 0), 1, 0)
	near(t, "2 of 3", McNemar(1, 2), 0.5, 1e-12)
}

// TestBonettPriceCovers counts the interval's exact coverage with 15 pairs.
func TestBonettPriceCovers(t *testing.T) {
	const n = 15
	for _, p := range [][2]float64{{0.05, 0.05}, {0.05, 0.3}, {0.2, 0.2}, {0.1, 0.6}} {
		cover := 0.0
		for a := range n + 1 {
			for b := range n + 1 - a {
				d := BonettPrice(a, b, n, 0.95)
				if truth := p[1] - p[0]; d.Low <= truth && truth <= d.High {
					cover += math.Exp(choose(n, a) + choose(n-a, b) + float64(a)*math.Log(p[0]) + float64(b)*math.Log(p[1]) + float64(n-a-b)*math.Log(1-p[0]-p[1]))
				}
			}
		}
		if cover < 0.94 {
			t.Errorf("%v: covers %.3f", p, cover)
		}
	}
	if d := BonettPrice(0, 0, 0, 0.95); d.Low != -1 || d.High != 1 {
		t.Errorf("no pairs: %+v", d)
	}
}

func TestPaired(t *testing.T) {
	pairs := func(ds ...int64) (out []Pair) {
		for _, d := range ds {
			out = append(out, Pair{Duration{Ns: 100}, Duration{Ns: 100 + d}})
		}
		return out
	}
	s := Paired(pairs(1, 2, 3, 4, 5, 6), 0.95)
	if *s.Ns != 4 || *s.Low != 1 || *s.High != 6 || s.Longer != 6 { // 3.5 rounds up
		t.Errorf("six pairs: %+v, median %d", s, *s.Ns)
	}
	near(t, "six pairs", s.Slower, 1.0/64, 1e-12)
	if s = Paired(pairs(1, 2, 3, 4, 5), 0.95); s.Low != nil {
		t.Errorf("five pairs bound nothing at 95 %%: %+v", s)
	}
	killed := Pair{Duration{Ns: 5}, Duration{Ns: 9, Censored: true}}
	unknown := Pair{Duration{Ns: 9, Censored: true}, Duration{Ns: 9, Censored: true}}
	if s = Paired([]Pair{killed, killed, unknown}, 0.95); s.Longer != 2 || s.Ns != nil || s.Pairs != 3 {
		t.Errorf("killed: %+v", s)
	}
}

func TestMedians(t *testing.T) {
	a, b := series(100, 9), series(200, 9)
	s := Medians(a, b, 0.95)
	if *s.Ns != 100 || *s.Low > 100 || *s.High < 100 || *s.Low < 92 || *s.High > 108 {
		t.Errorf("%d [%d, %d]", *s.Ns, *s.Low, *s.High)
	}
	near(t, "ratio", *s.Ratio, 204.0/104, 1e-9)
	if again := Medians(a, b, 0.95); *again.Low != *s.Low || *again.RatioHigh != *s.RatioHigh {
		t.Error("another interval the second time")
	}
	if s = Medians(a[:4], b, 0.95); s.Low != nil || s.Ns == nil {
		t.Errorf("four a side: %+v", s)
	}
	killed := []Duration{{Ns: 9, Censored: true}}
	if s = Medians(a, killed, 0.95); s.Ns != nil {
		t.Errorf("killed: %+v", s)
	}
}

func TestLeastShift(t *testing.T) {
	a := series(1000, 5)
	d := LeastShift(a, 5, 0.05)
	if d < 1 || d > 5 {
		t.Errorf("least shift %d of five that lie 1 apart", d)
	}
	if d := LeastShift(a[:2], 2, 0.05); d != -1 {
		t.Errorf("2 + 2 tell nothing: %d", d)
	}
}

// TestHolm is Holm's own procedure by hand.
func TestHolm(t *testing.T) {
	got := Holm([]float64{0.01, 0.04, 0.03, 0.005})
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		near(t, "Holm", got[i], want, 1e-12)
	}
}
