package html

import (
	"cmp"
	"slices"

	"faultbed/reports/check"
	"faultbed/reports/history"
)

// maxDrawn is how many requests of one trial are drawn: more than a screen has
// room for. Of a larger trial it is a sample, which says so. What is counted is
// counted from all of them.
const maxDrawn = 1200

// sort is requests that look alike.
type sort struct {
	class   history.Class
	outcome history.Outcome
}

// pick takes about maxDrawn exchanges, in their order: every one that a
// violation names, as many of each sort as of any other, and of one sort evenly
// over the trial, so that what is rare is there. It throws no dice.
func pick(all []*check.Exchange, named map[string]bool) []*check.Exchange {
	of := map[sort][]int{}
	picked := make([]bool, len(all))
	for i, x := range all {
		s := sort{x.Begin.Class, x.Outcome()}
		of[s] = append(of[s], i)
		picked[i] = named[x.Begin.ID]
	}
	sorts := make([][]int, 0, len(of))
	for _, places := range of {
		sorts = append(sorts, places)
	}
	slices.SortFunc(sorts, func(a, b []int) int { return cmp.Or(len(a)-len(b), a[0]-b[0]) })
	room := maxDrawn
	for i, places := range sorts {
		n := min(len(places), room/(len(sorts)-i))
		for k := range n {
			picked[places[k*len(places)/n]] = true
		}
		room -= n
	}
	var out []*check.Exchange
	for i, x := range all {
		if picked[i] {
			out = append(out, x)
		}
	}
	return out
}

// total counts all requests, where only some are drawn.
func (tl *timeline) total(v *check.View) {
	tl.Of, tl.Counts, tl.Bin = len(v.Exchanges), make([]int, len(tl.Outcomes)), 10_000
	if tl.Dur > 6_000_000 { // a minute
		tl.Bin = 100_000
	}
	rates := map[[2]int64]int64{}
	for _, x := range v.Exchanges {
		o := slices.Index(tl.Outcomes, x.Outcome())
		if o < 0 {
			continue // an outcome of a later version
		}
		tl.Counts[o]++
		if x.End != nil && !x.Begin.Class.IsHeld() {
			rates[[2]int64{v.Rel(x.End.T) / tick / tl.Bin, int64(o)}]++
		}
	}
	for at, n := range rates {
		tl.Rates = append(tl.Rates, [3]int64{at[0], at[1], n})
	}
	slices.SortFunc(tl.Rates, func(a, b [3]int64) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
}
