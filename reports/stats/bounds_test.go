package stats

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// TestCleanNeeded: the rule of three has a closed form, ln(1-conf)/ln(1-limit);
// the counts after failures are those of research, load.md §2e.
func TestCleanNeeded(t *testing.T) {
	for _, c := range []struct {
		k     int
		limit float64
		conf  float64
		want  int
	}{
		{0, 0.05, 0.95, 59}, {0, 0.001, 0.95, 2995}, {1, 0.001, 0.95, 4742}, {2, 0.001, 0.95, 6294}, {0, 0.001, 0.99, 4603},
	} {
		if got := CleanNeeded(Exact, c.k, c.k, c.limit, c.conf); got+c.k != c.want {
			t.Errorf("%d failed, limit %g at %g: %d trials, want %d", c.k, c.limit, c.conf, got+c.k, c.want)
		}
	}
	if got := CleanNeeded(Sequential, 0, 0, 0.05, 0.95); got != 65 {
		t.Errorf("sequential: %d, the documentation says 65", got)
	}
	if got := CleanNeeded(Exact, 0, 59, 0.05, 0.95); got != 0 {
		t.Errorf("enough, yet %d more", got)
	}
	if got := CleanNeeded(Exact, 0, 0, 1e-9, 0.95); got != -1 {
		t.Errorf("beyond reach: %d", got)
	}
}

func TestBoundsHoldTheirPoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300).Draw(t, "n")
		k := rapid.IntRange(0, n).Draw(t, "k")
		conf := rapid.SampledFrom([]float64{0.8, 0.95, 0.99}).Draw(t, "conf")
		elow, ehigh := Exact(k, n, conf)
		slow, shigh := Sequential(k, n, conf)
		p := float64(k) / float64(max(n, 1))
		if n > 0 && (elow > p || ehigh < p) || slow > elow+1e-9 || shigh < ehigh-1e-9 {
			t.Fatalf("%d of %d: exact [%g, %g], sequential [%g, %g]", k, n, elow, ehigh, slow, shigh)
		}
	})
}

// TestSequentialHoldsAtEveryLook counts out, trial by trial, how likely a proxy
// whose rate is exactly the limit is ever passed, or ever failed, by whoever
// looks after each of 300 trials: at most 5 % each, with no simulation.
func TestSequentialHoldsAtEveryLook(t *testing.T) {
	for _, limit := range []float64{0.01, 0.05, 0.2} {
		passed := ever(300, limit, func(low, high float64) bool { return high <= limit })
		failed := ever(300, limit, func(low, high float64) bool { return low > limit })
		t.Logf("limit %g: passed %.4f, failed %.4f", limit, passed, failed)
		if passed > 0.05 || failed > 0.05 {
			t.Errorf("limit %g: a proxy at it is passed in %.4f and failed in %.4f", limit, passed, failed)
		}
		if limit > 0.01 && passed < 0.01 || failed < 0.01 { // 1 % takes more than 300 trials
			t.Errorf("limit %g: %.4f and %.4f: bounds that never err bound nothing", limit, passed, failed)
		}
	}
}

// ever is the exact chance that bounds at 95 % ever hold a condition within n
// trials that fail at rate p.
func ever(n int, p float64, holds func(low, high float64) bool) (hit float64) {
	alive := []float64{1} // by failures so far
	for i := 1; i <= n; i++ {
		next := make([]float64, i+1)
		for k, mass := range alive {
			next[k] += mass * (1 - p)
			next[k+1] += mass * p
		}
		for k, mass := range next {
			if mass > 1e-12 && holds(Sequential(k, i, 0.95)) {
				hit += mass
				next[k] = 0
			}
		}
		alive = next
	}
	return hit
}

// TestLookingTwiceNeedsIt shows what it is for: with bounds for a fixed number,
// whoever looks after each trial passes too many.
func TestLookingTwiceNeedsIt(t *testing.T) {
	const limit, proxies, trials = 0.05, 400, 250
	rng := rand.New(rand.NewPCG(12, 12))
	passed := 0
	for range proxies {
		k := 0
		for n := 1; n <= trials; n++ {
			if rng.Float64() < limit {
				k++
			}
			if n >= 59 && k <= 6 {
				if _, high := Exact(k, n, 0.95); high <= limit {
					passed++
					break
				}
			}
		}
	}
	if passed < binomialLimit(proxies, 0.05) {
		t.Errorf("only %d of %d were passed: no correction would be needed", passed, proxies)
	}
}

// TestMeanBoundsAreHonest: shares that are 0 save one trial in forty, which
// loses everything: no look may bound the mean below its 2.5 % more often than
// one time in twenty.
func TestMeanBoundsAreHonest(t *testing.T) {
	const mean, series, trials = 0.025, 300, 120
	rng := rand.New(rand.NewPCG(13, 13))
	wrong := 0
	for range series {
		var xs []float64
		for n := 1; n <= trials; n++ {
			xs = append(xs, float64(boolInt(rng.Float64() < mean)))
			if n%10 == 0 {
				if low, high := MeanBounds(xs, 0.95); high < mean || low > mean {
					wrong++
					break
				}
			}
		}
	}
	if wrong > binomialLimit(series, 0.10) { // 5 % a side
		t.Errorf("%d of %d were wrong at some look", wrong, series)
	}
}

func TestMeanBounds(t *testing.T) {
	if low, high := MeanBounds(nil, 0.95); low != 0 || high < 0.999 {
		t.Errorf("nothing: [%g, %g]", low, high)
	}
	clean := make([]float64, 72)
	if n := CleanSharesNeeded(nil, 0.05, 0.95); n < 59 || n > 72 {
		t.Errorf("%d clean trials for 5 %%", n)
	}
	if n := CleanSharesNeeded(clean, 0.05, 0.95); n != 0 {
		t.Errorf("%d more than 72", n)
	}
	worse := []float64{0.2, 0.25, 0.18, 0.22}
	if low, _ := MeanBounds(worse, 0.95); low < 0.01 {
		t.Errorf("a fifth fails in each of four trials: low %g", low)
	}
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 60).Draw(t, "shares")
		low, high := MeanBounds(xs, 0.95)
		if m := sum(xs) / float64(len(xs)); low > m+1e-6 || high < m-1e-6 || low < 0 || high > 1 {
			t.Fatalf("%v: [%g, %g]", xs, low, high)
		}
	})
}

// TestQuantileBounds: of the median of 6, the least and the greatest bound it at
// 1-1/64 each; 29 are the fewest that bound the 0.9-quantile above at 95 %.
func TestQuantileBounds(t *testing.T) {
	low, high := QuantileBounds(series(1, 6), 0.5, 0.98)
	if low == nil || high == nil || low.Ns != 1 || high.Ns != 6 {
		t.Errorf("median of 6: %v, %v", low, high)
	}
	if _, high = QuantileBounds(series(1, 28), 0.9, 0.95); high != nil {
		t.Errorf("28: %v", high)
	}
	if _, high = QuantileBounds(series(1, 29), 0.9, 0.95); high == nil || high.Ns != 29 {
		t.Errorf("29: %v", high)
	}
	killed := append(series(1, 28), Duration{Ns: 5, Censored: true})
	if _, high = QuantileBounds(killed, 0.9, 0.95); high != nil {
		t.Errorf("one killed early of 29: %v", high)
	}
}
