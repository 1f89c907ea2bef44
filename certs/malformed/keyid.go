package malformed

const (
	akiClause = "RFC 5280 §4.2.1.1"
	skiClause = "RFC 5280 §4.2.1.2"
	hintDoubt = "key identifiers are no input of §6.1, so that a strict reading makes this must-accept"
)

// Key identifiers help to find a path and are no part of what makes it valid (RFC 5280
// §6.1 does not mention them). A verifier that rejects what the profile forbids CAs to
// issue does no wrong either.
var keyIDs = []recipe{
	row("keyid/present", A, akiClause, "Leaf and intermediate have the identifiers that the profile asks for.", leafWith()).control(),
	row("keyid/right-but-other-key", R, verifyClause, "The leaf's authority key identifier is right, its signer is another.", leafWith(func(d *draft) { d.signWith(p256(d.b, "other signer")) })).control(),
	row("keyid/aki-absent-leaf", L, akiClause, "The leaf has no authority key identifier.", leafWith(without(extAuthorityID))),
	row("keyid/aki-absent-intermediate", L, akiClause, "The intermediate has no authority key identifier.", subWith(without(extAuthorityID))),
	row("keyid/aki-wrong-leaf", L, akiClause, "The leaf's authority key identifier is that of nobody.", leafWith(replace(extAuthorityID, false, seq(implicit(0, make([]byte, 20)))))).doubt(hintDoubt),
	row("keyid/aki-wrong-intermediate", L, akiClause, "The intermediate's authority key identifier is that of nobody.", subWith(replace(extAuthorityID, false, seq(implicit(0, make([]byte, 20)))))).doubt(hintDoubt),
	row("keyid/aki-critical", L, akiClause, "The leaf's authority key identifier is critical, which it MUST NOT be.", leafWith(critical(extAuthorityID, true))),
	row("keyid/aki-empty", L, akiClause, "The leaf's authority key identifier is an empty SEQUENCE.", leafWith(replace(extAuthorityID, false, seq()))),
	row("keyid/aki-garbage", L, akiClause, "The leaf's authority key identifier is an INTEGER; it is not critical.", leafWith(replace(extAuthorityID, false, number(1)))),
	row("keyid/aki-issuer-serial", A, akiClause, "The leaf's authority key identifier has issuer and serial number, and both are right.", akiNamed(false)).
		doubt("hints that are right harm nothing; few CAs give them"),
	row("keyid/aki-issuer-serial-wrong", L, akiClause, "The leaf's authority key identifier has the right issuer and a wrong serial number.", akiNamed(true)).doubt(hintDoubt),
	row("keyid/ski-absent-intermediate", L, skiClause, "The intermediate has no subject key identifier.", subWith(without(extSubjectKeyID))),
	row("keyid/ski-absent-leaf", A, skiClause, "The leaf has no subject key identifier, which it SHOULD have.", leafWith(without(extSubjectKeyID))),
	row("keyid/ski-critical", L, skiClause, "The intermediate's subject key identifier is critical, which it MUST NOT be.", subWith(critical(extSubjectKeyID, true))),
	row("keyid/ski-of-one-octet", A, skiClause, "The intermediate's subject key identifier has one octet, and the leaf's authority key identifier the same.", subWith(keyID([]byte{7}))),
	row("keyid/ski-of-1000-octets", L, skiClause, "The intermediate's subject key identifier has 1,000 octets.", subWith(keyID(make([]byte, 1000)))),
	row("keyid/ski-of-two-keys", A, skiClause, "Two intermediates of other names have the same subject key identifier; the first one did not sign.", func(b *bench) {
		id := []byte("the same identifier!")
		sub := b.ca("Right CA", b.root, keyID(id))
		b.send(b.leaf(sub), b.ca("Wrong CA", b.root, keyID(id)), sub)
	}).doubt(pathDoubt),
	row("keyid/ski-garbage", L, skiClause, "The intermediate's subject key identifier is an INTEGER; it is not critical.", subWith(replace(extSubjectKeyID, false, number(1)))),
}

// akiNamed identifies the issuer by its issuer and serial number.
func akiNamed(wrong bool) func(*bench) {
	return leafAs(func(b *bench) []change {
		serial := integer(b.intermediate.serial)
		if wrong {
			serial = number(12345)
		}
		content := func(e []byte) []byte { el, _, _ := next(e); return el.content }
		return with(replace(extAuthorityID, false, seq(implicit(0, b.intermediate.ski), tlv(0xa1, dirName(b.root.subject)), implicit(2, content(serial)))))
	})
}
