package malformed

import (
	"crypto/sha3"
	"math/big"
	"slices"
)

// Ed448 (RFC 8032 §5.2) in plain arithmetic: the standard library has none. It is as
// slow as it looks, leaks its keys by its timing, and is good for test keys only.

func decimal(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		panic("malformed: constant " + s)
	}
	return n
}

var (
	edP = func() *big.Int { // 2^448 - 2^224 - 1
		p := new(big.Int).Lsh(big.NewInt(1), 448)
		return p.Sub(p, new(big.Int).Lsh(big.NewInt(1), 224)).Sub(p, big.NewInt(1))
	}()
	edL = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 446),
		decimal("13818066809895115352007386748515426880336692474882178609894547503885"))
	edD    = big.NewInt(-39081)
	edBase = edPoint{
		decimal("224580040295924300187604334099896036246789641632564134246125461686950415467406032909029192869357953282578032075146446173674602635247710"),
		decimal("298819210078481492676017930443930673437544040154080242095928241372331506189835876003536878655418784733982303233503462500531545062832660"),
		big.NewInt(1)}
)

// edPoint is a point in projective coordinates.
type edPoint struct{ x, y, z *big.Int }

func mul(a, b *big.Int) *big.Int { c := new(big.Int).Mul(a, b); return c.Mod(c, edP) }
func sum(a, b *big.Int) *big.Int { return new(big.Int).Add(a, b) }
func sub(a, b *big.Int) *big.Int { return new(big.Int).Sub(a, b) }

// add is the addition of RFC 8032 §5.2.4, which is complete: it doubles as well.
func (p edPoint) add(q edPoint) edPoint {
	a, c, d := mul(p.z, q.z), mul(p.x, q.x), mul(p.y, q.y)
	b, e := mul(a, a), mul(edD, mul(c, d))
	f, g := sub(b, e), sum(b, e)
	h := mul(sum(p.x, p.y), sum(q.x, q.y))
	return edPoint{mul(mul(a, f), sub(h, sum(c, d))), mul(mul(a, g), sub(d, c)), mul(f, g)}
}

func (p edPoint) times(n *big.Int) edPoint {
	out := edPoint{big.NewInt(0), big.NewInt(1), big.NewInt(1)}
	for i := n.BitLen() - 1; i >= 0; i-- {
		if out = out.add(out); n.Bit(i) == 1 {
			out = out.add(p)
		}
	}
	return out
}

func (p edPoint) encode() []byte {
	inv := new(big.Int).ModInverse(p.z, edP)
	out := little(mul(p.y, inv))
	out[56] |= byte(mul(p.x, inv).Bit(0)) << 7
	return out
}

// little is a number in 57 octets, lowest first.
func little(n *big.Int) []byte {
	b := n.FillBytes(make([]byte, 57))
	slices.Reverse(b)
	return b
}

func fromLittle(b []byte) *big.Int {
	r := slices.Clone(b)
	slices.Reverse(r)
	return new(big.Int).SetBytes(r)
}

func shake256(n int, parts ...[]byte) []byte {
	h := sha3.NewSHAKE256()
	for _, p := range parts {
		h.Write(p)
	}
	out := make([]byte, n)
	h.Read(out)
	return out
}

// ed448Key is a private key and what is derived of it.
type ed448Key struct {
	s              *big.Int
	prefix, public []byte
}

func newEd448(seed []byte) ed448Key {
	h := shake256(114, seed)
	h[0] &= 0xfc
	h[55] |= 0x80
	h[56] = 0
	s := fromLittle(h[:57])
	return ed448Key{s, h[57:], edBase.times(s).encode()}
}

func (k ed448Key) sign(msg []byte) []byte {
	dom := []byte("SigEd448\x00\x00")
	r := new(big.Int).Mod(fromLittle(shake256(114, dom, k.prefix, msg)), edL)
	point := edBase.times(r).encode()
	c := new(big.Int).Mod(fromLittle(shake256(114, dom, point, k.public, msg)), edL)
	s := c.Mul(c, k.s).Add(c, r)
	return append(point, little(s.Mod(s, edL))...)
}

func ed448Kind(b *bench, label string) key {
	k := newEd448(b.mint.Bytes("ed448 "+label, 57))
	alg := seq(oid("1.3.101.113"))
	return key{alg: alg, spki: seq(alg, bitString(k.public)), sign: k.sign}
}
