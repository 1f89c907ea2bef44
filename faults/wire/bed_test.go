package wire_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"faultbed/faults/wire"
	"faultbed/reports/history"
	"golang.org/x/sys/unix"
)

// patience bounds every wait for something that must happen.
const patience = 20 * time.Second

// silence is how long nothing must happen.
const silence = 100 * time.Millisecond

// ledger collects what a relay tells.
type ledger struct {
	mu     sync.Mutex
	events []history.Event
}

func (l *ledger) emit(e history.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *ledger) of(kind history.Kind, id string) []history.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.events), func(e history.Event) bool { return e.Kind != kind || e.ID != id })
}

func (l *ledger) await(t testing.TB, kind history.Kind, n int) {
	t.Helper()
	eventually(t, string(kind), func() bool { return len(l.of(kind, "")) >= n })
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came: %s", what)
		}
	}
}

// bed is a server, and a relay before it unless it is direct.
type bed struct {
	*wire.Relay
	t        testing.TB
	ln       net.Listener
	accepted chan *net.TCPConn
	log      ledger
	opened   int
}

func newBed(t testing.TB, direct bool) *bed {
	t.Helper()
	b := &bed{t: t, accepted: make(chan *net.TCPConn, 1000)}
	var err error
	if b.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := b.ln.Accept()
			if err != nil {
				return
			}
			b.accepted <- c.(*net.TCPConn)
		}
	}()
	t.Cleanup(func() { b.ln.Close() })
	if !direct {
		b.Relay = listen(t, b.ln.Addr().String(), &b.log)
	}
	return b
}

func listen(t testing.TB, target string, l *ledger) *wire.Relay {
	t.Helper()
	r, err := wire.Listen("127.0.0.1:0", target, l.emit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// dial is both ends of a new connection; the relay knows it. The client is nil
// if it was reset before its dial returned.
func (b *bed) dial() (client, server *net.TCPConn) {
	b.t.Helper()
	addr := b.ln.Addr().String()
	if b.Relay != nil {
		addr = b.Addr()
	}
	client = dial(b.t, addr)
	select {
	case server = <-b.accepted:
	case <-time.After(patience):
		b.t.Fatal("the target was not dialled")
	}
	b.t.Cleanup(func() { server.Close() })
	server.SetDeadline(time.Now().Add(patience))
	b.opened++
	if b.Relay != nil {
		b.log.await(b.t, history.ConnOpen, b.opened)
	}
	return client, server
}

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

func (b *bed) inject(f wire.Fault) {
	b.t.Helper()
	if err := b.Inject(f); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) lift(id string) {
	b.t.Helper()
	if err := b.Lift(id); err != nil {
		b.t.Fatal(err)
	}
}

// bitten wants the fault to have touched n connections, each once.
func (b *bed) bitten(id string, n int) {
	b.t.Helper()
	seen := map[string]bool{}
	bites := b.log.of(history.Bite, id)
	for _, e := range bites {
		if e.Conn == "" || seen[e.Conn] || e.AgeNs <= 0 || e.T <= 0 || e.Count != 1 || e.Peer == "" {
			b.t.Errorf("bite %+v, after %v", e, seen)
		}
		seen[e.Conn] = true
	}
	if len(bites) != n {
		b.t.Errorf("%d bites of %s, want %d", len(bites), id, n)
	}
}

// along is the source and the destination of a direction.
func along(direction string, client, server *net.TCPConn) (src, dst *net.TCPConn) {
	if direction == "up" {
		return client, server
	}
	return server, client
}

// pattern is n bytes that differ at every offset modulo a prime.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}

// send writes in the background; an error is for the reader to see.
func send(c net.Conn, b []byte) { go c.Write(b) }

// gets wants exactly these bytes, then this end (nil is FIN).
func gets(t testing.TB, c net.Conn, want []byte, end error) {
	t.Helper()
	got, err := io.ReadAll(c)
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived, want %d; equal as far as both go: %v", len(got), len(want), bytes.HasPrefix(got, want) || bytes.HasPrefix(want, got))
	}
	if !errors.Is(err, end) {
		t.Errorf("end %v, want %v", err, end)
	}
}

// next wants these bytes, and the connection to go on.
func next(t testing.TB, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes, equal %v, %v", n, len(want), bytes.Equal(got, want), err)
	}
}

// silent wants neither bytes nor an end.
func silent(t testing.TB, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(silence))
	defer c.SetReadDeadline(time.Now().Add(patience))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes, %v; want silence", n, err)
	}
}

// works wants a connection that carries both ways.
func works(t testing.TB, client, server *net.TCPConn) {
	t.Helper()
	send(client, []byte("ping"))
	next(t, server, []byte("ping"))
	send(server, []byte("pong"))
	next(t, client, []byte("pong"))
}

func reset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

// hangsUp waits until the kernel knows that the peer has reset the connection,
// which after a FIN no Read tells.
func hangsUp(t testing.TB, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "RST", func() bool {
		var fds [1]unix.PollFd
		raw.Control(func(fd uintptr) {
			fds[0] = unix.PollFd{Fd: int32(fd)}
			unix.Poll(fds[:], 0)
		})
		return fds[0].Revents&unix.POLLERR != 0
	})
}

// bothReset wants both ends to see RST, with no byte before.
func bothReset(t testing.TB, client, server *net.TCPConn) {
	t.Helper()
	if client != nil {
		gets(t, client, nil, syscall.ECONNRESET)
	}
	gets(t, server, nil, syscall.ECONNRESET)
}
