package malformed

import (
	"math/big"
	"strconv"
	"strings"
	"time"
)

// The encoder writes what it is told: the corpus needs DER and what only looks like it.

// tlv is one element with the shortest length that fits.
func tlv(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := append(make([]byte, 0, n+6), tag)
	out = append(out, length(n)...)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func length(n int) []byte {
	if n < 0x80 {
		return []byte{byte(n)}
	}
	b := big.NewInt(int64(n)).Bytes()
	return append([]byte{0x80 | byte(len(b))}, b...)
}

const (
	tagSequence  = 0x30
	tagSet       = 0x31
	tagUTF8      = 0x0c
	tagPrintable = 0x13
	tagTeletex   = 0x14
	tagIA5       = 0x16
	tagUniversal = 0x1c
	tagBMP       = 0x1e
	tagUTCTime   = 0x17
	tagGenTime   = 0x18
)

func seq(parts ...[]byte) []byte       { return tlv(tagSequence, parts...) }
func set(parts ...[]byte) []byte       { return tlv(tagSet, parts...) }
func text(tag byte, s string) []byte   { return tlv(tag, []byte(s)) }
func octets(b ...[]byte) []byte        { return tlv(0x04, b...) }
func bitString(b ...[]byte) []byte     { return tlv(0x03, append([][]byte{{0}}, b...)...) }
func implicit(n byte, b []byte) []byte { return tlv(0x80|n, b) }
func explicit(n byte, b ...[]byte) []byte {
	return tlv(0xa0|n, b...)
}

var (
	null    = []byte{0x05, 0x00}
	isTrue  = []byte{0x01, 0x01, 0xff}
	isFalse = []byte{0x01, 0x01, 0x00}
)

func number(n int64) []byte { return integer(big.NewInt(n)) }

// integer is two's complement in the fewest octets (X.690 §8.3).
func integer(n *big.Int) []byte {
	if n.Sign() >= 0 {
		b := n.Bytes()
		if len(b) == 0 || b[0] >= 0x80 {
			b = append([]byte{0}, b...)
		}
		return tlv(0x02, b)
	}
	octets := new(big.Int).Not(n).BitLen()/8 + 1
	mod := new(big.Int).Lsh(big.NewInt(1), uint(8*octets))
	return tlv(0x02, mod.Add(mod, n).FillBytes(make([]byte, octets)))
}

// oid encodes a dotted object identifier. It is called with constants only.
func oid(dotted string) []byte {
	var arcs []uint64
	for p := range strings.SplitSeq(dotted, ".") {
		n, err := strconv.ParseUint(p, 10, 64)
		if err != nil {
			panic("malformed: object identifier " + dotted)
		}
		arcs = append(arcs, n)
	}
	out := base128(arcs[0]*40 + arcs[1])
	for _, a := range arcs[2:] {
		out = append(out, base128(a)...)
	}
	return tlv(0x06, out)
}

func base128(n uint64) []byte {
	out := []byte{byte(n & 0x7f)}
	for n >>= 7; n > 0; n >>= 7 {
		out = append([]byte{byte(n&0x7f) | 0x80}, out...)
	}
	return out
}

// clock is a time as RFC 5280 §4.1.2.5 wants it: UTCTime through 2049.
func clock(t time.Time) []byte {
	if t = t.UTC(); t.Year() >= 1950 && t.Year() < 2050 {
		return text(tagUTCTime, t.Format("060102150405Z"))
	}
	return generalized(t)
}

func generalized(t time.Time) []byte { return text(tagGenTime, t.UTC().Format("20060102150405Z")) }

// attribute types of names
const (
	typeCN      = "2.5.4.3"
	typeO       = "2.5.4.10"
	typeOU      = "2.5.4.11"
	typeCountry = "2.5.4.6"
)

func attribute(kind string, value []byte) []byte { return seq(oid(kind), value) }

// rdn is a relative name of one attribute.
func rdn(kind string, value []byte) []byte { return set(attribute(kind, value)) }

// printable is the string type that crypto/x509 would take.
func printable(s string) []byte {
	for _, c := range s {
		if c > 0x7e || !strings.ContainsRune(" '()+,-./:=?", c) && !isAlnum(c) {
			return text(tagUTF8, s)
		}
	}
	return text(tagPrintable, s)
}

func isAlnum(c rune) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// caName is the subject of an authority.
func caName(cn string) []byte {
	return seq(rdn(typeO, printable("faultbed")), rdn(typeCN, printable(cn)))
}

// element is one child of a constructed element: its bytes whole, and its content.
type element struct{ whole, content []byte }

// children splits the content of a constructed DER element; ok is false where it
// does not parse. It takes definite lengths only, as DER has no others.
func children(der []byte) (out []element, ok bool) {
	e, rest, ok := next(der)
	if !ok || len(rest) != 0 || der[0]&0x20 == 0 {
		return nil, false
	}
	for in := e.content; len(in) > 0; {
		if e, in, ok = next(in); !ok {
			return nil, false
		}
		out = append(out, e)
	}
	return out, true
}

// next reads one element of a low tag number.
func next(b []byte) (e element, rest []byte, ok bool) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return e, nil, false
	}
	head, n := 2, int(b[1])
	if n >= 0x80 {
		k := n & 0x7f
		if k == 0 || k > 4 || len(b) < 2+k {
			return e, nil, false
		}
		head, n = 2+k, 0
		for _, c := range b[2 : 2+k] {
			n = n<<8 | int(c)
		}
	}
	if n > len(b)-head {
		return e, nil, false
	}
	return element{b[:head+n], b[head : head+n]}, b[head+n:], true
}
