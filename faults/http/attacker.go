package http

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"faultbed/reports/history"
)

// Fault is one planned fault in the attacker's form.
type Fault struct {
	ID          string `json:"id"`
	Kind        string `json:"kind"` // without its family
	Addr        string `json:"addr"` // the subject's plain listener, host:port
	TLS         string `json:"tls"`  // its listener with TLS, for HTTP/2
	Connections int    `json:"connections"`
	Rate        int    `json:"rate"` // per second, over all connections
}

// Attacker carries faults out. Its methods may be called concurrently.
type Attacker struct {
	emit func(history.Event)
	mu   sync.Mutex
	on   map[string]*attack
}

// New is an attacker that tells emit what it did and saw.
func New(emit func(history.Event)) *Attacker {
	return &Attacker{emit: emit, on: map[string]*attack{}}
}

// attack is a fault in force.
type attack struct {
	Fault
	kind   Kind
	cancel context.CancelFunc
	all    sync.WaitGroup
	mu     sync.Mutex
	seen   map[string]int64
}

// Inject begins an attack and returns at once.
func (a *Attacker) Inject(f Fault) error {
	k, ok := Find(f.Kind)
	if !ok || f.Connections < 1 || f.Connections > mostConnections || f.Rate < 1 || f.Rate > mostRate {
		return fmt.Errorf("http: can't do %+v", f)
	}
	ctx, cancel := context.WithCancel(context.Background())
	x := &attack{Fault: f, kind: k, cancel: cancel, seen: map[string]int64{}}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.on[f.ID] != nil {
		cancel()
		return fmt.Errorf("http: %s is in force", f.ID)
	}
	a.on[f.ID] = x
	for range f.Connections {
		x.all.Go(func() { x.work(ctx) })
	}
	return nil
}

// Lift ends an attack, closes its connections and tells what it did; one that is
// lifted already is no error.
func (a *Attacker) Lift(id string) {
	a.mu.Lock()
	x := a.on[id]
	delete(a.on, id)
	a.mu.Unlock()
	if x == nil {
		return
	}
	x.cancel()
	x.all.Wait()
	bites, told := x.told()
	if bites > 0 {
		a.emit(history.Event{Kind: history.Bite, ID: id, Count: bites, Via: x.kind.Touches, Detail: told})
		return
	}
	a.emit(history.Event{Kind: history.Note, ID: id, Detail: "the attack bit nothing: " + told})
}

// Close lifts all.
func (a *Attacker) Close() {
	a.mu.Lock()
	ids := slices.Collect(maps.Keys(a.on))
	a.mu.Unlock()
	for _, id := range ids {
		a.Lift(id)
	}
}

// saw counts what the subject took or did.
func (x *attack) saw(what string, n int64) {
	x.mu.Lock()
	x.seen[what] += n
	x.mu.Unlock()
}

// told is how often it bit, and every count, sorted. Who listens may still count.
func (x *attack) told() (bites int64, all string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []string
	for _, what := range slices.Sorted(maps.Keys(x.seen)) {
		out = append(out, fmt.Sprintf("%s: %d", what, x.seen[what]))
	}
	return x.seen[x.kind.Touches], strings.Join(out, ", ")
}

// again is the time from a connection's end to the next dial: at most 200 of all
// connections in a second.
func (x *attack) again() time.Duration {
	return max(100*time.Millisecond, time.Duration(x.Connections)*5*time.Millisecond)
}

// work keeps one connection busy until the attack ends.
func (x *attack) work(ctx context.Context) {
	for ctx.Err() == nil {
		if err := x.once(ctx); err != nil && ctx.Err() == nil {
			x.saw("failed dials", 1)
		}
		pause(ctx, x.again())
	}
}

func (x *attack) once(ctx context.Context) error {
	if x.kind.HTTP2 {
		c, err := x.dialHTTP2(ctx)
		if err != nil {
			return err
		}
		x.saw("connections opened", 1)
		x.kind.run(c.ctx, x, c)
		c.close()
		return nil
	}
	c, err := x.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	x.saw("connections opened", 1)
	x.kind.slow(c.ctx, x, c)
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// tick is the spacing of bursts.
const tick = 50 * time.Millisecond

// paced calls f every tick with how many things are due on this connection, until
// ctx ends or f fails.
func (x *attack) paced(ctx context.Context, f func(n int) error) {
	owed, last := 0.0, time.Now()
	for {
		pause(ctx, tick)
		now := time.Now()
		owed += now.Sub(last).Seconds() * float64(x.Rate) / float64(x.Connections)
		last = now
		n := int(owed)
		owed -= float64(n)
		if ctx.Err() != nil || n > 0 && f(n) != nil {
			return
		}
	}
}

// path is a target that the origin answers as a class asks.
func (x *attack) path(class, query string) string {
	return "/fb/" + class + "/" + history.Attack + x.ID + "?" + query
}
