package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"faultbed/fixtures/closed"
	"faultbed/fixtures/load"
	"faultbed/reports/history"
)

// closedLoop is the subcommand closed: the closed-loop client, with its ledger,
// against one address. It prints what it did as one line of JSON. tools/peers
// measures it beside other load generators.
func closedLoop(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("closed", flag.ContinueOnError)
	o := closed.Options{}
	fs.StringVar(&o.Addr, "addr", "", "server, IPv4 host:port")
	fs.IntVar(&o.Connections, "connections", 32, "connections, each with one request under way")
	fs.DurationVar(&o.For, "for", 3*time.Second, "how long requests are begun")
	fs.DurationVar(&o.Timeout, "timeout", 10*time.Second, "deadline of one request")
	fs.Int64Var(&o.Size, "size", 13, "body bytes of each response")
	fs.Uint64Var(&o.Seed, "seed", rand.Uint64(), "seed of the ids")
	path := fs.String("ledger", "", ledgerUsage)
	if err := fs.Parse(args); err != nil {
		return err
	}
	if o.Addr == "" || *path == "" {
		return errors.New("closed: want --addr HOST:PORT and --ledger FILE")
	}
	ledger, err := createLedger(*path)
	if err != nil {
		return err
	}
	o.Ledger = ledger
	res, err := closed.Run(ctx, o)
	if err := errors.Join(err, ledger.Close()); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(struct {
		closed.Result
		Seed uint64 `json:"seed"`
	}{res, o.Seed})
}

const ledgerUsage = "file for the events, which must not exist yet: NDJSON by the name .ndjson, compact by the name .fbl"

// ledger is what both forms of a ledger can do.
type ledger interface {
	Append(...history.Event) error
	Close() error
}

func createLedger(path string) (ledger, error) {
	switch filepath.Ext(path) {
	case ".ndjson":
		return history.CreateLedger(path)
	case ".fbl":
		return history.CreatePages(path)
	}
	return nil, fmt.Errorf("ledger %s: want a name that ends in .ndjson or .fbl", path)
}

// rate is what the subcommand open is told.
type rate struct {
	addr    string
	rate    int
	lasts   time.Duration
	timeout time.Duration
	size    int64
	seed    uint64
}

// openLoop is the subcommand open: role load without a bed, with evenly spaced
// short requests to one address. It prints what its ledger says as one line of
// JSON.
func openLoop(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("open", flag.ContinueOnError)
	r := rate{}
	fs.StringVar(&r.addr, "addr", "", "server, host:port")
	fs.IntVar(&r.rate, "rate", 2000, "requests a second")
	fs.DurationVar(&r.lasts, "for", 5*time.Second, "how long requests are planned")
	fs.DurationVar(&r.timeout, "timeout", 10*time.Second, "deadline of one request, from its planned instant")
	fs.Int64Var(&r.size, "size", 13, "body bytes of each response")
	fs.Uint64Var(&r.seed, "seed", rand.Uint64(), "seed of the ids")
	path := fs.String("ledger", "", ledgerUsage)
	if err := fs.Parse(args); err != nil {
		return err
	}
	if r.addr == "" || *path == "" || r.rate <= 0 {
		return errors.New("open: want --addr HOST:PORT, --ledger FILE and a positive --rate")
	}
	ledger, err := createLedger(*path)
	if err != nil {
		return err
	}
	c := &collector{}
	err = errors.Join(r.run(ctx, c.emit), ledger.Append(c.events...), ledger.Close())
	if err != nil {
		return err
	}
	t := summary(c.events)
	t.Seed = r.seed
	return json.NewEncoder(out).Encode(t)
}

// collector keeps a session's events in memory: at a fixed rate there are few.
type collector struct {
	mu     sync.Mutex
	events []history.Event
}

func (c *collector) emit(e history.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.T == 0 {
		e.T = history.Now()
	}
	e.Node = "load"
	c.events = append(c.events, e)
}

// lead is how long before its first arrival the load is started.
const lead = 100 * time.Millisecond

func (r rate) run(ctx context.Context, emit func(history.Event)) error {
	t0 := history.Now() + int64(lead)
	spec, err := json.Marshal(load.Spec{T0: t0, Arrivals: r.arrivals(), Endpoints: []load.Endpoint{{Addr: r.addr}},
		Timeout: int64(r.timeout), End: t0 + int64(r.lasts+r.timeout)})
	if err != nil {
		return err
	}
	done := make(chan struct{})
	s, err := load.Role(ctx, spec, emit, sync.OnceFunc(func() { close(done) }))
	if err != nil {
		return err
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	return s.Close()
}

// arrivals are evenly spaced, with ids as a plan has them.
func (r rate) arrivals() []history.Arrival {
	rng := rand.New(rand.NewPCG(r.seed, 0))
	out := make([]history.Arrival, int(int64(r.lasts)*int64(r.rate)/int64(time.Second)))
	for i := range out {
		out[i] = history.Arrival{At: int64(i) * int64(time.Second) / int64(r.rate), ID: fmt.Sprintf("%04d-%08x", i+1, rng.Uint32()),
			Class: history.Short, Size: r.size}
	}
	return out
}

// told is what open prints; times in ns.
type told struct {
	Requests int                     `json:"requests"`
	Outcomes map[history.Outcome]int `json:"outcomes"`
	Lag      int64                   `json:"lag"`    // median from the planned instant to the hand-over to the sender
	LagP99   int64                   `json:"lagP99"` // 99th percentile of that
	P50      int64                   `json:"p50"`    // latency from the planned instant
	P99      int64                   `json:"p99"`
	Seed     uint64                  `json:"seed"`
}

func summary(events []history.Event) told {
	t := told{Outcomes: map[history.Outcome]int{}}
	var lag, latency []int64
	for _, e := range events {
		switch e.Kind {
		case history.Begin:
			lag = append(lag, e.T-e.Planned)
		case history.End:
			t.Requests++
			t.Outcomes[e.Outcome]++
			latency = append(latency, e.T-e.Planned)
		}
	}
	t.Lag, t.LagP99 = quantile(lag, 0.5), quantile(lag, 0.99)
	t.P50, t.P99 = quantile(latency, 0.5), quantile(latency, 0.99)
	return t
}

// quantile is the nearest rank; 0 of nothing.
func quantile[T cmp.Ordered](v []T, q float64) (x T) {
	if len(v) == 0 {
		return x
	}
	slices.Sort(v)
	return v[min(len(v)-1, int(q*float64(len(v))))]
}
