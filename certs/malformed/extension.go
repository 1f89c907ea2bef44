package malformed

import "fmt"

const (
	extClause  = "RFC 5280 §4.2"
	critClause = "RFC 5280 §6.1.4(o)"
	leafCrit   = "RFC 5280 §6.1.5(f)"
	onceDoubt  = "the clause binds who issues, and says nothing of extensions that a verifier does not know"
)

var extensions = []recipe{
	row("extension/unknown-critical-leaf", R, leafCrit, "The leaf has a critical extension that nobody knows.", leafWith(add(extUnknown, true, null))).control(),
	row("extension/unknown-critical-intermediate", R, critClause, "The intermediate has a critical extension that nobody knows.", subWith(add(extUnknown, true, null))),
	row("extension/unknown-critical-root", L, anchorClause, "The trusted root has a critical extension that nobody knows.", rootWith(add(extUnknown, true, null))),
	row("extension/unknown-leaf", A, extClause, "The leaf has an extension that nobody knows; it is not critical.", leafWith(add(extUnknown, false, null))).control(),
	row("extension/unknown-intermediate", A, extClause, "The intermediate has an extension that nobody knows; it is not critical.", subWith(add(extUnknown, false, null))),
	row("extension/unknown-garbage", A, extClause, "The value of the unknown extension is no DER.", leafWith(add(extUnknown, false, []byte{0xff, 0xff, 0xff}))).
		doubt("§4.1 asks for DER inside extnValue; a verifier that ignores the extension has no cause to look"),
	row("extension/unknown-200", L, extClause, "The leaf has 200 unknown extensions.", leafAs(func(b *bench) []change {
		var out []change
		for i := range 200 {
			out = append(out, add(fmt.Sprintf("%s.%d", extUnknown, i), false, null))
		}
		return out
	})),
	row("extension/unknown-huge-arc", A, extClause, "An arc in the unknown extension's identifier is 2^63.", leafWith(add(extUnknown+".9223372036854775808", false, null))).
		doubt("X.660 sets no bound to an arc; some parsers do"),
	row("extension/unknown-twice", R, extClause, "The leaf has the same unknown extension twice.", leafWith(add(extUnknown, false, null), add(extUnknown, false, null))).doubt(onceDoubt),
	row("extension/names-twice", R, extClause, "The leaf has two extensions of alternative names; the second one has the right name.", func(b *bench) {
		leafWith(sans(dnsName("other.invalid")), add(extSAN, false, seq(dnsName(b.name))))(b)
	}).serverOnly(),
	row("extension/names-twice-right-first", R, extClause, "The leaf has two extensions of alternative names; the first one has the right name.", func(b *bench) {
		leafWith(add(extSAN, false, seq(dnsName("other.invalid"))))(b)
	}).doubt("some verifiers read the first one only"),
	row("extension/basic-twice", R, extClause, "The intermediate has two basicConstraints; the first one says no CA.", subWith(basic(false, -1), add(extBasic, true, basicValue(true, -1)))),
	row("extension/usage-twice", R, extClause, "The intermediate has two keyUsages; the second one lacks keyCertSign.", subWith(add(extKeyUsage, true, namedBits(cRLSign)))),
	row("extension/names-garbage", R, sanClause, "The leaf's alternative names are an INTEGER.", leafWith(replace(extSAN, false, number(1)))),
	row("extension/names-unknown-form", R, sanClause, "The leaf has the right name, and one of a form that is not defined.", leafAs(func(b *bench) []change {
		return with(sans(dnsName(b.name), implicit(15, []byte("x"))))
	})).doubt("verifiers that look at DNS names only never see it"),
	row("extension/names-email-latin1", L, sanClause, "The leaf has the right name, and a mailbox with a letter that is not in IA5String.", leafAs(func(b *bench) []change {
		return with(sans(dnsName(b.name), emailName("b\xfccher@mail.invalid")))
	})),
	row("extension/aia-garbage", L, "RFC 5280 §4.2.2.1", "The leaf's authority information is an INTEGER; it is not critical.", leafWith(add(extAIA, false, number(1)))),
	row("extension/aia-critical", L, "RFC 5280 §4.2.2.1", "The leaf's authority information is critical, which it MUST NOT be.", leafWith(add(extAIA, true, seq(seq(oid("1.3.6.1.5.5.7.48.1"), uriName("http://ocsp.invalid")))))),
	row("extension/crl-points-garbage", L, "RFC 5280 §4.2.1.13", "The leaf's CRL distribution points are a UTF8String; they are not critical.", leafWith(add(extCRLDP, false, text(tagUTF8, "here")))),
	row("extension/none-but-field", R, derClause, "The leaf's extensions are an empty SEQUENCE, and the type is SIZE (1..MAX).", leafWith(surgery(func(d *draft) {
		d.names, d.extsDER = []string{}, explicit(3, seq())
	}))).serverOnly(),
	row("extension/poison", R, "RFC 6962 §3.1", "The leaf is a precertificate: it has the critical poison extension.", leafWith(add(extPoison, true, null))),
	row("extension/value-not-octets", R, derClause, "The value of an extension is not an OCTET STRING.", leafWith(rawExt(extUnknown, seq(oid(extUnknown), null)))),
	row("extension/before-key", R, derClause, "The leaf's extensions stand before its key.", leafWith(surgery(func(d *draft) {
		d.subject = append(append([]byte(nil), d.subject...), explicit(3, seq(d.exts[0].der()))...)
	}))),
}
