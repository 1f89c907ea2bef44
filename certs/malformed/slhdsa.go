package malformed

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// SLH-DSA-SHA2-128f (FIPS 205), deterministic signing with an empty context. Plain; a
// signature takes some ten thousand hashes.
const (
	slhOID    = "2.16.840.1.101.3.4.3.21"
	slhN      = 16 // octets of a hash
	slhLayers = 22 // d
	slhTall   = 3  // h', height of each tree
	slhA      = 6  // height of a FORS tree
	slhK      = 33 // FORS trees
	slhLen    = 35 // WOTS+ chains: 32 digits of 4 bits, and 3 of their checksum
)

// slhAddr is a compressed address (§11.2): layer, tree, type and three words.
type slhAddr struct {
	layer   byte
	tree    uint64
	kind    byte
	a, b, c uint32
}

const (
	addrWOTSHash = iota
	addrWOTSPK
	addrTree
	addrFORSTree
	addrFORSRoots
	addrWOTSPRF
	addrFORSPRF
)

func (a slhAddr) bytes() []byte {
	out := binary.BigEndian.AppendUint64([]byte{a.layer}, a.tree)
	out = append(out, a.kind)
	for _, w := range []uint32{a.a, a.b, a.c} {
		out = binary.BigEndian.AppendUint32(out, w)
	}
	return out
}

type slhKey struct{ skSeed, skPRF, pkSeed, pkRoot []byte }

func newSLHDSA(seed []byte) *slhKey {
	k := &slhKey{skSeed: seed[:16], skPRF: seed[16:32], pkSeed: seed[32:48]}
	k.pkRoot, _ = k.subtree(slhAddr{layer: slhLayers - 1}, 0)
	return k
}

// hash is F, H, T_l and PRF, which are one with SHA-2 in category 1 (§11.2.1).
func (k *slhKey) hash(a slhAddr, parts ...[]byte) []byte {
	h := sha256.New()
	h.Write(k.pkSeed)
	h.Write(make([]byte, 64-slhN))
	h.Write(a.bytes())
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)[:slhN]
}

// chain hashes from step to step (algorithm 5).
func (k *slhKey) chain(x []byte, from, to uint32, a slhAddr) []byte {
	for a.c = from; a.c < to; a.c++ {
		x = k.hash(a, x)
	}
	return x
}

// wots walks each chain of a key pair to the given digit.
func (k *slhKey) wots(at slhAddr, pair uint32, digit func(i int) uint32) []byte {
	var out []byte
	for i := range slhLen {
		prf, step := at, at
		prf.kind, prf.a, prf.b = addrWOTSPRF, pair, uint32(i)
		step.kind, step.a, step.b = addrWOTSHash, pair, uint32(i)
		out = append(out, k.chain(k.hash(prf, k.skSeed), 0, digit(i), step)...)
	}
	return out
}

func (k *slhKey) leafOf(at slhAddr, pair uint32) []byte {
	pk := at
	pk.kind, pk.a = addrWOTSPK, pair
	return k.hash(pk, k.wots(at, pair, func(int) uint32 { return 15 }))
}

// subtree is the root of an XMSS tree and the siblings on the way up from a leaf.
func (k *slhKey) subtree(at slhAddr, leaf uint32) (root []byte, path []byte) {
	node := at
	node.kind = addrTree
	return k.climb(node, slhTall, 0, leaf, func(i uint32) []byte { return k.leafOf(at, i) })
}

// climb hashes a binary tree whose leaves are counted from first.
func (k *slhKey) climb(a slhAddr, height int, first, leaf uint32, leafOf func(uint32) []byte) (root, path []byte) {
	var row [][]byte
	for i := range uint32(1) << height {
		row = append(row, leafOf(first+i))
	}
	for z := 1; z <= height; z++ {
		path = append(path, row[leaf^1]...)
		var up [][]byte
		for i := 0; i < len(row); i += 2 {
			a.b, a.c = uint32(z), first>>z+uint32(i/2)
			up = append(up, k.hash(a, row[i], row[i+1]))
		}
		row, leaf = up, leaf>>1
	}
	return row[0], path
}

// digits splits octets into numbers of some bits, high bits first (algorithm 4).
func digits(in []byte, width, n int) (out []uint32) {
	for i := range n {
		var d uint32
		for b := i * width; b < (i+1)*width; b++ {
			d = d<<1 | uint32(in[b/8]>>(7-b%8)&1)
		}
		out = append(out, d)
	}
	return out
}

// wotsDigits are those of a message and its checksum (algorithm 7).
func wotsDigits(msg []byte) []uint32 {
	out := digits(msg, 4, 32)
	var sum uint16
	for _, d := range out {
		sum += 15 - uint16(d)
	}
	return append(out, digits(binary.BigEndian.AppendUint16(nil, sum<<4), 4, 3)...)
}

// fors signs the digest with a forest (algorithm 16) and gives the forest's public key.
func (k *slhKey) fors(md []byte, tree uint64, pair uint32) (sig, pk []byte) {
	at := slhAddr{tree: tree, kind: addrFORSTree, a: pair}
	secret := func(i uint32) []byte {
		prf := at
		prf.kind, prf.c = addrFORSPRF, i
		return k.hash(prf, k.skSeed)
	}
	var roots []byte
	for i, idx := range digits(md, slhA, slhK) {
		first := uint32(i) << slhA
		root, path := k.climb(at, slhA, first, idx, func(j uint32) []byte {
			leaf := at
			leaf.c = j
			return k.hash(leaf, secret(j))
		})
		sig, roots = append(append(sig, secret(first+idx)...), path...), append(roots, root...)
	}
	at.kind = addrFORSRoots
	return sig, k.hash(at, roots)
}

// sign is algorithm 19 on the message with its empty context (algorithm 22).
func (k *slhKey) sign(msg []byte) []byte {
	msg = append([]byte{0, 0}, msg...)
	mac := hmac.New(sha256.New, k.skPRF)
	mac.Write(k.pkSeed)
	mac.Write(msg)
	r := mac.Sum(nil)[:slhN]
	inner := digest(crypto.SHA256, slices.Concat(r, k.pkSeed, k.pkRoot, msg))
	md := expand(crypto.SHA256, slices.Concat(r, k.pkSeed, inner), 34)
	tree, pair := binary.BigEndian.Uint64(md[25:])&(1<<63-1), uint32(md[33]&7)
	sig, pk := k.fors(md[:25], tree, pair)
	out := append(slices.Clone(r), sig...)
	for layer := range slhLayers {
		at := slhAddr{layer: byte(layer), tree: tree}
		d := wotsDigits(pk)
		out = append(out, k.wots(at, pair, func(i int) uint32 { return d[i] })...)
		var path []byte
		pk, path = k.subtree(at, pair)
		out = append(out, path...)
		tree, pair = tree>>slhTall, uint32(tree&(1<<slhTall-1))
	}
	return out
}

func slhKind(b *bench, label string) key {
	k := newSLHDSA(b.mint.Bytes("slh-dsa "+label, 48))
	alg := seq(oid(slhOID))
	return key{alg: alg, spki: seq(alg, bitString(k.pkSeed, k.pkRoot)), sign: k.sign}
}
