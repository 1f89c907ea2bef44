package malformed

import (
	"bytes"
	"encoding/pem"
)

// The signature of each covers the bytes as they are sent, where there is still one:
// what is wrong is the encoding alone.
var ders = []recipe{
	row("der/junk-leaf", R, derClause, "The leaf is 600 random bytes; a good intermediate follows.",
		func(b *bench) { b.send(b.raw(b.mint.Bytes("junk", 600)), b.intermediate) }).core().control(),
	row("der/junk-intermediate", R, derClause, "600 random bytes stand for the intermediate.",
		func(b *bench) { b.send(b.leaf(b.ca("Missing Intermediate CA", b.root)), b.junk(600)) }),
	row("der/zeros", R, derClause, "The leaf is 600 zero bytes.", func(b *bench) { b.send(b.raw(make([]byte, 600)), b.intermediate) }),
	row("der/one-byte", R, derClause, "The leaf is a single byte, that of a SEQUENCE.", func(b *bench) { b.send(b.raw([]byte{0x30}), b.intermediate) }),
	row("der/empty-sequence", R, derClause, "The leaf is an empty SEQUENCE.", func(b *bench) { b.send(b.raw(seq()), b.intermediate) }),
	row("der/pem", R, derClause, "The leaf is sent as PEM text.", sealedLeaf(func(der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	})),
	row("der/truncated-half", R, derClause, "The leaf ends in the middle.", sealedLeaf(func(der []byte) []byte { return der[:len(der)/2] })),
	row("der/truncated-byte", R, derClause, "The leaf lacks its last byte.", sealedLeaf(func(der []byte) []byte { return der[:len(der)-1] })),
	row("der/trailing-byte", R, derClause, "A zero byte follows the leaf.", sealedLeaf(func(der []byte) []byte { return append(der, 0) })),
	row("der/trailing-certificate", R, derClause, "The intermediate follows the leaf in the same entry.", func(b *bench) {
		leaf := b.leaf(b.intermediate)
		leaf.der = append(leaf.der, b.intermediate.der...)
		b.made = madeBySurgery
		b.send(leaf, b.intermediate)
	}),
	row("der/trailing-in-sequence", R, derClause, "A NULL follows the signature within the leaf's SEQUENCE.", sealedLeaf(func(der []byte) []byte { return grow(der, null) })),
	row("der/trailing-in-tbs", R, derClause, "A NULL follows the extensions within the leaf's TBSCertificate.", leafWith(resigned(func(tbs []byte) []byte { return grow(tbs, null) }))),
	row("der/length-too-long", R, derClause, "The leaf's outer length says 2^32-1.", sealedLeaf(func(der []byte) []byte {
		e, _, _ := next(der)
		return append([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, e.content...)
	})),
	row("der/length-not-minimal", R, "X.690 §10.1", "The leaf's outer length takes three octets where two do.", sealedLeaf(widen)).doubt(berDoubt),
	row("der/length-not-minimal-in-tbs", R, "X.690 §10.1", "The length of the leaf's TBSCertificate takes three octets where two do, and is signed so.", leafWith(resigned(widen))).doubt(berDoubt),
	row("der/ber-indefinite", R, "X.690 §10.1", "The leaf's outer length is indefinite, which is BER.", sealedLeaf(indefinite)).doubt(berDoubt),
	row("der/ber-indefinite-tbs", R, "X.690 §10.1", "The length of the leaf's TBSCertificate is indefinite, and is signed so.", leafWith(resigned(indefinite))).doubt(berDoubt),
	row("der/ber-indefinite-intermediate", R, "X.690 §10.1", "The intermediate's outer length is indefinite.", subWith(sealed(indefinite))).doubt(berDoubt),
	row("der/ber-constructed-octets", R, "X.690 §10.2", "The value of the leaf's key identifier is a constructed OCTET STRING.", leafWith(rawExt(extSubjectKeyID,
		seq(oid(extSubjectKeyID), tlv(0x24, octets(octets(make([]byte, 20)))))))).doubt(berDoubt),
	row("der/wrong-outer-tag", R, derClause, "The leaf is a SET instead of a SEQUENCE.", sealedLeaf(func(der []byte) []byte {
		der[0] = tagSet
		return der
	})),
	row("der/high-tag-number", R, derClause, "The leaf's outer tag is a SEQUENCE's in the form for high tag numbers.", sealedLeaf(func(der []byte) []byte {
		return append([]byte{0x3f, 0x10}, der[1:]...)
	})),
	row("der/integer-not-minimal", R, "X.690 §8.3.2", "The leaf's serial number has a zero octet too many.", leafWith(surgery(func(d *draft) {
		d.serial = tlv(0x02, append([]byte{0}, d.num.Bytes()...))
	}))).doubt(berDoubt),
	row("der/integer-empty", R, "X.690 §8.3.1", "The leaf's serial number is an INTEGER of no octets.", leafWith(surgery(func(d *draft) { d.serial = tlv(0x02) }))),
	row("der/explicit-default-version", R, "X.690 §11.5", "The intermediate says version 1, the default, in so many words, and has extensions.", subWith(surgery(func(d *draft) {
		d.version = explicit(0, number(0))
	}))),
	row("der/explicit-false-critical", R, "X.690 §11.5", "An extension of the leaf says that it is not critical, which is the default.", leafWith(rawExt(extUnknown, seq(oid(extUnknown), isFalse, octets(null))))).doubt(berDoubt),
	row("der/boolean-01-critical", R, "X.690 §11.1", "The leaf's keyUsage is critical by a BOOLEAN of 01.", leafWith(rawExt(extKeyUsage,
		seq(oid(extKeyUsage), []byte{1, 1, 1}, octets(namedBits(digitalSignature)))))).doubt(berDoubt),
	row("der/oid-not-minimal", R, "X.690 §8.19.2", "An arc of an extension's identifier begins with 80.", leafWith(rawExt(extUnknown,
		seq([]byte{0x06, 0x04, 0x2b, 0x80, 0x81, 0x01}, octets(null))))).doubt(berDoubt),
	row("der/oid-unfinished", R, "X.690 §8.19.2", "The last arc of an extension's identifier does not end.", leafWith(rawExt(extUnknown, seq([]byte{0x06, 0x02, 0x2b, 0x81}, octets(null))))),
	row("der/bit-string-nine-unused", R, "X.690 §8.6.2", "The leaf's signature says that nine bits are unused.", sealedLeaf(func(der []byte) []byte {
		return edit(der, 2, func(e element) []byte { return tlv(3, []byte{9}, e.content[1:]) })
	})),
	row("der/bit-string-empty", R, "X.690 §8.6.2", "The leaf's signature is a BIT STRING without its first octet.", sealedLeaf(func(der []byte) []byte {
		return edit(der, 2, func(element) []byte { return tlv(3) })
	})),
	row("der/missing-subject", R, derClause, "The leaf's TBSCertificate has no subject.", leafWith(surgery(subject(nil)))),
	row("der/fields-swapped", R, derClause, "Validity and subject of the leaf have changed places.", leafWith(surgery(func(d *draft) { d.validity, d.subject = d.subject, d.validity }))),
	row("der/subject-twice", R, derClause, "The leaf has its subject twice.", leafWith(surgery(func(d *draft) { d.subject = append(bytes.Clone(d.subject), d.subject...) }))),
	row("der/deep-nesting", L, derClause, "An unknown extension of the leaf holds 1,000 SEQUENCEs within each other.", leafWith(add(extUnknown, false, nested(1000)))),
	row("der/well-formed", A, derClause, "The like of truncated-byte, whole.", leafWith()).control(),
}

func sealedLeaf(f func([]byte) []byte) func(*bench) { return leafWith(sealed(f)) }

// grow appends to the content of a constructed element.
func grow(der, more []byte) []byte {
	e, _, _ := next(der)
	return tlv(der[0], e.content, more)
}

// widen writes a length in three octets more than its head needs.
func widen(der []byte) []byte {
	e, _, _ := next(der)
	n := len(e.content)
	return append([]byte{der[0], 0x83, byte(n >> 16), byte(n >> 8), byte(n)}, e.content...)
}

func indefinite(der []byte) []byte {
	e, _, _ := next(der)
	return append(append([]byte{der[0], 0x80}, e.content...), 0, 0)
}

func nested(n int) []byte {
	var out []byte
	for range n {
		out = seq(out)
	}
	return out
}
