package malformed

import (
	"crypto"
	"crypto/elliptic"
	"math/big"
)

const (
	verifyClause = "RFC 5280 §6.1.3(a)(1)"
	algClause    = "RFC 5280 §4.1.1.2"
	ecSigClause  = "RFC 3279 §2.2.3"
)

var signatures = []recipe{
	row("signature/leaf-corrupted", R, verifyClause, "One bit of the leaf's signature is flipped.", leafWith(corrupt)).control(),
	row("signature/intermediate-corrupted", R, verifyClause, "One bit of the intermediate's signature is flipped.", subWith(corrupt)),
	row("signature/leaf-altered", R, verifyClause, "The leaf's serial number was altered after it was signed.",
		leafWith(sealed(func(der []byte) []byte { return flip(der, 20) }))),
	row("signature/root-corrupted", L, anchorClause, "The trusted root's signature of itself is broken: nobody need verify it.", rootWith(corrupt)),
	row("signature/other-signer", R, verifyClause, "Another key than the intermediate's has signed the leaf.",
		leafWith(func(d *draft) { d.signWith(p256(d.b, "other signer")) })),
	row("signature/leaf-signed-itself", R, verifyClause, "The leaf's own key has signed it in the intermediate's name.", leafWith(func(d *draft) { d.signWith(d.key) })),
	row("signature/inner-outer-differ", R, algClause, "The leaf's algorithm is SHA-256 outside, which signed, and SHA-384 inside.", leafWith(inner(ecdsaAlgs[crypto.SHA384]))),
	row("signature/outer-inner-differ", R, algClause, "The leaf's algorithm is SHA-384 outside and SHA-256 inside, which signed.", leafWith(outer(ecdsaAlgs[crypto.SHA384]))),
	row("signature/intermediate-inner-outer", R, algClause, "The intermediate's algorithm differs inside and outside.", subWith(inner(ecdsaAlgs[crypto.SHA384]))),
	row("signature/unknown-algorithm", R, algClause, "The leaf's algorithm is one that nobody knows, inside and outside.", leafWith(outer(extUnknown), inner(extUnknown))),
	row("signature/hash-alone", R, algClause, "The leaf's algorithm is SHA-256 without a key's.", leafWith(outer(hashOIDs[crypto.SHA256]), inner(hashOIDs[crypto.SHA256]))),
	row("signature/rsa-said-ecdsa-made", R, algClause, "The leaf's algorithm says RSA; the intermediate's key and signature are ECDSA.",
		leafWith(outer(rsaAlgs[crypto.SHA256]), inner(rsaAlgs[crypto.SHA256]))),
	row("signature/empty", R, verifyClause, "The leaf's signature is empty.", leafWith(signature(func([]byte) []byte { return nil }))),
	row("signature/truncated", R, verifyClause, "The leaf's signature lacks its last ten octets.", leafWith(signature(func(s []byte) []byte { return s[:len(s)-10] }))),
	row("signature/trailing", R, ecSigClause, "Four octets follow the SEQUENCE of the leaf's ECDSA signature.", leafWith(signature(func(s []byte) []byte { return append(s, 0, 0, 0, 0) }))),
	row("signature/zero", R, "FIPS 186-5 §6.4.2", "r and s of the leaf's signature are 0, which fits any message where nobody checks (CVE-2022-21449).",
		leafWith(signature(func([]byte) []byte { return seq(number(0), number(0)) }))),
	row("signature/s-is-n", R, "FIPS 186-5 §6.4.2", "s of the leaf's signature is the order of the group.", leafWith(rs(func(r, _ *big.Int) []byte { return seq(integer(r), integer(elliptic.P256().Params().N)) }))),
	row("signature/s-plus-n", R, "FIPS 186-5 §6.4.2", "s of the leaf's signature is larger by the order of the group: the same number modulo it.", leafWith(rs(func(r, s *big.Int) []byte {
		return seq(integer(r), integer(new(big.Int).Add(s, elliptic.P256().Params().N)))
	}))),
	row("signature/negative", R, ecSigClause, "r of the leaf's signature is negative.", leafWith(rs(func(r, s *big.Int) []byte { return seq(integer(new(big.Int).Neg(r)), integer(s)) }))),
	row("signature/high-s", A, "FIPS 186-5 §6.4.2", "s of the leaf's signature is n-s, which verifies as well.", leafWith(rs(func(r, s *big.Int) []byte {
		return seq(integer(r), integer(new(big.Int).Sub(elliptic.P256().Params().N, s)))
	}))),
	row("signature/padded-integers", R, ecSigClause, "r of the leaf's signature has a zero octet too many: BER, not DER.", leafWith(rs(func(r, s *big.Int) []byte {
		return seq(tlv(2, append([]byte{0, 0}, r.Bytes()...)), integer(s))
	}))).doubt(berDoubt),
	row("signature/unused-bits", R, algClause, "The leaf's signature is a BIT STRING with one unused bit.",
		leafWith(sealed(func(der []byte) []byte {
			return edit(der, 2, func(e element) []byte { return tlv(3, []byte{1}, e.content[1:]) })
		}))),
	row("signature/ecdsa-null-parameters", R, "RFC 5758 §3.2", "The leaf's ecdsa-with-SHA256 has NULL for parameters, which MUST be omitted.", leafWith(surgery(func(d *draft) {
		d.alg = seq(oid(ecdsaAlgs[crypto.SHA256]), null)
	}))).doubt("the clause binds the encoding; a lenient verifier verifies the same signature"),
	row("signature/rsa-absent-parameters", A, "RFC 4055 §5", "The leaf's sha256WithRSAEncryption has no parameters; implementations MUST accept them absent and NULL.",
		subLeaf(with(keyed(rsaKind("rsa2048b"))), with(surgery(func(d *draft) { d.alg = seq(oid(rsaAlgs[crypto.SHA256])) })))).tag("rsa"),
	row("signature/rsa-forged-e3", R, "RFC 8017 §8.2.2", "The intermediate's RSA key has exponent 3, and the leaf's signature was forged without it: garbage follows the hash (CVE-2006-4339).",
		subLeaf(with(keyed(rsaKind("rsa2048e3"))), with(func(d *draft) {
			d.did(madeBySurgery)
			d.by.key.sign = d.by.key.rsa.forge
		}))).tag("rsa"),
	row("signature/rsa-other-hash", R, "RFC 8017 §8.2.2", "The leaf's algorithm says SHA-256, the DigestInfo in the signature SHA-384.",
		subLeaf(with(keyed(rsaKind("rsa2048b"))), with(surgery(func(d *draft) { d.by.key = d.by.key.hashed(crypto.SHA384) })))).tag("rsa"),
	row("signature/key-mismatch", R, "RFC 8446 §4.4.3", "The chain is valid, and the server does not have its leaf's key.", func(b *bench) {
		b.send(b.leaf(b.intermediate), b.intermediate)
		b.out.Key = p256(b, "another").pkcs8
	}).tag("handshake"),
	row("signature/correct", A, verifyClause, "The like of leaf-corrupted with the right signature.", leafWith()).control(),
}

// inner replaces the algorithm inside and keeps the one outside, outer the reverse.
func inner(id string) change {
	return surgery(func(d *draft) {
		if d.outer == nil {
			d.outer = d.alg
		}
		d.alg = seq(oid(id))
	})
}

func outer(id string) change { return surgery(func(d *draft) { d.outer = seq(oid(id)) }) }

// rs remakes an ECDSA signature of its two numbers.
func rs(f func(r, s *big.Int) []byte) change {
	return signature(func(sig []byte) []byte {
		parts, _ := children(sig)
		if len(parts) != 2 {
			return sig
		}
		return f(new(big.Int).SetBytes(parts[0].content), new(big.Int).SetBytes(parts[1].content))
	})
}

// flip changes a bit at an offset.
func flip(der []byte, at int) []byte {
	der[at] ^= 1
	return der
}

// edit replaces the i-th child of a SEQUENCE.
func edit(der []byte, i int, f func(element) []byte) []byte {
	parts, ok := children(der)
	if !ok || i >= len(parts) {
		return der
	}
	var out [][]byte
	for j, p := range parts {
		if j == i {
			p.whole = f(p)
		}
		out = append(out, p.whole)
	}
	return tlv(der[0], out...)
}

// forge is Bleichenbacher's forgery of 2006: the cube of the result begins with a
// correct encoding whose padding is short, and ends in whatever came of the rounding.
func (r *rsaKey) forge(msg []byte) []byte {
	info := digestInfo(crypto.SHA256, msg)
	em := append([]byte{0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}, info...)
	low := new(big.Int).SetBytes(append(em, make([]byte, r.size()-len(em))...))
	root := cubeRoot(low)
	return root.Add(root, big.NewInt(1)).FillBytes(make([]byte, r.size()))
}

// cubeRoot is rounded down.
func cubeRoot(n *big.Int) *big.Int {
	root := new(big.Int)
	for bit := n.BitLen()/3 + 1; bit >= 0; bit-- {
		try := new(big.Int).SetBit(root, bit, 1)
		if new(big.Int).Exp(try, big.NewInt(3), nil).Cmp(n) <= 0 {
			root = try
		}
	}
	return root
}
