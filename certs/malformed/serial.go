package malformed

import "math/big"

const (
	serialClause  = "RFC 5280 §4.1.2.2"
	versionClause = "RFC 5280 §4.1.2.1"
)

// Users of certificates MUST handle serial numbers of up to 20 octets and SHOULD be
// prepared for negative and zero ones (RFC 5280 §4.1.2.2); beyond that nothing binds
// them.
var serials = []recipe{
	row("serial/20-octets", A, serialClause, "The leaf's serial number has 20 octets.", leafWith(serialOf(octetsLong(20)))).control(),
	row("serial/one", A, serialClause, "The leaf's serial number is 1.", leafWith(serialOf(big.NewInt(1)))),
	row("serial/21-octets", L, serialClause, "The leaf's serial number has 21 octets, one more than conforming CAs may use.", leafWith(serialOf(octetsLong(21)))),
	row("serial/200-octets", L, serialClause, "The leaf's serial number has 200 octets.", leafWith(serialOf(octetsLong(200)))),
	row("serial/zero", L, serialClause, "The leaf's serial number is 0.", leafWith(serialOf(big.NewInt(0)))),
	row("serial/negative", L, serialClause, "The leaf's serial number is negative.", leafWith(surgery(serialOf(big.NewInt(-12345))))),
	row("serial/negative-intermediate", L, serialClause, "The intermediate's serial number is negative.", subWith(surgery(serialOf(big.NewInt(-12345))))),
	row("serial/same-as-issuer", A, serialClause, "Leaf and intermediate have the same serial number, of different issuers.", leafAs(func(b *bench) []change { return with(serialOf(b.intermediate.serial)) })),
	row("serial/used-twice", L, serialClause, "Two certificates of one issuer, the leaf and an extra one, have the same serial number.", func(b *bench) {
		b.send(b.leaf(b.intermediate, serialOf(big.NewInt(77))), b.intermediate, b.leafCalled("extra", b.intermediate, serialOf(big.NewInt(77))))
	}),
	row("serial/not-an-integer", R, derClause, "The leaf's serial number is an OCTET STRING.", leafWith(surgery(func(d *draft) { d.serial = octets([]byte{1, 2, 3}) }))).control(),
	row("serial/version-1-with-extensions", R, versionClause, "The leaf has extensions and no version, which means version 1.", leafWith(versioned(nil))).
		doubt("the clause binds who issues: \"when extensions are used […] version MUST be 3\""),
	row("serial/version-2-with-extensions", R, versionClause, "The leaf has extensions and says version 2.", leafWith(versioned(number(1)))).doubt("as serial/version-1-with-extensions"),
	row("serial/version-4", R, versionClause, "The leaf says version 4, which is not defined.", leafWith(versioned(number(3)))).doubt("no clause says what to do with an unknown version"),
	row("serial/version-negative", R, versionClause, "The leaf's version is -1.", leafWith(versioned(number(-1)))),
	row("serial/version-not-an-integer", R, versionClause, "The leaf's version is a BOOLEAN.", leafWith(surgery(func(d *draft) { d.version = explicit(0, isTrue) }))),
	row("serial/v1-leaf", R, hostClause, "The leaf is of version 1 and has no extensions, and so no name but the common name.", leafWith(v1, unnamed)).doubt(cnDoubt).serverOnly(),
	row("serial/unique-ids", A, "RFC 5280 §4.1.2.8", "The leaf has unique identifiers of issuer and subject; applications SHOULD be capable of parsing them.", leafWith(surgery(func(d *draft) {
		d.ids = append(tlv(0x81, []byte{0, 1, 2, 3}), tlv(0x82, []byte{0, 4, 5, 6})...)
	}))).doubt("the clause says SHOULD"),
}

func serialOf(n *big.Int) change {
	return func(d *draft) { d.num, d.serial = n, integer(n) }
}

func octetsLong(n int) *big.Int {
	return new(big.Int).Lsh(big.NewInt(0x5a), uint(8*(n-1)))
}

// versioned replaces the version; nil leaves it out.
func versioned(n []byte) change {
	return surgery(func(d *draft) {
		if d.version = nil; n != nil {
			d.version = explicit(0, n)
		}
	})
}
