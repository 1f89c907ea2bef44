package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// The fixed rate: 2,000 requests a second for 5 s, and one stall of 500 ms.
const (
	fixedRate  = 2000
	fixedFor   = 5 * time.Second
	stallAfter = 2 * time.Second
	stallFor   = 500 * time.Millisecond
	binWidth   = 10 * time.Millisecond
	settle     = 500 * time.Millisecond // after a stall, before arrivals count as steady again
)

// truth is the 99th percentile of latency, timed from the schedule, of an open
// model: the later in the stall a request arrives the less it waits, so all but
// the slowest 1% of all requests wait less than the stall less 1% of the run.
const truth = stallFor - fixedFor/100

// inStall is how many requests an open model sends while the server stalls.
const inStall = int(stallFor * fixedRate / time.Second)

// fixedRate measures and prints the second table. Clients may use both cores: at
// this rate they compete for none, and a thread that keeps time needs one at once.
func (b *bench) fixedRate(ctx context.Context) error {
	cs, got := b.present(fixedClients), map[string][]sample{}
	for i := range b.fixedRounds {
		if err := b.round(ctx, i, cs, job{lasts: fixedFor, rate: fixedRate, core: anywhere}, stallFor, got); err != nil {
			return err
		}
	}
	if b.fixedRounds > 0 {
		b.fixedTable(cs, got)
		fixedGoals(got[ours])
	}
	return nil
}

// stall is when the server answered nothing, in its clock's ns.
func (s sample) stall() (from, to int64) {
	from = s.stats.First + int64(stallAfter)
	return from, from + int64(stallFor)
}

func (s sample) duringStall() float64 {
	from, to := s.stall()
	return float64(within(s.at, from, to))
}

// steady is the arrivals' coefficient of variation over bins of 10 ms, before
// the stall and from half a second after it.
func (s sample) steady() float64 {
	from, to := s.stall()
	const spacing = time.Second / fixedRate
	before := bins(s.at, edge(s.at, s.stats.First, spacing), from)
	return cv(append(before, bins(s.at, edge(s.at, to+int64(settle), spacing)+int64(spacing), s.stats.Last)...))
}

// peak is the fullest bin in the half second after the stall.
func (s sample) peak() float64 {
	_, to := s.stall()
	return slices.Max(bins(s.at, to, to+int64(settle)))
}

func (b *bench) fixedTable(cs []client, got map[string][]sample) {
	fmt.Printf("Fixed rate: %d/s for %v, one stall of %v, %d rounds. Medians (least–greatest).\n\n", fixedRate, fixedFor, stallFor, b.fixedRounds)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', tabwriter.Debug)
	fmt.Fprintf(w, "client\t served (of %d)\t arrived in stall (of %d)\t CV\t fullest 10 ms after (ideal 20)\t p99 it reports, ms\t ÷ true p99 (%v)\t median send lag, ms\t µs CPU/request\t disturbed\n",
		int(fixedFor*fixedRate/time.Second), inStall, truth)
	for _, c := range cs {
		s := got[c.name]
		fmt.Fprintf(w, "%s\t %s\t %s\t %s\t %s\t %s\t %s\t %s\t %s\t %d of %d\n", c.name,
			spread(each(s, func(s sample) float64 { return float64(s.requests) }), "%.0f"),
			spread(each(s, sample.duringStall), "%.0f"), spread(each(s, sample.steady), "%.3f"), spread(each(s, sample.peak), "%.0f"),
			spread(each(s, func(s sample) float64 { return ms(s.told.p99) }), "%.1f"),
			spread(each(s, func(s sample) float64 { return float64(s.told.p99) / float64(truth) }), "%.3f"),
			lags(s), spread(each(s, cost), "%.0f"), disturbed(s), len(s))
	}
	w.Flush()
	b.remark()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// lags is – for a client that does not tell its own.
func lags(s []sample) string {
	if len(s) == 0 || s[0].told.lag < 0 {
		return "–"
	}
	return spread(each(s, lag), "%.3f")
}

func lag(s sample) float64 { return ms(s.told.lag) }

// What the issue asks of our load at the fixed rate.
const (
	maxCV  = 0.04
	maxLag = 0.1 // ms
)

func fixedGoals(s []sample) {
	c, l := median(each(s, sample.steady)), median(each(s, lag))
	target(fmt.Sprintf("arrivals' CV ≤ %.2f", maxCV), met(c <= maxCV), fmt.Sprintf("%.3f", c))
	target(fmt.Sprintf("median send lag ≤ %.1f ms", maxLag), met(l <= maxLag), fmt.Sprintf("%.3f ms", l))
}
