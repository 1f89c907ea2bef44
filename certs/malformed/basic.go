package malformed

const (
	basicClause  = "RFC 5280 §4.2.1.9"
	caClause     = "RFC 5280 §6.1.4(k)"
	derClause    = "RFC 5280 §4.1"
	profileDoubt = "the clause binds who issues; §6.1 does not check it"
	berDoubt     = "RFC 5280 §4.1 asks for DER; a verifier that reads BER as well computes the signature over the same bytes and can be said to do no harm"
)

var basics = []recipe{
	row("basic/intermediate-absent", R, caClause, "The intermediate has no basicConstraints.", subWith(without(extBasic))),
	row("basic/intermediate-empty", R, caClause, "The intermediate's basicConstraints are an empty SEQUENCE: no CA.", subWith(basic(false, -1))).control(),
	row("basic/intermediate-explicit-false", R, caClause, "The intermediate's cA is FALSE, written out although it is the default.",
		subWith(replace(extBasic, true, seq(isFalse)))),
	row("basic/intermediate-not-critical", L, basicClause, "The intermediate's basicConstraints say CA and are not critical.", subWith(critical(extBasic, false))),
	row("basic/intermediate-false-not-critical", R, caClause, "The intermediate's basicConstraints say no CA and are not critical.",
		subWith(basic(false, -1), critical(extBasic, false))),
	row("basic/boolean-one", R, derClause, "The intermediate's cA is a BOOLEAN of 01, where DER has FF for TRUE.",
		subWith(replace(extBasic, true, seq([]byte{1, 1, 1})))).doubt(berDoubt),
	row("basic/boolean-long", R, derClause, "The intermediate's cA is a BOOLEAN of two octets.", subWith(replace(extBasic, true, seq([]byte{1, 2, 0xff, 0xff})))),
	row("basic/garbage", R, basicClause, "The intermediate's basicConstraints are an OCTET STRING.", subWith(replace(extBasic, true, octets([]byte("CA"))))),
	row("basic/trailing", R, derClause, "A NULL follows the SEQUENCE in the intermediate's basicConstraints.",
		subWith(replace(extBasic, true, append(basicValue(true, -1), null...)))),
	row("basic/empty-value", R, basicClause, "The intermediate's basicConstraints extension has no octet in it.", subWith(replace(extBasic, true, nil))),
	row("basic/v1-intermediate", R, caClause, "The intermediate is of version 1, which has no extensions: nothing says that it is a CA.", subWith(v1)),
	row("basic/v1-root", L, caClause, "The trusted root is of version 1; whoever trusted it knew that it is a CA.", rootWith(v1)),
	row("basic/root-absent", L, anchorClause, "The trusted root has no basicConstraints.", rootWith(without(extBasic))),
	row("basic/root-false", L, anchorClause, "The trusted root says that it is no CA.", rootWith(basic(false, -1))),
	row("basic/upper-of-2-absent", R, caClause, "The upper of two intermediates has no basicConstraints.", twoSubs(with(without(extBasic)), nil)).tag("depth2"),
	row("basic/lower-of-2-false", R, caClause, "The lower of two intermediates says that it is no CA.", twoSubs(nil, with(basic(false, -1)))).tag("depth2"),
	row("basic/leaf-as-ca", R, caClause, "The leaf of another host has signed the leaf: anyone with a certificate could.", func(b *bench) {
		other := b.leafCalled("issuing leaf", b.intermediate, sans(dnsName("other.invalid")))
		b.send(b.leaf(other), other, b.intermediate)
	}).tag("depth2"),
	row("basic/leaf-as-ca-with-cert-sign", R, caClause, "The same, and keyUsage of the issuing leaf has keyCertSign.", func(b *bench) {
		other := b.leafCalled("issuing leaf", b.intermediate, sans(dnsName("other.invalid")), usage(digitalSignature, keyCertSign))
		b.send(b.leaf(other), other, b.intermediate)
	}).tag("depth2"),
	row("basic/leaf-is-ca", L, basicClause, "The leaf says that it is a CA.", leafWith(basic(true, -1), usage(digitalSignature, keyCertSign))),
	row("basic/leaf-absent", A, basicClause, "The leaf has no basicConstraints.", leafWith(without(extBasic))).control(),
	row("basic/leaf-not-critical", A, basicClause, "The leaf's basicConstraints say no CA and are not critical.", leafWith(critical(extBasic, false))),
	row("basic/leaf-pathlen-without-ca", L, basicClause, "The leaf has a pathLenConstraint and is no CA.", leafWith(basic(false, 0))),
}

// v1 is a certificate of version 1: no version field (it is the default), no extensions.
var v1 = surgery(func(d *draft) { d.version, d.exts = nil, nil })
