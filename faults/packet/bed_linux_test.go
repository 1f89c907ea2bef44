package packet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"faultbed/faults/room"
	"faultbed/reports/history"
)

// bed is a made-up one of the process runtime: an origin and a subject that echo,
// and an address from which the load dials.
type bed struct {
	room.Target
	mu     sync.Mutex
	events []history.Event
}

func newBed(t *testing.T) *bed {
	t.Helper()
	need(t)
	b := &bed{}
	// 127.0 to 127.63 are no run's (fixtures/topology).
	net := fmt.Sprintf("127.%d.%d.", 16+rand.IntN(40), 1+rand.IntN(250))
	b.Target = room.Target{Fault: "f1", Run: "20260101-000000-0badcafe", Node: "subject-0", Load: net + "3", Seed: rand.Uint64(),
		Origin: echo(t, net+"1"), Addr: echo(t, net+"2"), Note: func(e history.Event) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.events = append(b.events, e)
		}}
	return b
}

func need(t *testing.T) {
	t.Helper()
	if err := errors.Join(probeFilter(), probeQueue(), probeSockets(), probeLink()); err != nil {
		t.Skip(err)
	}
}

// echo listens on a port of an address and sends back what comes.
func echo(t *testing.T, host string) string {
	t.Helper()
	ln, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, 10000+rand.IntN(20000)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go serveEcho(ln)
	return ln.Addr().String()
}

func serveEcho(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() { defer c.Close(); io.Copy(c, c) }()
	}
}

// kind is the room's fault of that name.
func kind(t testing.TB, name string) room.Kind {
	t.Helper()
	i := slices.IndexFunc(Kinds(), func(k room.Kind) bool { return k.Name == name })
	if i < 0 {
		t.Fatalf("no %s", name)
	}
	return Kinds()[i]
}

// defaults completes parameters as a plan would.
func defaults(k room.Kind, with map[string]any) json.RawMessage {
	out := map[string]any{}
	for _, p := range k.Params {
		out[p.Name] = p.Default
		if v, ok := with[p.Name]; ok {
			out[p.Name] = v
		}
	}
	b, _ := json.Marshal(out)
	return b
}

type with = map[string]any

// inject begins a fault; the function that it returns lifts it once, at the test's
// end at the latest.
func (b *bed) inject(t testing.TB, name string, w with) (lift func()) {
	t.Helper()
	k := kind(t, name)
	a, err := k.Inject(context.Background(), b.Target, defaults(k, w))
	if err != nil {
		t.Fatal(err)
	}
	lift = sync.OnceFunc(func() {
		if a == nil { // an instant
			return
		}
		if err := a.Lift(context.Background()); err != nil {
			t.Errorf("lift: %v", err)
		}
	})
	t.Cleanup(lift)
	return lift
}

// bitten is how many bites were noted.
func (b *bed) bitten() (n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		n += e.Count
	}
	return n
}

func (b *bed) mustBite(t *testing.T) {
	t.Helper()
	if b.bitten() == 0 {
		t.Error("it bit nothing")
	}
	for _, e := range b.events {
		if e.Kind != history.Bite || e.Via == "" || e.Detail == "" {
			t.Errorf("bite %+v", e)
		}
	}
}

// dial connects as the subject does, from no address of its own.
func dial(addr, from string, limit time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: limit}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	return d.Dial("tcp", addr)
}

func mustDial(t *testing.T, addr, from string) net.Conn {
	t.Helper()
	c, err := dial(addr, from, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// long is a time that a healthy exchange on loopback never takes; short one after
// which nothing came.
const (
	long  = 10 * time.Second
	short = 300 * time.Millisecond
)

// ask sends bytes and wants them back.
func ask(c net.Conn, n int, limit time.Duration) error {
	sent := make([]byte, n)
	for i := range sent {
		sent[i] = byte(i*7 + i>>8)
	}
	c.SetDeadline(time.Now().Add(limit))
	go c.Write(sent)
	got := make([]byte, n)
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if !slices.Equal(got, sent) {
		return errChanged
	}
	return nil
}

var errChanged = errors.New("other bytes came back")

func timedOut(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func mustAsk(t *testing.T, c net.Conn, n int) {
	t.Helper()
	if err := ask(c, n, long); err != nil {
		t.Fatal(err)
	}
}

func mustStall(t *testing.T, c net.Conn, n int) {
	t.Helper()
	if err := ask(c, n, short); !timedOut(err) {
		t.Fatalf("got %v, want nothing to come back", err)
	}
}

// bystander sees that the load's way to the origin is left alone.
func (b *bed) bystander(t *testing.T) {
	t.Helper()
	mustAsk(t, mustDial(t, b.Origin, b.Load), 1000)
}

// hermit is a process with a network namespace of its own.
func hermit(t *testing.T) *exec.Cmd {
	t.Helper()
	need(t)
	c := exec.Command("sleep", "60")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c
}

// nft runs nft(8) in a process's namespace.
func nft(t *testing.T, pid int, input string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip(err)
	}
	c := exec.Command("nsenter", append([]string{"-t", fmt.Sprint(pid), "-n", "nft"}, args...)...)
	c.Stdin = strings.NewReader(input)
	out, err := c.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}
