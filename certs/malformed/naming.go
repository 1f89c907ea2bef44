package malformed

const (
	matchClause = "RFC 5280 §7.1"
	matchDoubt  = "the clause says MUST for what it allows to be compared; most verifiers compare bytes, as §4.1.2.4 lets CAs expect of old ones"
	linkClause  = "RFC 5280 §6.1.3(a)(4)"
)

// misnamed is a chain whose leaf names its issuer in another way than the
// intermediate's subject has it.
func misnamed(subject, issuer []byte) func(*bench) {
	return func(b *bench) {
		sub := b.authority("named", subject, p256(b, "named"), &b.root, nil)
		b.send(b.leaf(sub, func(d *draft) { d.issuer = issuer }), sub)
	}
}

func org(value []byte) []byte { return seq(rdn(typeO, value), rdn(typeCN, printable("Naming CA"))) }

var naming = []recipe{
	row("naming/same", A, matchClause, "The names are the same, byte for byte.", misnamed(org(printable("Fault Bed")), org(printable("Fault Bed")))).control(),
	row("naming/case", A, matchClause, "The names differ in case.", misnamed(org(printable("Fault Bed")), org(printable("FAULT bed")))).doubt(matchDoubt),
	row("naming/string-type", A, matchClause, "One name is a PrintableString, the other a UTF8String.", misnamed(org(printable("Fault Bed")), org(text(tagUTF8, "Fault Bed")))).doubt(matchDoubt),
	row("naming/spaces-inside", A, matchClause, "One name has two spaces where the other has one.", misnamed(org(printable("Fault Bed")), org(printable("Fault  Bed")))).doubt(matchDoubt),
	row("naming/spaces-around", A, matchClause, "One name has spaces before and after it.", misnamed(org(printable("Fault Bed")), org(printable(" Fault Bed ")))).doubt(matchDoubt),
	row("naming/unicode-form", A, matchClause, "One name has its umlaut composed, the other decomposed.", misnamed(org(text(tagUTF8, "B\u00fccher")), org(text(tagUTF8, "Bu\u0308cher")))).doubt(matchDoubt),
	row("naming/multi-valued-order", A, matchClause, "One relative name has two attributes, in another order than the other's.", misnamed(
		seq(set(attribute(typeO, printable("Fault Bed")), attribute(typeOU, printable("Lab")))),
		seq(set(attribute(typeOU, printable("Lab")), attribute(typeO, printable("Fault Bed")))))).
		doubt("DER sorts a SET OF, so that one of the two is not DER"),
	row("naming/order", R, matchClause, "The relative names stand in another order.", misnamed(org(printable("Fault Bed")), seq(rdn(typeCN, printable("Naming CA")), rdn(typeO, printable("Fault Bed"))))),
	row("naming/other", R, linkClause, "The leaf names another issuer; key, key identifier and signature are right.", misnamed(org(printable("Fault Bed")), org(printable("Other Bed")))).control(),
	row("naming/attribute-missing", R, linkClause, "The leaf's issuer lacks one of the attributes.", misnamed(org(printable("Fault Bed")), seq(rdn(typeCN, printable("Naming CA"))))),
	row("naming/attribute-extra", R, linkClause, "The leaf's issuer has an attribute more.",
		misnamed(org(printable("Fault Bed")), seq(rdn(typeCountry, printable("XX")), rdn(typeO, printable("Fault Bed")), rdn(typeCN, printable("Naming CA"))))),
	row("naming/attribute-type", R, linkClause, "The value is the same, the attribute is an organisational unit instead of an organisation.",
		misnamed(org(printable("Fault Bed")), seq(rdn(typeOU, printable("Fault Bed")), rdn(typeCN, printable("Naming CA"))))),
	row("naming/prefix", R, linkClause, "The leaf's issuer is the beginning of the intermediate's subject.", misnamed(org(printable("Fault Bed")), org(printable("Fault")))),
	row("naming/empty-issuer", R, stringClause, "The leaf's issuer is empty; key and signature are right.", misnamed(org(printable("Fault Bed")), seq())),
	row("naming/empty-ca", R, "RFC 5280 §4.1.2.6", "The intermediate's subject and the leaf's issuer are empty; a CA's must not be.", misnamed(seq(), seq())).
		doubt("the two names match; only the profile is broken"),
	row("naming/root-other", R, linkClause, "The intermediate names another issuer than the root that signed it.", subWith(func(d *draft) { d.issuer = org(printable("Other Root")) })),
	row("naming/self-issued-look", A, linkClause, "The leaf has the intermediate's name as its subject: self-issued, not self-signed.", func(b *bench) {
		leafWith(subject(b.intermediate.subject))(b)
	}),
}
