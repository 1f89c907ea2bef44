package dns

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"faultbed/reports/history"
	"golang.org/x/net/dns/dnsmessage"
)

const name = "origin.faultbed.test"

type ledger struct {
	mu     sync.Mutex
	events []history.Event
}

func (l *ledger) emit(e history.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *ledger) bites(id string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.Kind == history.Bite && e.ID == id && e.Via == "queries" && e.Count == 1 {
			n++
		}
	}
	return n
}

// listen starts a server at a loopback address of its own.
func listen(t *testing.T, l *ledger) (s *Server, addr string) {
	t.Helper()
	for range 20 {
		addr = fmt.Sprintf("127.%d.%d.%d:%d", 1+rand.IntN(62), rand.IntN(256), 1+rand.IntN(254), 10000+rand.IntN(20000))
		var err error
		if s, err = Listen(addr, Zone{Name: name, Addr: "192.0.2.1", Moved: "192.0.2.2"}, l.emit); err == nil {
			t.Cleanup(func() { s.Close() })
			return s, addr
		}
	}
	t.Fatal("no free address")
	return nil, ""
}

// resolver is Go's own, asking a server by UDP or TCP.
func resolver(addr, network string) *net.Resolver {
	return &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
}

func TestFaults(t *testing.T) {
	unknown := func(err error) bool { var d *net.DNSError; return errors.As(err, &d) && d.IsNotFound }
	failed := func(err error) bool {
		var d *net.DNSError
		return errors.As(err, &d) && !d.IsNotFound && !d.IsTimeout
	}
	late := func(err error) bool { var d *net.DNSError; return errors.As(err, &d) && d.IsTimeout }
	for _, network := range []string{"udp", "tcp"} {
		for _, c := range []struct {
			do    Order
			addrs []string
			bad   func(error) bool
		}{
			{do: Order{Do: NXDomain}, bad: unknown},
			{do: Order{Do: ServFail}, bad: failed},
			{do: Order{Do: Drop}, bad: late},
			{do: Order{Do: Slow, Delay: time.Minute}, bad: late},
			{do: Order{Do: Slow, Delay: time.Millisecond}, addrs: []string{"192.0.2.1"}},
			{do: Order{Do: Move}, addrs: []string{"192.0.2.2"}},
			{do: Order{Do: Wrong}},
		} {
			t.Run(network+" "+c.do.Do+" "+c.do.Delay.String(), func(t *testing.T) {
				t.Parallel()
				var l ledger
				s, addr := listen(t, &l)
				if host, _, _ := net.SplitHostPort(addr); c.do.Do == Wrong {
					c.addrs = []string{host}
				}
				look := func(d time.Duration) ([]string, error) {
					ctx, cancel := context.WithTimeout(t.Context(), d)
					defer cancel()
					return resolver(addr, network).LookupHost(ctx, name+".")
				}
				if got, err := look(10 * time.Second); err != nil || !slices.Equal(got, []string{"192.0.2.1"}) {
					t.Fatalf("before: %v, %v", got, err)
				}
				c.do.ID = "f1"
				if err := s.Inject(c.do); err != nil {
					t.Fatal(err)
				}
				patience := 10 * time.Second
				if c.do.Do == Drop || c.do.Delay > time.Second {
					patience = 300 * time.Millisecond
				}
				got, err := look(patience)
				if c.bad != nil && !c.bad(err) || c.bad == nil && (err != nil || !slices.Equal(got, c.addrs)) {
					t.Errorf("meanwhile: %v, %v", got, err)
				}
				if l.bites("f1") == 0 {
					t.Error("it did not bite")
				}
				if err := s.Lift("f1"); err != nil {
					t.Error(err)
				}
				n := l.bites("f1")
				if got, err := look(10 * time.Second); err != nil || !slices.Equal(got, []string{"192.0.2.1"}) || l.bites("f1") != n {
					t.Errorf("after: %v, %v, %d bites more", got, err, l.bites("f1")-n)
				}
			})
		}
	}
}

// TestOtherNames: what is not the origin's name does not exist and bites nothing.
func TestOtherNames(t *testing.T) {
	var l ledger
	s, addr := listen(t, &l)
	if err := s.Inject(Order{ID: "f", Do: ServFail}); err != nil {
		t.Fatal(err)
	}
	_, err := resolver(addr, "udp").LookupHost(t.Context(), "other.faultbed.test.")
	if d := new(net.DNSError); !errors.As(err, &d) || !d.IsNotFound || l.bites("f") != 0 {
		t.Errorf("%v, %d bites", err, l.bites("f"))
	}
}

func TestOrders(t *testing.T) {
	var l ledger
	s, addr := listen(t, &l)
	if err := s.Inject(Order{ID: "f", Do: Drop}); err != nil {
		t.Fatal(err)
	}
	if s.Inject(Order{ID: "f", Do: Drop}) == nil {
		t.Error("the same fault twice")
	}
	if s.Lift("g") == nil {
		t.Error("lifted what does not act")
	}
	if _, err := Listen(addr, s.zone, l.emit); err == nil {
		t.Error("two servers at one address")
	}
	if _, err := Listen("127.0.0.1:1", Zone{Name: name, Addr: "::1", Moved: "192.0.2.2"}, l.emit); err == nil {
		t.Error("an IPv6 address")
	}
}

// TestCloseEndsWhatWaits: a slow answer does not outlive its server.
func TestCloseEndsWhatWaits(t *testing.T) {
	var l ledger
	s, addr := listen(t, &l)
	if err := s.Inject(Order{ID: "f", Do: Slow, Delay: time.Hour}); err != nil {
		t.Fatal(err)
	}
	go resolver(addr, "udp").LookupHost(t.Context(), name+".")
	for end := time.Now().Add(10 * time.Second); l.bites("f") == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// FuzzAnswer: whatever comes, an answer is nothing or a message with the query's
// id that says it is one.
func FuzzAnswer(f *testing.F) {
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	packed, err := q.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add(packed[:14])
	f.Add([]byte{})
	s := &Server{zone: Zone{Name: name, Addr: "192.0.2.1", Moved: "192.0.2.2"}, emit: func(history.Event) {}, orders: []Order{{ID: "f", Do: Move}}}
	f.Fuzz(func(t *testing.T, b []byte) {
		out := s.answer(b, &net.UDPAddr{})
		if out == nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(out); err != nil || !m.Response || m.ID != uint16(b[0])<<8|uint16(b[1]) {
			t.Errorf("%x: %v, %v", b, m.Header, err)
		}
	})
}
