package malformed

import (
	"crypto"
	"math/big"
)

const (
	md5Clause  = "RFC 8446 §4.4.2.4"
	sizeClause = "RFC 5280 §6.1"
)

// A verifier may refuse what is weak; RFC 8446 §4.4.2.4 obliges it for MD5 only, and
// recommends it for SHA-1.
var weak = []recipe{
	row("weak/md5-leaf", R, md5Clause, "The leaf is signed over MD5, by an RSA key.", subLeaf(with(keyed(rsaKind("rsa2048b"))), with(hashed(crypto.MD5)))).tag("rsa"),
	row("weak/md5-intermediate", R, md5Clause, "The intermediate is signed over MD5.", belowRSA(hashed(crypto.MD5))).tag("rsa"),
	row("weak/md5-root", A, md5Clause, "The trusted root has signed itself over MD5; nobody need verify that.", func(b *bench) { b.rsaRoot(hashed(crypto.MD5)) }).
		doubt("the clause speaks of certificates that an endpoint \"would need to validate\"; an anchor is none").tag("rsa"),
	row("weak/sha1-leaf", L, md5Clause, "The leaf is signed over SHA-1.", leafWith(hashed(crypto.SHA1))),
	row("weak/sha1-intermediate", L, md5Clause, "The intermediate is signed over SHA-1.", subWith(hashed(crypto.SHA1))),
	row("weak/sha1-rsa-leaf", L, md5Clause, "The leaf is signed over SHA-1, by an RSA key.", subLeaf(with(keyed(rsaKind("rsa2048b"))), with(hashed(crypto.SHA1)))).tag("rsa"),
	row("weak/sha1-root", A, md5Clause, "The trusted root has signed itself over SHA-1.", rootWith(hashed(crypto.SHA1))).doubt("as weak/md5-root"),
	row("weak/rsa-512-intermediate", L, sizeClause, "The intermediate has an RSA key of 512 bits.", subWith(keyed(rsaKind("rsa512")))).tag("rsa"),
	row("weak/rsa-1024-intermediate", L, sizeClause, "The intermediate has an RSA key of 1024 bits.", subWith(keyed(rsaKind("rsa1024")))).tag("rsa"),
	row("weak/rsa-1024-leaf", L, sizeClause, "The leaf has an RSA key of 1024 bits.", leafWith(rsaLeaf("rsa1024b")...)).tag("rsa"),
	row("weak/rsa-1024-root", L, anchorClause, "The trusted root has an RSA key of 1024 bits.", rootWith(keyed(rsaKind("rsa1024")))).tag("rsa"),
	row("weak/rsa-e3-intermediate", L, "RFC 8017 §3.1", "The intermediate's RSA key has exponent 3, the least there is.", subWith(keyed(rsaKind("rsa2048e3")))).tag("rsa"),
	row("weak/rsa-e1-intermediate", R, "RFC 8017 §3.1", "The intermediate's RSA key has exponent 1: everyone can sign with it.", exponent(1)).tag("rsa"),
	row("weak/rsa-e2-intermediate", R, "RFC 8017 §3.1", "The intermediate's RSA key has exponent 2, which is even.", exponent(2)).control().tag("rsa"),
	row("weak/dsa-intermediate", L, sizeClause, "The intermediate has a DSA key of 2048 bits.", subWith(keyed(dsaKind))),
	row("weak/p224-intermediate", L, sizeClause, "The intermediate has a P-224 key.", subWith(keyed(p224))),
	row("weak/p224-leaf", L, "RFC 8446 §4.2.3", "The leaf has a P-224 key, for which TLS 1.3 has no signature scheme.", leafWith(keyed(p224))).tag("handshake"),
	row("weak/sha512", A, sizeClause, "The leaf is signed over SHA-512, by an RSA key of 2048 bits: nothing is weak.", subLeaf(with(keyed(rsaKind("rsa2048b"))), with(hashed(crypto.SHA512)))).control().tag("rsa"),
}

// belowRSA is a chain with an RSA root, and an intermediate that it signs as told.
func belowRSA(changes ...change) func(*bench) {
	return func(b *bench) {
		root := b.anchor(b.out.Name+" Root CA", keyed(rsaKind("rsa2048c")))
		b.trust(root)
		sub := b.ca("Intermediate CA below RSA", root, changes...)
		b.send(b.leaf(sub), sub)
	}
}

func (b *bench) rsaRoot(changes ...change) {
	rootWith(append(with(keyed(rsaKind("rsa2048c"))), changes...)...)(b)
}

// exponent gives the intermediate an RSA exponent with which the message itself, or
// its square root, signs. Nobody can take a root here: the signature for 2 is noise.
func exponent(e int64) func(*bench) {
	return subWith(func(d *draft) {
		k := rsaKind("rsa2048b")(d.b, "")
		r := *k.rsa
		k.spki = r.spki(big.NewInt(e))
		k.sign = func(msg []byte) []byte { return r.padded(crypto.SHA256, msg) }
		d.did(madeBySurgery)
		d.setKey(k)
		d.defaultSKI()
	})
}
