package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"faultbed/faults/wire"
	"faultbed/reports/history"
)

// harmless faults lose and change nothing once they are lifted; the others may
// damage what they bit, and nothing else.
var harmless = []string{wire.BlackHole, wire.Stall, wire.NeverRead, wire.Drip, wire.Bandwidth, wire.HalfCloseLost, wire.SlowAccept, wire.SilentAccept, wire.ConnectionRate}
var harmful = []string{wire.RST, wire.RSTAt, wire.Cut, wire.HalfClose, wire.Late, wire.Corrupt, wire.Duplicate, wire.Reorder}

// stress is a relay under load whose faults come and go.
type stress struct {
	*bed
	rng       *rand.Rand
	exchanges atomic.Int64
	mu        sync.Mutex
	damaged   map[string]string // client address: what went wrong
	stop      chan struct{}
}

// TestStress adds and lifts 200 faults a second over 200 live connections; how
// long is FAULTBED_STRESS (1s). A byte may be lost or changed only on connections
// that a harmful fault bit.
func TestStress(t *testing.T) {
	const conns, rate, most = 200, 200, 20
	lasts, err := time.ParseDuration(os.Getenv("FAULTBED_STRESS"))
	if err != nil {
		lasts = time.Second
	}
	before := runtime.NumGoroutine()
	s := &stress{bed: newBed(t, true), rng: rand.New(rand.NewPCG(1, 2)), damaged: map[string]string{}, stop: make(chan struct{})}
	s.Relay = listen(t, s.ln.Addr().String(), &s.log)
	served := s.serve()
	var clients sync.WaitGroup
	for i := range conns {
		clients.Go(func() { s.client(i) })
	}
	s.log.await(t, history.ConnOpen, conns)
	begun := time.Now()
	n, harm := s.faults(rate, most, lasts)
	took := time.Since(begun)
	close(s.stop)
	clients.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s.ln.Close()
	close(s.accepted)
	served.Wait()
	s.judge(harm)
	eventually(t, "end of every goroutine", func() bool { return runtime.NumGoroutine() <= before })
	bites := s.log.all(history.Bite)
	t.Logf("%d faults in %v, %d bites, %d exchanges, %d connections, %d damaged", n, took, len(bites), s.exchanges.Load(), len(s.log.all(history.ConnOpen)), len(s.damaged))
	if len(bites) == 0 || s.exchanges.Load() < conns {
		t.Error("hardly anything happened")
	}
}

func (l *ledger) all(kind history.Kind) []history.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.events), func(e history.Event) bool { return e.Kind != kind })
}

// serve echoes what comes.
func (s *stress) serve() *sync.WaitGroup {
	var wg sync.WaitGroup
	wg.Go(func() {
		for c := range s.accepted {
			wg.Go(func() { io.Copy(c, c); c.Close() })
		}
	})
	return &wg
}

// client makes exchanges on one connection, and on another when that is damaged.
func (s *stress) client(i int) {
	for n := 0; ; n++ {
		c, err := net.DialTimeout("tcp", s.Addr(), patience)
		if errors.Is(err, syscall.ECONNRESET) { // by rst, before the dial returned
			continue
		}
		if err != nil {
			s.t.Errorf("client %d: %v", i, err)
			return
		}
		c.SetDeadline(time.Now().Add(time.Hour))
		what := s.exchange(c, i, n)
		if what != "" {
			s.mu.Lock()
			s.damaged[c.LocalAddr().String()] = what
			s.mu.Unlock()
		}
		c.Close()
		select {
		case <-s.stop:
			return
		default:
		}
	}
}

// exchange sends requests and wants them back, until the end or until something
// is wrong with them.
func (s *stress) exchange(c net.Conn, i, n int) string {
	for k := 0; ; k++ {
		body := pattern(500 + 37*k%3000)
		msg := append(fmt.Appendf(nil, "POST /fb/short/c%d.%d.%d HTTP/1.1\r\nContent-Length: %d\r\n\r\n", i, n, k, len(body)), body...)
		c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Write(msg); err != nil {
			return err.Error()
		}
		got := make([]byte, len(msg))
		if m, err := io.ReadFull(c, got); err != nil {
			return fmt.Sprintf("%d of %d bytes, %v", m, len(msg), err)
		}
		if !bytes.Equal(got, msg) {
			return "other bytes"
		}
		s.exchanges.Add(1)
		select {
		case <-s.stop:
			return ""
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// faults adds so many a second, at most so many at once, and lifts them all; it
// returns how many, and the harmful ones.
func (s *stress) faults(rate, most int, lasts time.Duration) (n int, harm map[string]bool) {
	harm = map[string]bool{}
	var active []string
	gap := time.Second / time.Duration(rate)
	for begin := time.Now(); time.Duration(n)*gap < lasts; n++ { // on a schedule: what is late is caught up
		time.Sleep(time.Until(begin.Add(time.Duration(n) * gap)))
		f := s.fault(fmt.Sprint("f", n))
		s.inject(f)
		harm[f.ID] = slices.Contains(harmful, f.Kind)
		if active = append(active, f.ID); len(active) > most {
			i := s.rng.IntN(len(active))
			s.lift(active[i])
			active = slices.Delete(active, i, i+1)
		}
	}
	for _, id := range active {
		s.lift(id)
	}
	return n, harm
}

func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

func (s *stress) fault(id string) wire.Fault {
	f := wire.Fault{ID: id, Kind: pick(s.rng, slices.Concat(harmless, harmful)...), Direction: pick(s.rng, wire.Up, wire.Down, wire.Both),
		Every: 1 + s.rng.IntN(3), Chance: pick(s.rng, 0.1, 0.5, 1), Limit: 1 + s.rng.IntN(20), Seed: 5, Match: pick(s.rng, "all", "new", "live"),
		Size: int64(1 + s.rng.IntN(2000)), Gap: time.Millisecond, Pause: 5 * time.Millisecond, Delay: 5 * time.Millisecond, Rate: 1 << 19}
	if slices.Contains(harmful, f.Kind) {
		f.Limit = 1 + s.rng.IntN(2)
	}
	if k, _ := kindNamed(f.Kind); !k["at_byte"] {
		return f
	}
	switch s.rng.IntN(3) {
	case 0:
		f.AtByte = int64(s.rng.IntN(3000))
	case 1:
		f.When, f.Nth = pick(s.rng, wire.RequestHeadBegun, wire.RequestHeadDone, wire.RequestBodyByte, wire.RequestEnd), 1+s.rng.IntN(3)
	case 2:
		f.Class = "short"
	}
	return f
}

// kindNamed is which parameters a kind has.
func kindNamed(name string) (has map[string]bool, ok bool) {
	for _, k := range wire.Kinds() {
		if k.Name == name {
			has = map[string]bool{}
			for _, p := range k.Params {
				has[p.Name] = true
			}
		}
	}
	return has, has != nil
}

// judge wants a harmful bite for every damage.
func (s *stress) judge(harm map[string]bool) {
	bitten := map[string]bool{}
	for _, e := range s.log.all(history.Bite) {
		if harm[e.ID] {
			bitten[e.Peer] = true
		}
	}
	for addr, what := range s.damaged {
		if !bitten[addr] {
			s.t.Errorf("%s: %s, though no fault that may do so bit it", addr, what)
		}
	}
	if open, closed := len(s.log.all(history.ConnOpen)), len(s.log.all(history.ConnClose)); open != closed {
		s.t.Errorf("%d connections opened, %d closed", open, closed)
	}
}
