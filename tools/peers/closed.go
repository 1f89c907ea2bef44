package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
)

// goal is what the issue asks of our closed-loop client.
type goal struct {
	peer string
	min  float64 // least ratio of requests per client CPU-second, ours ÷ theirs
}

var goals = []goal{{"vegeta", 1.6}, {"wrk", 0.75}, {"k6", 6}}

// maxCost is the CPU time that one request may cost us, in µs, ledger included.
const maxCost = 12

// closedLoop measures and prints the first table.
func (b *bench) closedLoop(ctx context.Context) error {
	cs, got := b.present(closedClients), map[string][]sample{}
	for i := range b.rounds {
		if err := b.round(ctx, i, cs, job{lasts: b.lasts}, 0, got); err != nil {
			return err
		}
	}
	if b.rounds > 0 {
		b.closedTable(cs, got)
		closedGoals(got)
	}
	return nil
}

func (b *bench) closedTable(cs []client, got map[string][]sample) {
	fmt.Printf("Closed loop: %d connections, %v a run, %d rounds. Median (least–greatest); ratios are taken within a round.\n\n", connections, b.lasts, b.rounds)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', tabwriter.Debug)
	fmt.Fprintln(w, "client\t requests/s\t per client CPU-second\t µs CPU/request\t ours ÷ it, per CPU-second\t disturbed")
	for _, c := range cs {
		s := got[c.name]
		fmt.Fprintf(w, "%s\t %s\t %s\t %s\t %s\t %d of %d\n", c.name,
			spread(each(s, func(s sample) float64 { return s.rate }), "%.0f"),
			spread(each(s, func(s sample) float64 { return s.perCPU }), "%.0f"),
			spread(each(s, cost), "%.1f"), spread(ratios(got[ours], s), "%.2f"), disturbed(s), len(s))
	}
	w.Flush()
	b.remark()
}

// remark explains the last column.
func (b *bench) remark() {
	fmt.Printf("\nA run is disturbed if other processes used %.0f%% of a core or more; it is made up to %d times and the least disturbed counts (%d runs more than the table has).\n\n", 100*busy, tries, b.again)
	b.again = 0
}

func cost(s sample) float64 { return 1e6 / s.perCPU }

func disturbed(s []sample) (n int) {
	for _, x := range s {
		if x.foreign >= busy {
			n++
		}
	}
	return n
}

// ratios are ours ÷ theirs, round by round.
func ratios(mine, theirs []sample) (out []float64) {
	for i := range theirs {
		out = append(out, mine[i].perCPU/theirs[i].perCPU)
	}
	return out
}

func closedGoals(got map[string][]sample) {
	for _, g := range goals {
		what := fmt.Sprintf("per CPU-second, ours ≥ %.2f × %s", g.min, g.peer)
		if len(got[g.peer]) == 0 {
			target(what, "not measured", g.peer+" is missing")
			continue
		}
		r := median(ratios(got[ours], got[g.peer]))
		target(what, met(r >= g.min), fmt.Sprintf("%.2f", r))
	}
	c := median(each(got[ours], cost))
	target(fmt.Sprintf("CPU per request with ledger ≤ %d µs", maxCost), met(c <= maxCost), fmt.Sprintf("%.1f µs", c))
	fmt.Println()
}

func target(what, verdict, measured string) {
	fmt.Printf("target: %-45s %-12s %s\n", what, verdict, measured)
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "not met"
}
