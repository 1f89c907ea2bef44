package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"faultbed/faults/wire"
	"faultbed/reports/history"
)

// directed runs f on a new connection of a new bed for each direction.
func directed(t *testing.T, f func(t *testing.T, b *bed, direction string)) {
	for _, direction := range []string{wire.Down, wire.Up} {
		t.Run(direction, func(t *testing.T) { f(t, newBed(t, false), direction) })
	}
}

// arrives sends bytes and FIN, and wants others to arrive, then FIN.
func arrives(t *testing.T, src, dst *net.TCPConn, sent, want []byte) {
	t.Helper()
	go func() { src.Write(sent); src.CloseWrite() }()
	gets(t, dst, want, nil)
}

func TestOneSidedRST(t *testing.T) {
	for _, towards := range []string{"client", "server"} {
		t.Run(towards, func(t *testing.T) {
			b := newBed(t, false)
			client, server := b.dial()
			works(t, client, server)
			hit, spared := client, server
			if towards == "server" {
				hit, spared = server, client
			}
			b.inject(wire.Fault{ID: "f", Kind: wire.RST, Towards: towards})
			gets(t, hit, nil, syscall.ECONNRESET)
			silent(t, spared)
			if _, err := spared.Write(pattern(100000)); err != nil {
				t.Error(err)
			}
			silent(t, spared)
			spared.Close()
			b.log.await(t, history.ConnClose, 1)
			b.bitten("f", 1)
		})
	}
}

func TestHalfCloseLost(t *testing.T) {
	directed(t, func(t *testing.T, b *bed, direction string) {
		b.inject(wire.Fault{ID: "f", Kind: wire.HalfCloseLost, Direction: direction})
		client, server := b.dial()
		src, dst := along(direction, client, server)
		src.Write([]byte("all"))
		src.CloseWrite()
		next(t, dst, []byte("all"))
		silent(t, dst)
		send(dst, []byte("on"))
		next(t, src, []byte("on"))
		b.lift("f")
		gets(t, dst, nil, nil)
		b.bitten("f", 1)
	})
	t.Run("close", func(t *testing.T) {
		b := newBed(t, false)
		b.inject(wire.Fault{ID: "f", Kind: wire.HalfCloseLost, Direction: wire.Up, As: "close"})
		client, server := b.dial()
		client.CloseWrite()
		gets(t, client, nil, nil)
		gets(t, server, nil, nil)
		b.bitten("f", 1)
	})
}

func TestLate(t *testing.T) {
	const delay = 150 * time.Millisecond
	directed(t, func(t *testing.T, b *bed, direction string) {
		b.inject(wire.Fault{ID: "f", Kind: wire.Late, Direction: direction, AtByte: 5, Delay: delay})
		client, server := b.dial()
		src, dst := along(direction, client, server)
		begin := time.Now()
		send(src, []byte("first, and more"))
		gets(t, dst, []byte("first"), nil)
		send(dst, []byte("answer"))
		next(t, src, []byte("answer"))
		if d := time.Since(begin); d < delay {
			t.Errorf("it came after %v", d)
		}
		b.bitten("f", 1)
	})
}

func TestStall(t *testing.T) {
	const pause = 150 * time.Millisecond
	directed(t, func(t *testing.T, b *bed, direction string) {
		b.inject(wire.Fault{ID: "f", Kind: wire.Stall, Direction: direction, AtByte: 5, Pause: pause})
		client, server := b.dial()
		src, dst := along(direction, client, server)
		sent := pattern(100)
		begin := time.Now()
		send(src, sent)
		next(t, dst, sent[:5])
		next(t, dst, sent[5:])
		if d := time.Since(begin); d < pause {
			t.Errorf("it came after %v", d)
		}
		send(src, sent) // once only
		next(t, dst, sent)
		b.bitten("f", 1)
	})
	t.Run("lifted", func(t *testing.T) {
		b := newBed(t, false)
		b.inject(wire.Fault{ID: "f", Kind: wire.Stall, Direction: wire.Up, Pause: time.Minute})
		client, server := b.dial()
		send(client, []byte("x"))
		silent(t, server)
		b.lift("f")
		next(t, server, []byte("x"))
	})
}

// TestBlackHoleAtByte holds what comes after an exact byte, in one direction.
func TestBlackHoleAtByte(t *testing.T) {
	directed(t, func(t *testing.T, b *bed, direction string) {
		b.inject(wire.Fault{ID: "f", Kind: wire.BlackHole, Direction: direction, AtByte: 70000})
		client, server := b.dial()
		src, dst := along(direction, client, server)
		sent := pattern(100000)
		send(src, sent)
		next(t, dst, sent[:70000])
		silent(t, dst)
		send(dst, []byte("against"))
		next(t, src, []byte("against"))
		b.lift("f")
		next(t, dst, sent[70000:])
		b.bitten("f", 1)
	})
}

func TestDrip(t *testing.T) {
	const gap = 20 * time.Millisecond
	directed(t, func(t *testing.T, b *bed, direction string) {
		b.inject(wire.Fault{ID: "f", Kind: wire.Drip, Direction: direction, Size: 7, Gap: gap})
		client, server := b.dial()
		src, dst := along(direction, client, server)
		sent := pattern(7*5 + 1)
		begin := time.Now()
		send(src, sent)
		buf := make([]byte, 100)
		var got []byte
		for len(got) < len(sent) {
			n, err := dst.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, buf[:n]...)
			if late := time.Since(begin); late < gap*time.Duration((len(got)-1)/7) {
				t.Fatalf("%d bytes within %v", len(got), late)
			}
		}
		if !bytes.Equal(got, sent) {
			t.Errorf("%v", got)
		}
		b.bitten("f", 1)
		send(src, pattern(1<<20))
		b.lift("f")
		next(t, dst, pattern(1<<20))
	})
}

// TestBandwidth has connections share one rate.
func TestBandwidth(t *testing.T) {
	const rate, each, conns = 1 << 20, 100 << 10, 4
	b := newBed(t, false)
	b.inject(wire.Fault{ID: "f", Kind: wire.Bandwidth, Direction: wire.Both, Rate: rate})
	begin := time.Now()
	var ends []*net.TCPConn
	for i := range conns {
		client, server := b.dial()
		src, dst := along([]string{wire.Up, wire.Down}[i%2], client, server)
		send(src, pattern(each))
		ends = append(ends, dst)
	}
	for _, c := range ends {
		next(t, c, pattern(each))
	}
	if least := time.Second * each * conns / rate; time.Since(begin) < least {
		t.Errorf("%v, want at least %v", time.Since(begin), least)
	}
	b.bitten("f", conns)
}

// mangled is what the three do to bytes, said plainly.
func mangled(kind string, at, size int, b []byte) []byte {
	cut := func(i int) int { return min(i, len(b)) }
	head, it, next, tail := b[:cut(at)], b[cut(at):cut(at+size)], b[cut(at+size):cut(at+2*size)], b[cut(at+2*size):]
	switch kind {
	case wire.Corrupt:
		it = slices.Clone(it)
		for i := range it {
			it[i] = ^it[i]
		}
	case wire.Duplicate:
		it = slices.Concat(it, it)
	case wire.Reorder:
		it, next = next, it
	}
	return slices.Concat(head, it, next, tail)
}

func TestMangle(t *testing.T) {
	for _, kind := range []string{wire.Corrupt, wire.Duplicate, wire.Reorder} {
		for _, c := range []struct{ at, size, all int }{{0, 1, 1}, {0, 1, 10}, {3, 4, 100}, {3, 4, 9}, {3, 4, 5}, {65530, 20, 70000}, {60000, 70000, 300000}, {99, 1, 100}} {
			t.Run(fmt.Sprint(kind, c), func(t *testing.T) {
				directed(t, func(t *testing.T, b *bed, direction string) {
					b.inject(wire.Fault{ID: "f", Kind: kind, Direction: direction, AtByte: int64(c.at), Size: int64(c.size)})
					client, server := b.dial()
					src, dst := along(direction, client, server)
					sent := pattern(c.all)
					arrives(t, src, dst, sent, mangled(kind, c.at, c.size, sent))
					b.bitten("f", 1)
				})
			})
		}
	}
}

// TestMangleTogether has several act on bytes that overlap, and on the same
// ones: each counts the bytes of the source.
func TestMangleTogether(t *testing.T) {
	b := newBed(t, false)
	b.inject(wire.Fault{ID: "d", Kind: wire.Duplicate, Direction: wire.Up, AtByte: 2, Size: 3})
	b.inject(wire.Fault{ID: "c", Kind: wire.Corrupt, Direction: wire.Up, AtByte: 4, Size: 2})
	b.inject(wire.Fault{ID: "r", Kind: wire.Reorder, Direction: wire.Up, AtByte: 8, Size: 1})
	b.inject(wire.Fault{ID: "x", Kind: wire.Cut, Direction: wire.Up, AtByte: 11})
	client, server := b.dial()
	send(client, []byte("0123456789abcdef"))
	// 4 was repeated before it was changed, and the repetition was changed with it
	want := append([]byte("0123"), 0xff^'4', 0xff^'2', 0xff^'3', 0xff^'4', 0xff^'5')
	gets(t, server, append(want, "67"+"98"+"a"...), nil)
	for _, id := range []string{"d", "c", "r", "x"} {
		b.bitten(id, 1)
	}
}

// TestReorderLifted: what waits goes on, though no other byte comes.
func TestReorderLifted(t *testing.T) {
	directed(t, func(t *testing.T, b *bed, direction string) {
		b.inject(wire.Fault{ID: "f", Kind: wire.Reorder, Direction: direction, AtByte: 2, Size: 10})
		client, server := b.dial()
		src, dst := along(direction, client, server)
		send(src, []byte("abcdef"))
		next(t, dst, []byte("ab"))
		silent(t, dst)
		b.lift("f")
		next(t, dst, []byte("cdef"))
		works(t, client, server)
		b.bitten("f", 1)
	})
}

func TestSilentAccept(t *testing.T) {
	b := newBed(t, false)
	live, server := b.dial()
	b.inject(wire.Fault{ID: "f", Kind: wire.SilentAccept, Limit: 1})
	c := dial(t, b.Addr())
	send(c, []byte("hello?"))
	silent(t, c)
	works(t, live, server)
	select {
	case <-b.accepted:
		t.Fatal("its target was dialled")
	default:
	}
	b.bitten("f", 1)
	works(b.pair()) // over the limit
	b.lift("f")
	s := <-b.accepted
	defer s.Close()
	next(t, s, []byte("hello?"))
	send(s, []byte("yes"))
	next(t, c, []byte("yes"))
}

func TestSilentAcceptEndsWithTheRelay(t *testing.T) {
	b := newBed(t, false)
	b.inject(wire.Fault{ID: "f", Kind: wire.SilentAccept})
	c := dial(t, b.Addr())
	eventually(t, "bite", func() bool { return len(b.log.of(history.Bite, "f")) == 1 })
	b.Close()
	gets(t, c, nil, syscall.ECONNRESET)
}

func TestSlowAccept(t *testing.T) {
	const delay = 150 * time.Millisecond
	b := newBed(t, false)
	b.inject(wire.Fault{ID: "f", Kind: wire.SlowAccept, Delay: delay, Every: 2})
	begin := time.Now()
	works(b.pair())
	if d := time.Since(begin); d < delay {
		t.Errorf("it worked after %v", d)
	}
	works(b.pair())
	b.bitten("f", 1)
	b.lift("f")
	b.inject(wire.Fault{ID: "f", Kind: wire.SlowAccept, Delay: time.Minute})
	c := dial(t, b.Addr())
	silent(t, c)
	b.lift("f")
	s := <-b.accepted
	defer s.Close()
	works(t, c, s)
}

func TestConnectionRate(t *testing.T) {
	const rate, conns = 50, 6
	b := newBed(t, false)
	b.inject(wire.Fault{ID: "f", Kind: wire.ConnectionRate, Rate: rate})
	begin := time.Now()
	for range conns {
		dial(t, b.Addr())
	}
	b.log.await(t, history.ConnOpen, conns)
	if least := time.Second * (conns - 1) / rate; time.Since(begin) < least {
		t.Errorf("%d connections within %v, want at least %v", conns, time.Since(begin), least)
	}
	if n := len(b.log.of(history.Bite, "f")); n < 1 || n > conns-1 {
		t.Errorf("%d bites", n)
	}
}

// freeAddr is a loopback address of its own, below the ports that the kernel
// gives to others meanwhile.
func freeAddr() string {
	return fmt.Sprintf("127.%d.%d.%d:%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250), 10000+rand.IntN(20000))
}

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// TestChance: which connections are hit depends on seed, fault and order alone,
// and about as many as was asked for.
func TestChance(t *testing.T) {
	const many = 60
	hits := func(seed uint64, id string) (marks string) {
		b := newBed(t, false)
		b.inject(wire.Fault{ID: id, Kind: wire.RST, Match: "new", Chance: 0.5, Seed: seed})
		for range many {
			client, server := b.dial()
			mark := "."
			server.SetReadDeadline(time.Now().Add(patience))
			if client != nil {
				send(client, []byte("x"))
			}
			if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
				mark = "x"
			}
			marks += mark
		}
		b.bitten(id, countOf(marks, 'x'))
		return marks
	}
	one := hits(1, "f")
	if again := hits(1, "f"); again != one {
		t.Errorf("seed 1 gave\n%s, then\n%s", one, again)
	}
	if hits(2, "f") == one || hits(1, "g") == one {
		t.Error("another seed, or fault, decides the same")
	}
	if n := countOf(one, 'x'); n < many/4 || n > many*3/4 {
		t.Errorf("%d of %d at chance 0.5", n, many)
	}
}

func countOf(s string, c byte) (n int) { return bytes.Count([]byte(s), []byte{c}) }
