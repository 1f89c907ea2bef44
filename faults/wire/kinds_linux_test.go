package wire_test

import (
	"net"
	"os"
	"testing"

	"faultbed/faults/wire"
	"faultbed/reports/history"
	"golang.org/x/sys/unix"
)

// TestNeverRead wants the peer's window to close.
func TestNeverRead(t *testing.T) {
	for _, match := range []string{"new", "live"} {
		for _, direction := range []string{wire.Down, wire.Up} {
			t.Run(direction+match, func(t *testing.T) {
				b := newBed(t, false)
				f := wire.Fault{ID: "f", Kind: wire.NeverRead, Direction: direction, Match: match}
				if match == "new" {
					b.inject(f)
				}
				client, server := b.dial()
				if match == "live" {
					works(t, client, server)
					b.inject(f)
				}
				src, dst := along(direction, client, server)
				send(dst, []byte("against"))
				next(t, src, []byte("against"))
				b.bitten("f", 0)
				sent := pattern(16 << 20)
				send(src, sent)
				eventually(t, "zero window", func() bool { return closedWindow(t, src) })
				silent(t, dst)
				b.bitten("f", 1)
				b.inject(wire.Fault{ID: "c", Kind: wire.Cut, Direction: direction, AtByte: 3}) // of what the relay has not read: all of it
				b.lift("f")
				gets(t, dst, sent[:3], nil)
			})
		}
	}
}

// closedWindow tells whether the peer takes nothing more: bytes wait, and its
// window is smaller than a segment.
func closedWindow(t *testing.T, c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		closed = err == nil && info.Notsent_bytes > 0 && info.Unacked == 0 && info.Snd_wnd < info.Snd_mss
	})
	return closed
}

func TestRefuse(t *testing.T) {
	b := newBed(t, true)
	var err error
	if b.Relay, err = wire.Listen(freeAddr(), b.ln.Addr().String(), b.log.emit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	live, server := b.dial()
	if err := b.Inject(wire.Fault{ID: "f", Kind: wire.Refuse}); os.Geteuid() != 0 && err != nil {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	b.inject(wire.Fault{ID: "g", Kind: wire.Refuse})
	refused := func(n int) {
		t.Helper()
		for range n {
			if _, err := net.Dial("tcp", b.Addr()); err == nil || !isRefused(err) {
				t.Errorf("got %v", err)
			}
		}
	}
	refused(3)
	works(t, live, server)
	b.lift("f")
	refused(2)
	b.lift("g")
	works(b.pair())
	for id, want := range map[string]int{"f": 3, "g": 5} {
		bites := b.log.of(history.Bite, id)
		if len(bites) != want {
			t.Errorf("%s bit %d, want %d", id, len(bites), want)
		}
		for _, e := range bites {
			if host, _, err := net.SplitHostPort(e.Peer); err != nil || host == "" || e.Count != 1 || e.T <= 0 {
				t.Errorf("%+v", e)
			}
		}
	}
	b.inject(wire.Fault{ID: "f", Kind: wire.Refuse})
	refused(1)
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
