package malformed

import (
	"bytes"
	"crypto/sha3"
	"math/bits"
)

// ML-DSA (FIPS 204), deterministic signing with an empty context: crypto/internal has
// it, the standard library offers it from Go 1.27 on. Plain and slow, not constant in
// time: for test keys only.

const (
	mlQ = 8380417
	mlD = 13
)

type (
	poly    [256]int32 // coefficients modulo q, from 0
	mlParam struct {
		oid                  string
		k, l, eta, tau       int
		beta, gamma1, gamma2 int32
		omega, cLen          int
	}
	mlKey struct {
		mlParam
		rho, key, tr, public []byte
		s1, s2, t0           []poly // in the NTT domain
		a                    [][]poly
	}
)

var (
	mlDSA44 = mlParam{"2.16.840.1.101.3.4.3.17", 4, 4, 2, 39, 78, 1 << 17, (mlQ - 1) / 88, 80, 32}
	mlDSA65 = mlParam{"2.16.840.1.101.3.4.3.18", 6, 5, 4, 49, 196, 1 << 19, (mlQ - 1) / 32, 55, 48}
	mlDSA87 = mlParam{"2.16.840.1.101.3.4.3.19", 8, 7, 2, 60, 120, 1 << 19, (mlQ - 1) / 32, 75, 64}
)

var mlZetas = func() (z [256]int64) {
	for i := range z {
		z[i] = 1
		for range bits.Reverse8(uint8(i)) {
			z[i] = z[i] * 1753 % mlQ
		}
	}
	return z
}()

func reduce(n int64) int32 {
	if n %= mlQ; n < 0 {
		n += mlQ
	}
	return int32(n)
}

// center takes a residue to the range around zero.
func center(n int32) int32 {
	if n > mlQ/2 {
		n -= mlQ
	}
	return n
}

func abs(n int32) int32 { return max(n, -n) }

// ntt is algorithm 41.
func ntt(p poly) poly {
	m := 0
	for length := 128; length >= 1; length /= 2 {
		for start := 0; start < 256; start += 2 * length {
			m++
			for j := start; j < start+length; j++ {
				t := reduce(mlZetas[m] * int64(p[j+length]))
				p[j], p[j+length] = reduce(int64(p[j])+int64(t)), reduce(int64(p[j])-int64(t))
			}
		}
	}
	return p
}

// intt is algorithm 42.
func intt(p poly) poly {
	m := 256
	for length := 1; length < 256; length *= 2 {
		for start := 0; start < 256; start += 2 * length {
			m--
			for j := start; j < start+length; j++ {
				t := p[j]
				p[j] = reduce(int64(t) + int64(p[j+length]))
				p[j+length] = reduce(-mlZetas[m] * int64(reduce(int64(t)-int64(p[j+length]))))
			}
		}
	}
	for j := range p {
		p[j] = reduce(int64(p[j]) * 8347681) // 256^-1
	}
	return p
}

// each applies f to the coefficients of vectors, one by one.
func each(f func(a, b int32) int32, a, b []poly) []poly {
	out := make([]poly, len(a))
	for i := range a {
		for j := range a[i] {
			out[i][j] = f(a[i][j], b[i][j])
		}
	}
	return out
}

func plus(a, b int32) int32  { return reduce(int64(a) + int64(b)) }
func minus(a, b int32) int32 { return reduce(int64(a) - int64(b)) }

func mapped2(f func(poly) poly, v []poly) []poly {
	out := make([]poly, len(v))
	for i, p := range v {
		out[i] = f(p)
	}
	return out
}

func product(a, b poly) (out poly) {
	for i := range out {
		out[i] = reduce(int64(a[i]) * int64(b[i]))
	}
	return out
}

// scaled is c·v, both in the NTT domain, back in the ordinary one.
func scaled(c poly, v []poly) []poly {
	return mapped2(func(p poly) poly { return intt(product(c, p)) }, v)
}

// times is A·v back in the ordinary domain.
func times(a [][]poly, v []poly) []poly {
	out := make([]poly, len(a))
	for i, row := range a {
		for j, p := range row {
			out[i] = each(plus, out[i:i+1], []poly{product(p, v[j])})[0]
		}
	}
	return mapped2(intt, out)
}

// uniform is algorithm 30.
func uniform(seed ...byte) (p poly) {
	h := sha3.NewSHAKE128()
	h.Write(seed)
	var b [3]byte
	for i := 0; i < 256; {
		h.Read(b[:])
		if n := int32(b[0]) | int32(b[1])<<8 | int32(b[2]&0x7f)<<16; n < mlQ {
			p[i] = n
			i++
		}
	}
	return p
}

// short is algorithm 31.
func short(eta int, seed ...byte) (p poly) {
	h := sha3.NewSHAKE256()
	h.Write(seed)
	var b [1]byte
	for i := 0; i < 256; {
		h.Read(b[:])
		for _, n := range []int32{int32(b[0] & 15), int32(b[0] >> 4)} {
			if i < 256 && eta == 2 && n < 15 {
				p[i] = reduce(2 - int64(n%5))
				i++
			} else if i < 256 && eta == 4 && n < 9 {
				p[i] = reduce(4 - int64(n))
				i++
			}
		}
	}
	return p
}

// pack writes width bits of each coefficient, low bits first.
func pack(width int, p poly) []byte {
	out := make([]byte, 32*width)
	for i, c := range p {
		for b := range width {
			n := i*width + b
			out[n/8] |= byte(c>>b&1) << (n % 8)
		}
	}
	return out
}

func unpack(width int, in []byte) (p poly) {
	for i := range p {
		for b := range width {
			n := i*width + b
			p[i] |= int32(in[n/8]>>(n%8)&1) << b
		}
	}
	return p
}

func packAll(width int, v []poly) (out []byte) {
	for _, p := range v {
		out = append(out, pack(width, p)...)
	}
	return out
}

// newMLDSA is algorithm 6.
func newMLDSA(par mlParam, seed []byte) *mlKey {
	h := shake256(128, seed, []byte{byte(par.k), byte(par.l)})
	key := &mlKey{mlParam: par, rho: h[:32], key: h[96:]}
	for r := range par.k {
		var row []poly
		for s := range par.l {
			row = append(row, uniform(append(bytes.Clone(key.rho), byte(s), byte(r))...))
		}
		key.a = append(key.a, row)
	}
	vector := func(from, n int) (v []poly) {
		for i := range n {
			v = append(v, short(par.eta, append(bytes.Clone(h[32:96]), byte(from+i), 0)...))
		}
		return v
	}
	s1, s2 := vector(0, par.l), vector(par.l, par.k)
	key.s1, key.s2 = mapped2(ntt, s1), mapped2(ntt, s2)
	t := each(plus, times(key.a, key.s1), s2)
	t0 := mapped2(func(p poly) poly {
		for i, c := range p {
			low := c & (1<<mlD - 1)
			if low > 1<<(mlD-1) {
				low -= 1 << mlD
			}
			p[i] = low
		}
		return p
	}, t)
	t1 := each(func(c, low int32) int32 { return (c - low) >> mlD }, t, t0)
	key.t0 = mapped2(ntt, each(func(c, _ int32) int32 { return reduce(int64(c)) }, t0, t0))
	key.public = append(bytes.Clone(key.rho), packAll(10, t1)...)
	key.tr = shake256(64, key.public)
	return key
}

// decompose is algorithm 36.
func (p mlParam) decompose(r int32) (high, low int32) {
	low = r % (2 * p.gamma2)
	if low > p.gamma2 {
		low -= 2 * p.gamma2
	}
	if r-low == mlQ-1 {
		return 0, low - 1
	}
	return (r - low) / (2 * p.gamma2), low
}

// ball is algorithm 29.
func (p mlParam) ball(seed []byte) (c poly) {
	h := sha3.NewSHAKE256()
	h.Write(seed)
	var signs [8]byte
	h.Read(signs[:])
	var b [1]byte
	for i := 256 - p.tau; i < 256; i++ {
		for h.Read(b[:]); int(b[0]) > i; {
			h.Read(b[:])
		}
		n := i + p.tau - 256
		c[i] = c[b[0]]
		c[b[0]] = reduce(1 - 2*int64(signs[n/8]>>(n%8)&1))
	}
	return c
}

// mask is algorithm 34.
func (p mlParam) mask(seed []byte, kappa int) (v []poly) {
	width := 1 + bits.Len32(uint32(p.gamma1-1))
	for r := range p.l {
		n := kappa + r
		y := unpack(width, shake256(32*width, seed, []byte{byte(n), byte(n >> 8)}))
		for i, c := range y {
			y[i] = reduce(int64(p.gamma1) - int64(c))
		}
		v = append(v, y)
	}
	return v
}

func norm(v []poly) (most int32) {
	for _, p := range v {
		for _, c := range p {
			most = max(most, abs(center(c)))
		}
	}
	return most
}

// sign is algorithm 2 with an empty context and no randomness.
func (k *mlKey) sign(msg []byte) []byte {
	mu := shake256(64, k.tr, []byte{0, 0}, msg)
	seed := shake256(64, k.key, make([]byte, 32), mu)
	for kappa := 0; ; kappa += k.l {
		if sig := k.try(mu, k.mask(seed, kappa)); sig != nil {
			return sig
		}
	}
}

// try is one round of algorithm 7; nil if its result would give the key away.
func (k *mlKey) try(mu []byte, y []poly) []byte {
	w := times(k.a, mapped2(ntt, y))
	high := each(func(c, _ int32) int32 { h, _ := k.decompose(c); return h }, w, w)
	seed := shake256(k.cLen, mu, packAll(bits.Len32(uint32((mlQ-1)/(2*k.gamma2)-1)), high))
	c := ntt(k.ball(seed))
	z := each(plus, y, scaled(c, k.s1))
	rest := each(minus, w, scaled(c, k.s2))
	low := each(func(c, _ int32) int32 { _, l := k.decompose(c); return reduce(int64(l)) }, rest, rest)
	ct0 := scaled(c, k.t0)
	if norm(z) >= k.gamma1-k.beta || norm(low) >= k.gamma2-k.beta || norm(ct0) >= k.gamma2 {
		return nil
	}
	hints, ok := k.hints(rest, ct0)
	if !ok {
		return nil
	}
	width := 1 + bits.Len32(uint32(k.gamma1-1))
	packed := packAll(width, each(func(c, _ int32) int32 { return k.gamma1 - center(c) }, z, z))
	return append(append(seed, packed...), hints...)
}

// hints tells where adding ct0 carries into the high bits (algorithms 20 and 39).
func (k *mlKey) hints(rest, ct0 []poly) ([]byte, bool) {
	out := make([]byte, k.omega+k.k)
	n := 0
	for i := range rest {
		for j := range rest[i] {
			h, _ := k.decompose(rest[i][j])
			with, _ := k.decompose(plus(rest[i][j], ct0[i][j]))
			if h == with {
				continue
			}
			if n == k.omega {
				return nil, false
			}
			out[n] = byte(j)
			n++
		}
		out[k.omega+i] = byte(n)
	}
	return out, true
}

func mlKind(par mlParam) kind {
	return func(b *bench, label string) key {
		seed := b.mint.Bytes("ml-dsa "+label, 32)
		k := newMLDSA(par, seed)
		alg := seq(oid(par.oid))
		return key{alg: alg, spki: seq(alg, bitString(k.public)), sign: k.sign,
			pkcs8: seq(number(0), alg, octets(implicit(0, seed)))} // RFC 9881 §6: the seed alone
	}
}
