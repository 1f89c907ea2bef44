package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"faultbed/faults/wire"
	"faultbed/reports/history"
	"pgregory.net/rapid"
)

// offsets are around the ends of the relay's buffer (64 KiB).
var offsets = []int{0, 1, 20000, 65535, 65536, 65537, 200000}

// atBytes runs f for each direction and offset, on a new connection on which a
// fault of that kind waits.
func atBytes(t *testing.T, kind string, f func(t *testing.T, b *bed, n int, src, dst *net.TCPConn)) {
	for _, direction := range []string{"down", "up"} {
		for _, n := range offsets {
			t.Run(fmt.Sprint(direction, n), func(t *testing.T) {
				b := newBed(t, false)
				b.inject(wire.Fault{ID: "f", Kind: kind, Direction: direction, AtByte: int64(n)})
				client, server := b.dial()
				src, dst := along(direction, client, server)
				f(t, b, n, src, dst)
				b.bitten("f", 1)
				if e := b.log.of(history.Bite, "f"); len(e) > 0 && e[0].Detail != kind+" "+direction {
					t.Errorf("bite %q", e[0].Detail)
				}
			})
		}
	}
}

func TestRST(t *testing.T) {
	b := newBed(t, false)
	client, server := b.dial()
	works(t, client, server)
	b.inject(wire.Fault{ID: "live", Kind: wire.RST, Match: "live"})
	bothReset(t, client, server)
	b.bitten("live", 1)
	works(b.pair())
	b.inject(wire.Fault{ID: "new", Kind: wire.RST, Match: "new"})
	b.bitten("new", 0)
	bothReset(b.pair())
	b.bitten("new", 1)
	b.lift("new")
	works(b.pair())
	b.bitten("new", 1)
	b.bitten("live", 1)
}

// pair is as dial, for functions that take a test too.
func (b *bed) pair() (testing.TB, *net.TCPConn, *net.TCPConn) {
	b.t.Helper()
	client, server := b.dial()
	return b.t, client, server
}

func TestRSTAt(t *testing.T) {
	atBytes(t, wire.RSTAt, func(t *testing.T, b *bed, n int, src, dst *net.TCPConn) {
		sent := pattern(n + 1000)
		send(src, sent)
		gets(t, dst, sent[:n], syscall.ECONNRESET)
		gets(t, src, nil, syscall.ECONNRESET)
	})
}

func TestCut(t *testing.T) {
	atBytes(t, wire.Cut, func(t *testing.T, b *bed, n int, src, dst *net.TCPConn) {
		sent := pattern(n + 1<<20)
		send(dst, []byte("against"))
		next(t, src, []byte("against"))
		send(src, sent)
		gets(t, dst, sent[:n], nil)
		gets(t, src, nil, nil)
		for _, c := range []*net.TCPConn{src, dst} { // both may go on for a while: nobody resets them
			if _, err := c.Write([]byte("late")); err != nil {
				t.Error(err)
			}
			c.CloseWrite()
		}
		b.log.await(t, history.ConnClose, 1)
		gets(t, src, nil, nil)
		gets(t, dst, nil, nil)
	})
}

// TestCutOfABlockedPeer cuts while the other direction is full.
func TestCutOfABlockedPeer(t *testing.T) {
	b := newBed(t, false)
	client, server := b.dial()
	client.SetWriteDeadline(time.Now().Add(silence))
	client.Write(pattern(64 << 20))
	b.inject(wire.Fault{ID: "f", Kind: wire.Cut, Direction: "down", AtByte: 3})
	send(server, []byte("abcdef"))
	gets(t, client, []byte("abc"), nil)
	if _, err := io.Copy(io.Discard, server); err != nil {
		t.Error(err)
	}
}

func TestHalfClose(t *testing.T) {
	atBytes(t, wire.HalfClose, func(t *testing.T, b *bed, n int, src, dst *net.TCPConn) {
		sent, against := pattern(n+1<<20), pattern(100000)
		send(src, sent)
		gets(t, dst, sent[:n], nil)
		send(dst, against)
		next(t, src, against)
		if _, err := src.Write([]byte("late")); err != nil {
			t.Error(err)
		}
		src.CloseWrite()
		send(dst, against)
		next(t, src, against)
		dst.Close()
		gets(t, src, nil, nil)
		b.log.await(t, history.ConnClose, 1)
	})
}

// TestRSTAfterHalfClose wants RST to remain RST.
func TestRSTAfterHalfClose(t *testing.T) {
	atBytes(t, wire.HalfClose, func(t *testing.T, b *bed, n int, src, dst *net.TCPConn) {
		send(src, pattern(n+1))
		gets(t, dst, pattern(n), nil)
		reset(src)
		hangsUp(t, dst)
	})
}

// TestBothDirections counts each connection once.
func TestBothDirections(t *testing.T) {
	for kind, end := range map[string]error{wire.HalfClose: nil, wire.Cut: nil, wire.RSTAt: syscall.ECONNRESET} {
		b := newBed(t, false)
		b.inject(wire.Fault{ID: "f", Kind: kind, Direction: "both", AtByte: 4, Limit: 1})
		client, server := b.dial()
		send(client, []byte("upwards"))
		gets(t, server, []byte("upwa"), end)
		if kind == wire.HalfClose {
			send(server, []byte("downwards"))
			gets(t, client, []byte("down"), end)
		} else {
			gets(t, client, nil, end)
		}
		b.bitten("f", 1)
		works(b.pair())
	}
}

func TestBlackHole(t *testing.T) {
	const many = 300000
	hole := func(direction, match string) wire.Fault {
		return wire.Fault{ID: "f", Kind: wire.BlackHole, Direction: direction, Match: match}
	}
	for _, direction := range []string{"down", "up"} {
		for _, match := range []string{"new", "live"} {
			t.Run(direction+match, func(t *testing.T) {
				b := newBed(t, false)
				if match == "new" {
					b.inject(hole(direction, match))
				}
				client, server := b.dial()
				if match == "live" {
					works(t, client, server)
					b.inject(hole(direction, match))
				}
				src, dst := along(direction, client, server)
				send(dst, []byte("against"))
				next(t, src, []byte("against"))
				b.bitten("f", 0)
				go func() { src.Write(pattern(many)); src.CloseWrite() }()
				silent(t, dst)
				b.bitten("f", 1)
				b.lift("f")
				gets(t, dst, pattern(many), nil)
			})
		}
	}
	t.Run("both", func(t *testing.T) {
		b := newBed(t, false)
		b.inject(hole("both", ""))
		client, server := b.dial()
		send(client, []byte("up"))
		send(server, []byte("down"))
		silent(t, client)
		silent(t, server)
		b.lift("f")
		next(t, client, []byte("down"))
		next(t, server, []byte("up"))
		works(t, client, server)
		b.bitten("f", 1)
	})
	for end, want := range map[string]error{"FIN": nil, "RST": syscall.ECONNRESET} {
		t.Run(end, func(t *testing.T) {
			b := newBed(t, false)
			client, server := b.dial()
			b.inject(hole("both", "live"))
			if end == "RST" {
				server.SetLinger(0)
			}
			server.Close()
			silent(t, client)
			b.bitten("f", 1)
			b.lift("f")
			gets(t, client, nil, want)
		})
	}
	t.Run("RST after FIN", func(t *testing.T) {
		b := newBed(t, false)
		client, server := b.dial()
		server.CloseWrite()
		gets(t, client, nil, nil)
		b.inject(hole("down", "live"))
		reset(server)
		eventually(t, "bite", func() bool { return len(b.log.of(history.Bite, "f")) == 1 })
		works(b.pair())
		b.lift("f")
		hangsUp(t, client)
	})
	t.Run("the relay closes", func(t *testing.T) {
		b := newBed(t, false)
		b.inject(hole("both", ""))
		client, server := b.dial()
		send(client, []byte("up"))
		silent(t, server)
		b.Close()
		bothReset(t, client, server)
	})
}

// TestSelection opens live connections, injects, and opens more; which of them
// are reset follows from their order.
func TestSelection(t *testing.T) {
	const live, more = 6, 6
	for _, c := range []struct {
		match        string
		every, limit int
		want         string // of the live ones, then of those that came later; x is reset
	}{
		{"", 0, 0, "xxxxxx xxxxxx"},
		{"all", 1, 0, "xxxxxx xxxxxx"},
		{"new", 1, 0, "...... xxxxxx"},
		{"live", 1, 0, "xxxxxx ......"},
		{"all", 2, 0, "x.x.x. x.x.x."},
		{"all", 4, 0, "x...x. ..x..."},
		{"new", 3, 0, "...... x..x.."},
		{"live", 5, 0, "x....x ......"},
		{"all", 1, 2, "xx.... ......"},
		{"all", 2, 4, "x.x.x. x....."},
		{"new", 2, 2, "...... x.x..."},
		{"all", 100, 1, "x..... ......"},
	} {
		t.Run(fmt.Sprint(c.match, c.every, c.limit), func(t *testing.T) {
			b := newBed(t, false)
			conns := make([][2]*net.TCPConn, 0, live+more)
			open := func() {
				client, server := b.dial()
				conns = append(conns, [2]*net.TCPConn{client, server})
			}
			for range live {
				open()
			}
			b.inject(wire.Fault{ID: "f", Kind: wire.RST, Match: c.match, Every: c.every, Limit: c.limit})
			for range more {
				open()
			}
			for i, mark := range strings.ReplaceAll(c.want, " ", "") {
				if mark == 'x' {
					bothReset(t, conns[i][0], conns[i][1])
				} else {
					works(t, conns[i][0], conns[i][1])
				}
			}
			b.bitten("f", strings.Count(c.want, "x"))
		})
	}
}

// TestLimitCountsWhoActed leaves it to the first connections that reach the byte.
func TestLimitCountsWhoActed(t *testing.T) {
	b := newBed(t, false)
	b.inject(wire.Fault{ID: "f", Kind: wire.Cut, Direction: "up", AtByte: 4, Limit: 1})
	_, first, firstServer := b.pair()
	_, second, secondServer := b.pair()
	send(second, []byte("second"))
	gets(t, secondServer, []byte("seco"), nil)
	send(first, []byte("first"))
	next(t, firstServer, []byte("first"))
	works(t, first, firstServer)
	b.bitten("f", 1)
}

func TestLiftedFaultDoesNotAct(t *testing.T) {
	for _, kind := range []string{wire.RSTAt, wire.Cut, wire.HalfClose} {
		b := newBed(t, false)
		b.inject(wire.Fault{ID: "f", Kind: kind, Direction: "both", AtByte: 6})
		client, server := b.dial()
		works(t, client, server)
		b.lift("f")
		works(t, client, server)
		works(b.pair())
		b.bitten("f", 0)
	}
}

// TestActsAtItsByte does not wait for the one after.
func TestActsAtItsByte(t *testing.T) {
	for kind, end := range map[string]error{wire.RSTAt: syscall.ECONNRESET, wire.Cut: nil, wire.HalfClose: nil} {
		b := newBed(t, false)
		b.inject(wire.Fault{ID: "f", Kind: kind, Direction: "down", AtByte: 4})
		client, server := b.dial()
		send(server, []byte("four"))
		gets(t, client, []byte("four"), end)
		b.bitten("f", 1)
	}
}

// TestLiveOffset counts from the injection.
func TestLiveOffset(t *testing.T) {
	b := newBed(t, false)
	client, server := b.dial()
	works(t, client, server)
	b.inject(wire.Fault{ID: "f", Kind: wire.RSTAt, Direction: "down", AtByte: 3})
	send(server, []byte("abcdef"))
	gets(t, client, []byte("abc"), syscall.ECONNRESET)
}

func TestOverlaps(t *testing.T) {
	at := func(id, kind, direction string, n int64) wire.Fault {
		return wire.Fault{ID: id, Kind: kind, Direction: direction, AtByte: n}
	}
	sent := pattern(2000)
	for _, c := range []struct {
		name   string
		faults []wire.Fault
		n      int
		end    error
		bites  string
	}{
		{"the nearer byte wins", []wire.Fault{at("far", wire.Cut, "down", 1000), at("near", wire.RSTAt, "down", 500)}, 500, syscall.ECONNRESET, "near"},
		{"the first of two at one byte", []wire.Fault{at("one", wire.Cut, "down", 500), at("two", wire.RSTAt, "down", 500)}, 500, nil, "one"},
		{"half-close, then nothing more", []wire.Fault{at("half", wire.HalfClose, "down", 500), at("rst", wire.RSTAt, "down", 600)}, 500, nil, "half"},
		{"the other direction", []wire.Fault{at("up", wire.HalfClose, "up", 0), at("down", wire.Cut, "down", 700)}, 700, nil, "down"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, false)
			for _, f := range c.faults {
				b.inject(f)
			}
			client, server := b.dial()
			send(server, sent)
			gets(t, client, sent[:c.n], c.end)
			for _, f := range c.faults {
				b.bitten(f.ID, strings.Count(c.bites, f.ID))
			}
		})
	}
	t.Run("cut behind a black hole", func(t *testing.T) {
		b := newBed(t, false)
		b.inject(at("cut", wire.Cut, "down", 500))
		b.inject(at("hole", wire.BlackHole, "down", 0))
		client, server := b.dial()
		send(server, sent)
		silent(t, client)
		b.bitten("cut", 0)
		b.lift("hole")
		gets(t, client, sent[:500], nil)
		b.bitten("hole", 1)
		b.bitten("cut", 1)
	})
	t.Run("two black holes", func(t *testing.T) {
		b := newBed(t, false)
		b.inject(at("one", wire.BlackHole, "both", 0))
		b.inject(at("two", wire.BlackHole, "down", 0))
		client, server := b.dial()
		send(server, sent)
		silent(t, client)
		b.lift("one")
		silent(t, client)
		b.lift("two")
		next(t, client, sent)
		b.bitten("one", 1)
		b.bitten("two", 1)
	})
	t.Run("RST through a black hole", func(t *testing.T) {
		b := newBed(t, false)
		b.inject(at("hole", wire.BlackHole, "both", 0))
		client, server := b.dial()
		b.inject(wire.Fault{ID: "rst", Kind: wire.RST})
		bothReset(t, client, server)
	})
}

func TestErrors(t *testing.T) {
	b := newBed(t, false)
	hole := wire.Fault{ID: "f", Kind: wire.BlackHole, Direction: "up"}
	b.inject(hole)
	for want, f := range map[string]func() error{
		"fault f acts already": func() error { return b.Inject(hole) },
		"no fault g acts":      func() error { return b.Lift("g") },
		`no fault "burn"`:      func() error { return b.Inject(wire.Fault{ID: "x", Kind: "burn"}) },
		`no direction ""`:      func() error { return b.Inject(wire.Fault{ID: "x", Kind: wire.Cut}) },
		`no direction "left"`:  func() error { return b.Inject(wire.Fault{ID: "x", Kind: wire.BlackHole, Direction: "left"}) },
		`no match "old"`:       func() error { return b.Inject(wire.Fault{ID: "x", Kind: wire.RST, Match: "old"}) },
		"is negative":          func() error { return b.Inject(wire.Fault{ID: "x", Kind: wire.Cut, Direction: "up", AtByte: -1}) },
		"address already in use": func() error {
			_, err := wire.Listen(b.Addr(), b.Addr(), b.log.emit)
			return err
		},
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "wire: ") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	b.lift("f")
	if err := b.Lift("f"); err == nil {
		t.Error("lifted twice")
	}
	b.inject(hole)
}

// TestExactBytes: whatever the writes, a fault at a byte lets exactly so many pass.
func TestExactBytes(t *testing.T) {
	b := newBed(t, false)
	rapid.Check(t, func(rt *rapid.T) {
		kind := rapid.SampledFrom([]string{wire.Cut, wire.RSTAt, wire.HalfClose}).Draw(rt, "kind")
		direction := rapid.SampledFrom([]string{"up", "down"}).Draw(rt, "direction")
		writes := rapid.SliceOfN(rapid.IntRange(1, 100000), 1, 8).Draw(rt, "writes")
		total := 0
		for _, n := range writes {
			total += n
		}
		n := rapid.IntRange(0, total-1).Draw(rt, "at")
		b.inject(wire.Fault{ID: "f", Kind: kind, Direction: direction, AtByte: int64(n), Match: "new"})
		defer b.lift("f")
		client, server := b.dial()
		defer func() { client.Close(); server.Close() }()
		src, dst := along(direction, client, server)
		sent := pattern(total)
		go func() {
			rest := sent
			for _, n := range writes {
				src.Write(rest[:n])
				rest = rest[n:]
			}
		}()
		got, err := io.ReadAll(dst)
		if !bytes.Equal(got, sent[:n]) || (kind == wire.RSTAt) != errors.Is(err, syscall.ECONNRESET) || kind != wire.RSTAt && err != nil {
			rt.Fatalf("%s %s at %d of %d: %d bytes, %v", kind, direction, n, total, len(got), err)
		}
	})
}
