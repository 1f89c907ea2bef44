package malformed

import "unicode/utf16"

const (
	idnClause    = "RFC 9549 §2.2"
	stringClause = "RFC 5280 §4.1.2.4"
	aLabel       = "xn--bcher-kva.faultbed.test" // bücher
)

var idn = []recipe{
	row("idn/a-label", A, idnClause, "The leaf and the verifier have the same name in A-labels.", asking(aLabel, sans(dnsName(aLabel)))).tag("ask").serverOnly(),
	row("idn/a-label-upper-case", A, nameClause, "The leaf's A-labels are written in capitals.", asking(aLabel, sans(dnsName(upper(aLabel))))).tag("ask").serverOnly(),
	row("idn/u-label", R, idnClause, "The leaf has the name in UTF-8 where A-labels must be.", asking(aLabel, sans(dnsName("bücher.faultbed.test")))).tag("ask").serverOnly(),
	row("idn/u-label-latin1", R, idnClause, "The leaf has the name in Latin-1.", asking(aLabel, sans(dnsName("b\xfccher.faultbed.test")))).tag("ask").serverOnly(),
	row("idn/wildcard", A, nameClause, "A wildcard stands for the A-label.", asking(aLabel, sans(dnsName("*.faultbed.test")))).tag("ask").serverOnly(),
	row("idn/wildcard-in-a-label", R, nameClause, "A wildcard stands for the end of the A-label.", asking(aLabel, sans(dnsName("xn--*.faultbed.test")))).tag("ask").serverOnly(),
	row("idn/homograph", R, hostClause, "The leaf has a name that looks the same, with a Cyrillic letter, in A-labels.",
		leafWith(sans(dnsName("xn--rigin-qbf.faultbed.test")))).control().serverOnly(),
	row("idn/invalid-a-label", L, idnClause, "Besides the name there is one whose A-label decodes to nothing.", leafAs(func(b *bench) []change {
		return with(sans(dnsName(b.name), dnsName("xn--a.faultbed.test")))
	})),
	row("idn/cn-utf8", A, stringClause, "The leaf's common name is a UTF8String with an umlaut.", leafWith(subject(cn(text(tagUTF8, "Bücher"))))).control(),
	row("idn/cn-bmp", A, stringClause, "The leaf's common name is a BMPString.", leafWith(subject(cn(bmp("Bücher"))))),
	row("idn/cn-universal", A, stringClause, "The leaf's common name is a UniversalString.", leafWith(subject(cn(text(tagUniversal, "\x00\x00\x00B\x00\x00\x00\xfc"))))).
		doubt("the choice of DirectoryString has it; few verifiers were ever given one"),
	row("idn/cn-teletex", A, stringClause, "The leaf's common name is a TeletexString.", leafWith(subject(cn(text(tagTeletex, "B\xfccher"))))),
	row("idn/issuer-bmp", A, stringClause, "The intermediate's name is a BMPString, in both certificates alike.", func(b *bench) {
		sub := b.authority("bmp", cn(bmp("Zwischenzertifizierung")), p256(b, "bmp"), &b.root, nil)
		b.send(b.leaf(sub), sub)
	}),
	row("idn/issuer-teletex", A, stringClause, "The intermediate's name is a TeletexString, in both certificates alike.", func(b *bench) {
		sub := b.authority("teletex", cn(text(tagTeletex, "Bl\xe5b\xe6r CA")), p256(b, "teletex"), &b.root, nil)
		b.send(b.leaf(sub), sub)
	}),
	row("idn/cn-bad-utf8", L, stringClause, "The leaf's common name is a UTF8String that is not UTF-8.", leafWith(surgery(subject(cn(text(tagUTF8, "B\xfccher")))))),
	row("idn/cn-bad-printable", L, stringClause, "The leaf's common name is a PrintableString with characters that it does not have.", leafWith(surgery(subject(cn(text(tagPrintable, "a@b_c*")))))),
	row("idn/cn-odd-bmp", L, stringClause, "The leaf's common name is a BMPString of an odd number of octets.", leafWith(surgery(subject(cn(text(tagBMP, "\x00B\x00")))))),
	row("idn/cn-too-long", L, "RFC 5280 §A.1", "The leaf's common name has 65 characters; the upper bound is 64.", leafWith(surgery(subject(cn(printable(long(65))))))),
}

func cn(value []byte) []byte { return seq(rdn(typeCN, value)) }

func bmp(s string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u>>8), byte(u))
	}
	return tlv(tagBMP, out)
}

func long(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return string(b)
}
