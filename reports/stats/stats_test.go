package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestClopperPearson(t *testing.T) {
	// Reference values: published tables; 0 of n has the closed form 1-(a/2)^(1/n).
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{
		{0, 10, 0, 0.30850}, {1, 10, 0.00253, 0.44502}, {5, 10, 0.18709, 0.81291},
		{10, 10, 0.69150, 1}, {0, 0, 0, 1}, {2, 20, 0.01235, 0.31698},
	} {
		iv := ClopperPearson(c.k, c.n, 0.95)
		if math.Abs(iv.Low-c.low) > 1e-4 || math.Abs(iv.High-c.high) > 1e-4 {
			t.Errorf("%d of %d: got [%.5f, %.5f], want [%.5f, %.5f]", c.k, c.n, iv.Low, iv.High, c.low, c.high)
		}
	}
}

func TestClopperPearsonContainsPoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 400).Draw(t, "n")
		k := rapid.IntRange(0, n).Draw(t, "k")
		iv := ClopperPearson(k, n, 0.95)
		p := float64(k) / float64(n)
		if iv.Low > p || iv.High < p || iv.Low < 0 || iv.High > 1 {
			t.Fatalf("%d of %d: %v", k, n, iv)
		}
	})
}

func TestTrialsNeeded(t *testing.T) {
	if n := TrialsNeeded(0.001, 0.95); n != 2995 {
		t.Errorf("got %d, want 2995", n)
	}
	if n := TrialsNeeded(0, 0.95); n != 0 {
		t.Errorf("an impossible limit needs %d", n)
	}
}

func TestKaplanMeier(t *testing.T) {
	c := func(ns int64) Duration { return Duration{Ns: ns, Censored: true} }
	e := func(ns int64) Duration { return Duration{Ns: ns} }
	for _, tc := range []struct {
		name     string
		in       []Duration
		median   int64
		censored bool
	}{
		{"one", []Duration{e(5)}, 5, false},
		{"odd", []Duration{e(3), e(1), e(2)}, 2, false},
		{"all killed", []Duration{c(9), c(9)}, 9, true},
		{"minority killed", []Duration{e(1), e(2), c(9)}, 2, false},
		{"majority killed", []Duration{e(1), c(9), c(9)}, 9, true},
		{"early censoring moves the median up", []Duration{c(1), e(2), e(3), e(4)}, 3, false},
	} {
		s := KaplanMeier(tc.in)
		if s.Median.Ns != tc.median || s.Median.Censored != tc.censored {
			t.Errorf("%s: median %+v, want %d censored=%v", tc.name, *s.Median, tc.median, tc.censored)
		}
	}
	if s := KaplanMeier(nil); s.Median != nil || s.N != 0 {
		t.Errorf("nothing measured: %+v", s)
	}
}

func TestQuantile(t *testing.T) {
	in := []int64{4, 1, 3, 2}
	for q, want := range map[float64]int64{0: 1, 0.5: 2, 0.75: 3, 0.99: 4, 1: 4} {
		if got := Quantile(in, q); got != want {
			t.Errorf("q%.2f = %d, want %d", q, got, want)
		}
	}
	if in[0] != 4 || Quantile(nil, 0.5) != 0 {
		t.Error("input changed, or no samples have a quantile")
	}
}
