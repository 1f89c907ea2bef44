package malformed

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	_ "crypto/md5" // what the corpus signs with, verifiers should refuse
	_ "crypto/sha1"
	"crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync"

	"faultbed/certs"
)

// key is a subject's public key and, for an authority, how it signs. All are made
// of the seed, or taken from the pool of test keys: see [certs.Mint] for why.
type key struct {
	spki  []byte // SubjectPublicKeyInfo
	alg   []byte // AlgorithmIdentifier of its signatures
	pkcs8 []byte // empty if crypto/tls could not serve it
	sign  func(msg []byte) []byte

	ec  *ecdsa.PrivateKey // set for ECDSA
	rsa *rsaKey           // set for RSA
}

// kind makes a key for a label.
type kind func(b *bench, label string) key

func ecKind(curve elliptic.Curve, hash crypto.Hash) kind {
	return func(b *bench, label string) key {
		signer, err := b.mint.CurveKey(curve, label)
		if err != nil {
			b.fail(err)
			return key{sign: func([]byte) []byte { return nil }}
		}
		return b.signerKey(signer).hashed(hash)
	}
}

var (
	p224 = ecKind(elliptic.P224(), crypto.SHA256)
	p256 = ecKind(elliptic.P256(), crypto.SHA256)
	p384 = ecKind(elliptic.P384(), crypto.SHA384)
	p521 = ecKind(elliptic.P521(), crypto.SHA512)
)

var ecdsaAlgs = map[crypto.Hash]string{crypto.SHA1: "1.2.840.10045.4.1", crypto.SHA224: "1.2.840.10045.4.3.1",
	crypto.SHA256: "1.2.840.10045.4.3.2", crypto.SHA384: "1.2.840.10045.4.3.3", crypto.SHA512: "1.2.840.10045.4.3.4"}

// signerKey takes over a key of the issuer, or of the mint.
func (b *bench) signerKey(s crypto.Signer) key {
	k := key{sign: func([]byte) []byte { return nil }}
	var err error
	if k.spki, err = x509.MarshalPKIXPublicKey(s.Public()); err != nil {
		b.fail(err)
		return k
	}
	if k.pkcs8, err = certs.PKCS8(s); err != nil {
		b.fail(err)
		return k
	}
	parsed, err := x509.ParsePKCS8PrivateKey(k.pkcs8)
	ec, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok {
		b.fail(fmt.Errorf("issuer with a %T, want ECDSA", parsed))
		return k
	}
	k.ec = ec
	return k.hashed(crypto.SHA256)
}

// hashed is the same key with signatures over another hash.
func (k key) hashed(h crypto.Hash) key {
	switch {
	case k.ec != nil:
		k.alg = seq(oid(ecdsaAlgs[h]))
		k.sign = func(msg []byte) []byte {
			sig, _ := k.ec.Sign(nil, digest(h, msg), h) // RFC 6979: cannot fail for a key that parsed
			return sig
		}
	case k.rsa != nil:
		k.alg = seq(oid(rsaAlgs[h]), null)
		k.sign = func(msg []byte) []byte { return k.rsa.pkcs1(h, msg) }
	}
	return k
}

func digest(h crypto.Hash, msg []byte) []byte {
	d := h.New()
	d.Write(msg)
	return d.Sum(nil)
}

// ed25519Kind signs with Ed25519, whose signatures are deterministic (RFC 8032).
func ed25519Kind(b *bench, label string) key {
	priv := ed25519.NewKeyFromSeed(b.mint.Bytes("ed25519 "+label, ed25519.SeedSize))
	alg := seq(oid("1.3.101.112"))
	pkcs8, err := x509.MarshalPKCS8PrivateKey(priv)
	b.fail(err)
	return key{alg: alg, spki: seq(alg, bitString(priv.Public().(ed25519.PublicKey))), pkcs8: pkcs8,
		sign: func(msg []byte) []byte { return ed25519.Sign(priv, msg) }}
}

//go:embed testkeys.pem
var testKeys []byte

// pool is the committed keys by name. They were made once: crypto/rsa no longer
// makes keys from a seed, and a search for primes takes tenths of a second.
var pool = sync.OnceValue(func() map[string][]*big.Int {
	out := map[string][]*big.Int{}
	for rest := testKeys; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return out
		}
		parts, _ := children(block.Bytes)
		for _, p := range parts {
			out[block.Headers["Name"]] = append(out[block.Headers["Name"]], new(big.Int).SetBytes(p.content))
		}
	}
})

const rsaEncryption = "1.2.840.113549.1.1.1"

var rsaAlgs = map[crypto.Hash]string{crypto.MD5: "1.2.840.113549.1.1.4", crypto.SHA1: "1.2.840.113549.1.1.5",
	crypto.SHA256: "1.2.840.113549.1.1.11", crypto.SHA384: "1.2.840.113549.1.1.12", crypto.SHA512: "1.2.840.113549.1.1.13"}

// rsaKey signs with plain arithmetic: crypto/rsa refuses keys below 1024 bits and
// exponents that the corpus needs, and draws its own randomness for PSS.
type rsaKey struct{ n, e, p, q, dp, dq, qinv *big.Int }

func rsaKind(name string) kind {
	return func(*bench, string) key {
		v := pool()[name]
		r := &rsaKey{n: v[1], e: v[2], p: v[4], q: v[5], dp: v[6], dq: v[7], qinv: v[8]}
		var fields [][]byte
		for _, n := range v {
			fields = append(fields, integer(n))
		}
		k := key{rsa: r, spki: r.spki(r.e), pkcs8: seq(number(0), seq(oid(rsaEncryption), null), octets(seq(fields...)))}
		return k.hashed(crypto.SHA256)
	}
}

func (r *rsaKey) spki(e *big.Int) []byte {
	return seq(seq(oid(rsaEncryption), null), bitString(seq(integer(r.n), integer(e))))
}

// raw is the private operation on an encoded message, with the Chinese remainder theorem.
func (r *rsaKey) raw(em []byte) []byte {
	m := new(big.Int).SetBytes(em)
	m1, m2 := new(big.Int).Exp(m, r.dp, r.p), new(big.Int).Exp(m, r.dq, r.q)
	h := m1.Sub(m1, m2)
	h.Mul(h, r.qinv).Mod(h, r.p)
	return h.Mul(h, r.q).Add(h, m2).FillBytes(make([]byte, r.size()))
}

func (r *rsaKey) size() int { return (r.n.BitLen() + 7) / 8 }

// hashOIDs are those of DigestInfo and PSS (RFC 8017 §9.2).
var hashOIDs = map[crypto.Hash]string{crypto.MD5: "1.2.840.113549.2.5", crypto.SHA1: "1.3.14.3.2.26",
	crypto.SHA256: "2.16.840.1.101.3.4.2.1", crypto.SHA384: "2.16.840.1.101.3.4.2.2", crypto.SHA512: "2.16.840.1.101.3.4.2.3"}

func digestInfo(h crypto.Hash, msg []byte) []byte {
	return seq(seq(oid(hashOIDs[h]), null), octets(digest(h, msg)))
}

// pkcs1 is RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
func (r *rsaKey) pkcs1(h crypto.Hash, msg []byte) []byte { return r.raw(r.padded(h, msg)) }

func (r *rsaKey) padded(h crypto.Hash, msg []byte) []byte {
	info := digestInfo(h, msg)
	em := make([]byte, r.size())
	for i := range em {
		em[i] = 0xff
	}
	em[0], em[1], em[len(em)-len(info)-1] = 0, 1, 0
	copy(em[len(em)-len(info):], info)
	return em
}

// pss is what a PSS signature is made with; verifiers read it from the parameters.
type pss struct {
	hash, mgf crypto.Hash
	salt      int
	params    []byte // instead of those that describe the above
}

func (p pss) alg() []byte {
	if p.params != nil {
		return seq(oid("1.2.840.113549.1.1.10"), p.params)
	}
	hash := func(h crypto.Hash) []byte { return seq(oid(hashOIDs[h]), null) }
	return seq(oid("1.2.840.113549.1.1.10"), seq(explicit(0, hash(p.hash)),
		explicit(1, seq(oid("1.2.840.113549.1.1.8"), hash(p.mgf))), explicit(2, number(int64(p.salt)))))
}

// withPSS is an RSA key that signs with PSS. The salt is a function of the message,
// where RFC 8017 wants it random: the corpus must come out the same again.
func (k key) withPSS(p pss) key {
	k.alg = p.alg()
	k.sign = func(msg []byte) []byte { return k.rsa.raw(p.encode(digest(p.hash, msg), k.rsa.n.BitLen()-1)) }
	return k
}

// encode is EMSA-PSS-ENCODE (RFC 8017 §9.1.1).
func (p pss) encode(mHash []byte, emBits int) []byte {
	emLen := (emBits + 7) / 8
	salt := expand(crypto.SHA256, append([]byte("faultbed pss salt"), mHash...), p.salt)
	h := digest(p.hash, append(append(make([]byte, 8), mHash...), salt...))
	db := make([]byte, emLen-len(h)-1)
	db[len(db)-len(salt)-1] = 1
	copy(db[len(db)-len(salt):], salt)
	for i, m := range expand(p.mgf, h, len(db)) {
		db[i] ^= m
	}
	db[0] &= 0xff >> (8*emLen - emBits)
	return append(append(db, h...), 0xbc)
}

// expand is MGF1 (RFC 8017 §B.2.1).
func expand(h crypto.Hash, seed []byte, n int) []byte {
	var out []byte
	for i := byte(0); len(out) < n; i++ {
		out = append(out, digest(h, append(seed[:len(seed):len(seed)], 0, 0, 0, i))...)
	}
	return out[:n]
}

// dsaKind signs with DSA over SHA-256; its nonce is a MAC of the message under the
// key, the idea of RFC 6979 without its exact procedure.
func dsaKind(*bench, string) key {
	v := pool()["dsa2048"]
	p, q, g, y, x := v[1], v[2], v[3], v[4], v[5]
	const id = "2.16.840.1.101.3.4.3.2"
	sign := func(msg []byte) []byte {
		mac := hmac.New(sha256.New, x.Bytes())
		mac.Write(msg)
		k := new(big.Int).SetBytes(mac.Sum(nil))
		k.Mod(k, q)
		r := new(big.Int).Exp(g, k, p)
		r.Mod(r, q)
		s := new(big.Int).SetBytes(digest(crypto.SHA256, msg)[:q.BitLen()/8])
		s.Add(s, new(big.Int).Mul(x, r)).Mul(s, new(big.Int).ModInverse(k, q)).Mod(s, q)
		return seq(integer(r), integer(s))
	}
	return key{alg: seq(oid(id)), sign: sign,
		spki: seq(seq(oid("1.2.840.10040.4.1"), seq(integer(p), integer(q), integer(g))), bitString(integer(y)))}
}
