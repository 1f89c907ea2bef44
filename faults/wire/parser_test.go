package wire

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// marksOf feeds bytes in pieces of at most n and returns the marks, those of a
// body joined.
func marksOf(protocol, direction string, b []byte, fresh bool, size func() int) (ms []mark) {
	var t talk
	p := newParser(protocol, direction, &t, fresh)
	found := func(m mark) {
		if l := len(ms) - 1; m.n > 0 && l >= 0 && ms[l].name == m.name && ms[l].body+ms[l].n == m.body && ms[l].at+ms[l].n == m.at {
			ms[l].n += m.n
			return
		}
		ms = append(ms, m)
	}
	for at := 0; at < len(b); {
		n := min(size(), len(b)-at)
		p.feed(int64(at), b[at:at+n:at+n], found)
		at += n
	}
	return ms
}

// fuzzParser: whatever the pieces, the same marks come, in order and within the
// bytes; and what begins in the middle of a connection breaks nothing.
func fuzzParser(f *testing.F, protocol string, seeds ...string) {
	for _, s := range seeds {
		f.Add(true, uint64(1), []byte(s))
		f.Add(false, uint64(2), []byte(s))
	}
	f.Fuzz(func(t *testing.T, up bool, seed uint64, b []byte) {
		direction := Down
		if up {
			direction = Up
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		whole := marksOf(protocol, direction, b, true, func() int { return len(b) })
		pieces := marksOf(protocol, direction, b, true, func() int { return 1 + rng.IntN(1+rng.IntN(20)) })
		if fmt.Sprint(whole) != fmt.Sprint(pieces) {
			t.Errorf("whole  %v\npieces %v", whole, pieces)
		}
		for _, m := range append(whole, marksOf(protocol, direction, b, false, func() int { return 1 + rng.IntN(50) })...) {
			if m.at < 0 || m.at+m.n > int64(len(b)) || m.n < 0 || m.body < 0 {
				t.Errorf("%+v is outside %d bytes", m, len(b))
			}
			if i, known := instantOf(m.name); m.name != requestLine && (!known || i.direction != direction || i.protocol != protocol) {
				t.Errorf("%+v is no instant of %s %s", m, protocol, direction)
			}
		}
		inOrder(t, whole)
	})
}

func inOrder(t *testing.T, ms []mark) {
	at := int64(0)
	for _, m := range ms {
		if m.at < at && m.name != ServerCertificate && m.name != ServerHello && m.name != ClientHello { // several messages begin in one record
			t.Errorf("%v is not in order", ms)
		}
		at = m.at
	}
}

func FuzzHTTP1(f *testing.F) {
	fuzzParser(f, HTTP1,
		"GET /fb/short/a HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n3;a=b\nabc\n0\nT: v\n\nHTTP/1.1 204 No\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nuntil the end", "HTTP/1.1 101 Switching\r\n\r\nbytes", "\r\n\r\nCONNECT a:1 HTTP/1.1\r\n\r\n\x16\x03")
}

func FuzzHTTP2(f *testing.F) {
	fuzzParser(f, HTTP2, preface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x02\x01\x04\x00\x00\x00\x01hi",
		"\x00\x00\x00\x04\x01\x00\x00\x00\x00\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678\xff\xff\xff\xee", "PRI * HTTP/1.1")
}

func FuzzTLS(f *testing.F) {
	fuzzParser(f, TLS, "\x16\x03\x01\x00\x06\x01\x00\x00\x02hi\x14\x03\x03\x00\x01\x01\x16\x03\x03\x00\x03abc\x17\x03\x03\x00\x01x",
		"\x16\x03\x03\x00\x03\x02\x00\x00\x16\x03\x03\x00\x08\x01x\x0b\x00\x00\x00\x02\x00\x16\x03\x03\x00\x00\x17\x03\x03\x00\x02ab", "\x15\x03\x03\x00\x02\x01\x00")
}

// TestDice spreads over [0, 1), and depends on each of its arguments.
func TestDice(t *testing.T) {
	const many = 10000
	var in [10]int
	for i := range many {
		x := dice(1, "f1", fmt.Sprint("w", i))
		in[int(x*10)]++
	}
	for i, n := range in {
		if n < many/10*8/10 || n > many/10*12/10 {
			t.Errorf("%d of %d in tenth %d", n, many, i)
		}
	}
	one := dice(1, "f", "k")
	if dice(2, "f", "k") == one || dice(1, "g", "k") == one || dice(1, "f", "l") == one || dice(1, "f", "k") != one {
		t.Error("it is not a function of all three")
	}
}
