package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// spread is "median (least–greatest)".
func spread(v []float64, verb string) string {
	if len(v) == 0 {
		return "–"
	}
	return fmt.Sprintf(verb+" ("+verb+"–"+verb+")", median(v), slices.Min(v), slices.Max(v))
}

func each(s []sample, f func(sample) float64) (out []float64) {
	for _, x := range s {
		out = append(out, f(x))
	}
	return out
}

// within counts the arrivals of [from, to).
func within(at []int64, from, to int64) (n int) {
	for _, t := range at {
		if t >= from && t < to {
			n++
		}
	}
	return n
}

// bins counts arrivals of [from, to) in bins of 10 ms; an unfinished last one is
// left out.
func bins(at []int64, from, to int64) []float64 {
	out := make([]float64, max(0, (to-from)/int64(binWidth)))
	for _, t := range at {
		if i := (t - from) / int64(binWidth); t >= from && i < int64(len(out)) {
			out[i]++
		}
	}
	return out
}

// cv is the standard deviation of bins ÷ their mean.
func cv(bins []float64) float64 {
	if len(bins) == 0 {
		return math.NaN()
	}
	sum, squares := 0.0, 0.0
	for _, b := range bins {
		sum += b
	}
	mean := sum / float64(len(bins))
	for _, b := range bins {
		squares += (b - mean) * (b - mean)
	}
	return math.Sqrt(squares/float64(len(bins))) / mean
}

// edge is an instant at or before first at which bins begin: half a spacing off
// the arrivals' common phase. Were edges on it, each arrival's smallest jitter
// would carry it over an edge, and every even stream would look uneven.
func edge(at []int64, first int64, spacing time.Duration) int64 {
	var x, y float64
	for _, t := range at {
		phase := 2 * math.Pi * float64((t-first)%int64(spacing)) / float64(spacing)
		x, y = x+math.Cos(phase), y+math.Sin(phase)
	}
	off := math.Atan2(y, x)/(2*math.Pi)*float64(spacing) - float64(spacing)/2
	for off > 0 {
		off -= float64(spacing)
	}
	return first + int64(off)
}
