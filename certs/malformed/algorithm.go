package malformed

import (
	"crypto"
	"crypto/elliptic"
	"math/big"
)

const (
	edClause  = "RFC 8410 §3"
	pssClause = "RFC 4055 §3.1"
	mtiClause = "RFC 8446 §9.1"
	ecClause  = "RFC 5480 §2.1.1"
)

// No clause obliges a verifier to know more than RFC 8446 §9.1 lists. What breaks the
// rules of an algorithm is wrong for those who know it, and unknown to the others.
var algorithms = []recipe{
	row("algorithm/ed25519-leaf", L, edClause, "The leaf has an Ed25519 key.", leafWith(keyed(ed25519Kind))),
	row("algorithm/ed25519-intermediate", L, edClause, "The intermediate has an Ed25519 key.", subWith(keyed(ed25519Kind))),
	row("algorithm/ed25519-chain", L, edClause, "Root, intermediate and leaf have Ed25519 keys.", ownChain(ed25519Kind)),
	row("algorithm/ed25519-corrupted", R, verifyClause, "An Ed25519 signature with one bit flipped.", subLeaf(with(keyed(ed25519Kind)), with(corrupt))).control(),
	row("algorithm/ed25519-null-parameters", R, edClause, "The algorithm of an Ed25519 signature has NULL for parameters, which MUST be absent.",
		subLeaf(with(keyed(ed25519Kind)), with(surgery(func(d *draft) { d.alg = seq(oid("1.3.101.112"), null) })))).doubt(berDoubt),
	row("algorithm/ed448-intermediate", L, edClause, "The intermediate has an Ed448 key.", subWith(keyed(ed448Kind))),
	row("algorithm/ed448-root", L, edClause, "The trusted root has an Ed448 key.", rootWith(keyed(ed448Kind))),
	row("algorithm/ed448-corrupted", R, verifyClause, "An Ed448 signature with one bit flipped.", subLeaf(with(keyed(ed448Kind)), with(signature(func(s []byte) []byte { return flip(s, 60) })))),
	row("algorithm/p521-leaf", L, mtiClause, "The leaf has a P-521 key.", leafWith(keyed(p521))),
	row("algorithm/p521-intermediate", L, mtiClause, "The intermediate has a P-521 key.", subWith(keyed(p521))),
	row("algorithm/p384-sha256", L, mtiClause, "A P-384 intermediate has signed over SHA-256.", subLeaf(with(keyed(p384)), with(hashed(crypto.SHA256)))),
	row("algorithm/p256-sha512", L, mtiClause, "A P-256 intermediate has signed over SHA-512.", leafWith(hashed(crypto.SHA512))),
	row("algorithm/pss-sha256", A, mtiClause, "An RSA intermediate has signed with PSS over SHA-256.", pssLeaf(pss{crypto.SHA256, crypto.SHA256, 32, nil})).control().tag("rsa"),
	row("algorithm/pss-sha384", L, pssClause, "An RSA intermediate has signed with PSS over SHA-384.", pssLeaf(pss{crypto.SHA384, crypto.SHA384, 48, nil})).tag("rsa"),
	row("algorithm/pss-sha512", L, pssClause, "An RSA intermediate has signed with PSS over SHA-512.", pssLeaf(pss{crypto.SHA512, crypto.SHA512, 64, nil})).tag("rsa"),
	row("algorithm/pss-sha1", L, pssClause, "An RSA intermediate has signed with PSS and its default parameters, SHA-1.", pssLeaf(pss{crypto.SHA1, crypto.SHA1, 20, seq()})).tag("rsa"),
	row("algorithm/pss-salt-20", L, pssClause, "PSS over SHA-256 with a salt of 20 octets, as the parameters say.", pssLeaf(pss{crypto.SHA256, crypto.SHA256, 20, nil})).tag("rsa"),
	row("algorithm/pss-salt-0", L, pssClause, "PSS over SHA-256 without a salt, as the parameters say.", pssLeaf(pss{crypto.SHA256, crypto.SHA256, 0, nil})).tag("rsa"),
	row("algorithm/pss-other-mgf", L, pssClause, "PSS over SHA-256 with SHA-384 in the mask, as the parameters say.", pssLeaf(pss{crypto.SHA256, crypto.SHA384, 32, nil})).tag("rsa"),
	row("algorithm/pss-wrong-salt", R, pssClause, "PSS with a salt of 20 octets where the parameters say 32.",
		pssLeaf(pss{crypto.SHA256, crypto.SHA256, 20, pssParams(crypto.SHA256, 32)})).tag("rsa"),
	row("algorithm/pss-trailer-2", R, "RFC 4055 §3.1", "PSS with a trailer field of 2, where only 1 is defined.",
		pssLeaf(pss{crypto.SHA256, crypto.SHA256, 32, withTrailer(2)})).tag("rsa"),
	row("algorithm/pss-key", L, "RFC 4055 §1.2", "The intermediate's key is for PSS only (id-RSASSA-PSS).", func(b *bench) {
		subLeaf(with(pssKey), with(withPSS(pss{crypto.SHA256, crypto.SHA256, 32, nil})))(b)
	}).tag("rsa"),
	row("algorithm/pss-key-pkcs1-signature", R, "RFC 4055 §1.2", "The intermediate's key is for PSS only, and has signed with PKCS #1 v1.5.", subLeaf(with(pssKey), nil)).tag("rsa"),
	row("algorithm/compressed-point", L, "RFC 5480 §2.2", "The leaf's P-256 point is compressed, which verifiers MAY support.", leafWith(point(func(p []byte) []byte {
		return append([]byte{2 + p[64]&1}, p[1:33]...)
	}))),
	row("algorithm/hybrid-point", R, "RFC 5480 §2.2", "The leaf's P-256 point is in the hybrid form.", leafWith(point(func(p []byte) []byte {
		return append([]byte{6 + p[64]&1}, p[1:]...)
	}))).doubt("ANSI X9.62 has the form; RFC 5480 names the other two"),
	row("algorithm/point-not-on-curve", R, "RFC 5480 §2.2", "The leaf's P-256 point is not on the curve.", leafWith(point(func(p []byte) []byte {
		p[64] ^= 1
		return p
	}))),
	row("algorithm/point-at-infinity", R, "RFC 5480 §2.2", "The leaf's P-256 point is the one at infinity.", leafWith(point(func([]byte) []byte { return []byte{0} }))),
	row("algorithm/explicit-curve", R, ecClause, "The intermediate's key spells P-256 out instead of naming it; specifiedCurve MUST NOT be used (CVE-2020-0601 rests on it).",
		subWith(surgery(func(d *draft) { d.respell(explicitP256()) }))),
	row("algorithm/unknown-curve", R, ecClause, "The leaf's key is on a curve that nobody knows.", leafWith(surgery(func(d *draft) { d.respell(oid(extUnknown)) }))),
}

// pssLeaf is a leaf that an RSA intermediate has signed with PSS.
func pssLeaf(p pss) func(*bench) { return subLeaf(with(keyed(rsaKind("rsa2048b"))), with(withPSS(p))) }

func pssParams(h crypto.Hash, salt int64) []byte {
	e, _ := children(pss{h, h, int(salt), nil}.alg())
	return e[1].whole
}

// withTrailer is the parameters for SHA-256 with a trailer field.
func withTrailer(n int64) []byte {
	e, _, _ := next(pssParams(crypto.SHA256, 32))
	return seq(e.content, explicit(3, number(n)))
}

// pssKey is an RSA key whose SubjectPublicKeyInfo restricts it to PSS.
func pssKey(d *draft) {
	d.did(madeBySurgery)
	k := rsaKind("rsa2048b")(d.b, "")
	k.spki = edit(k.spki, 0, func(element) []byte { return seq(oid("1.2.840.113549.1.1.10")) })
	d.setKey(k)
	d.defaultSKI()
}

// point changes the encoding of an EC public key.
func point(f func([]byte) []byte) change {
	return surgery(func(d *draft) {
		d.spki = edit(d.spki, 1, func(e element) []byte { return bitString(f(append([]byte(nil), e.content[1:]...))) })
	})
}

// respell replaces the curve in an EC key.
func (d *draft) respell(curve []byte) {
	d.spki = edit(d.spki, 0, func(element) []byte { return seq(oid("1.2.840.10045.2.1"), curve) })
}

// explicitP256 is SpecifiedECDomain (SEC 1 §C.2).
func explicitP256() []byte {
	p := elliptic.P256().Params()
	a := new(big.Int).Sub(p.P, big.NewInt(3))
	fixed := func(n *big.Int) []byte { return n.FillBytes(make([]byte, 32)) }
	g := append(append([]byte{4}, fixed(p.Gx)...), fixed(p.Gy)...)
	return seq(number(1), seq(oid("1.2.840.10045.1.1"), integer(p.P)),
		seq(octets(fixed(a)), octets(fixed(p.B))), octets(g), integer(p.N), number(1))
}
