package malformed

var untrusted = []recipe{
	row("untrusted/unknown-root", R, pathClause, "A complete chain, root included, that ends at a root that the verifier does not trust.",
		stranger(true)).core().control(),
	row("untrusted/unknown-root-not-sent", R, pathClause, "The same without the root.", stranger(false)),
	row("untrusted/trusted-root-sent-instead", R, pathClause, "A stranger's chain, followed by the root that is trusted but signed none of it.", func(b *bench) {
		sub := b.ca("Stranger Intermediate CA", b.anchor("Stranger Root CA"))
		b.send(b.leaf(sub), sub, b.root)
	}),
	row("untrusted/same-name", R, pathClause, "The root has the trusted root's name, but a key and key identifier of its own.", lookalike(true, false, false)),
	row("untrusted/same-name-and-keyid", R, pathClause, "The root has the trusted root's name and key identifier, but a key of its own.", lookalike(true, true, false)),
	row("untrusted/same-name-keyid-serial", R, pathClause, "The root has the trusted root's name, key identifier and serial number, but a key of its own.", lookalike(true, true, true)),
	row("untrusted/same-name-not-sent", R, pathClause, "The like of same-name-and-keyid without the root: only the signature tells.", lookalike(false, true, true)),
	row("untrusted/same-intermediate", R, pathClause, "A stranger's intermediate has the name and key identifier of the good one, but a key of its own.", func(b *bench) {
		sub := b.authority("fake", b.intermediate.subject, p256(b, "fake"), ptr(b.anchor("Stranger Root CA")), with(keyID(b.intermediate.ski)))
		b.send(b.leaf(sub), sub)
	}),
	row("untrusted/forged-issuer", R, "RFC 5280 §6.1.3(a)(1)", "A stranger has signed an intermediate in the name of the trusted root.", func(b *bench) {
		forger := b.root
		forger.key = p256(b, "forger")
		sub := b.ca("Forged Intermediate CA", forger)
		b.send(b.leaf(sub), sub)
	}),
	row("untrusted/self-signed-leaf", R, pathClause, "A leaf that has signed itself and nobody trusts.", func(b *bench) { b.send(b.selfSigned()) }),
	row("untrusted/self-signed-ca-leaf", R, pathClause, "The same, and it says that it is a CA.", func(b *bench) { b.send(b.selfSigned(basic(true, -1))) }),
	row("untrusted/self-signed-as-root", R, pathClause, "A self-signed leaf that has the trusted root's name as subject and issuer.", func(b *bench) {
		b.send(b.selfSigned(subject(b.root.subject)))
	}),
	row("untrusted/trusted", A, pathClause, "The like of unknown-root below the trusted root.",
		func(b *bench) { b.send(b.leaf(b.intermediate), b.intermediate, b.root) }).control(),
}

func ptr(n node) *node { return &n }

func stranger(sendRoot bool) func(*bench) {
	return func(b *bench) {
		root := b.anchor("Unknown Root CA")
		sub := b.ca("Unknown Intermediate CA", root)
		if sendRoot {
			b.send(b.leaf(sub), sub, root)
		} else {
			b.send(b.leaf(sub), sub)
		}
	}
}

// lookalike is a root with the trusted root's name, and a chain below it.
func lookalike(send, sameID, sameSerial bool) func(*bench) {
	return func(b *bench) {
		var changes []change
		if sameID {
			changes = append(changes, keyID(b.root.ski))
		}
		if sameSerial {
			changes = append(changes, func(d *draft) { d.num, d.serial = b.root.serial, integer(b.root.serial) })
		}
		root := b.authority("look-alike", b.root.subject, p256(b, "look-alike"), nil, changes)
		sub := b.ca("Intermediate CA of the look-alike", root)
		b.send(b.leaf(sub), sub)
		if send {
			b.send(b.leafCalled("leaf", sub), sub, root)
		}
	}
}

// keyID sets the subject key identifier, and with it the authority key identifier of
// what is signed.
func keyID(id []byte) change {
	return func(d *draft) {
		d.ski = id
		d.put(extSubjectKeyID, false, octets(id))
	}
}
