package malformed

const anchorClause = "RFC 5280 §6.1.1(d)"

const partialChain = "OpenSSL and BoringSSL take no trust anchor that is not self-signed unless X509_V_FLAG_PARTIAL_CHAIN is set; to RFC 5280 any name and key is one"

// An anchor is a name and a key that the verifier was given; the certificate that
// they came in need not be self-signed. Cases make anchors of their own, so that
// anchors of several cases can be trusted together.
var anchors = []recipe{
	row("anchor/intermediate", A, anchorClause, "The trust anchor is the intermediate, which is sent; its root is unknown.", func(b *bench) {
		sub := b.ca("Trusted Intermediate CA", b.anchor("Untrusted Root above an anchor"))
		b.trust(sub)
		b.send(b.leaf(sub), sub)
	}).doubt(partialChain),
	row("anchor/intermediate-not-sent", A, anchorClause, "The trust anchor is the intermediate, and only the leaf is sent.", func(b *bench) {
		sub := b.ca("Trusted Intermediate CA 2", b.anchor("Untrusted Root above an anchor"))
		b.trust(sub)
		b.send(b.leaf(sub))
	}).doubt(partialChain),
	row("anchor/lower-of-2", A, anchorClause, "The trust anchor is the lower of two intermediates; both are sent.", func(b *bench) {
		up := b.ladder(2, b.anchor("Untrusted Root above two"))
		b.trust(up[1])
		b.sendUp(b.leaf(up[1]), up)
	}).doubt(partialChain).tag("depth2"),
	row("anchor/upper-of-2", A, anchorClause, "The trust anchor is the upper of two intermediates; both are sent.", func(b *bench) {
		up := b.ladder(2, b.anchor("Untrusted Root above two more"))
		b.trust(up[0])
		b.sendUp(b.leaf(up[1]), up)
	}).doubt(partialChain).tag("depth2"),
	row("anchor/leaf", L, anchorClause, "The trust anchor is the leaf itself, which a stranger signed.", func(b *bench) {
		leaf := b.leaf(b.anchor("Untrusted Root above a leaf"))
		b.trust(leaf)
		b.send(leaf)
	}),
	row("anchor/self-signed-leaf", L, anchorClause, "The trust anchor is the leaf itself, self-signed and no CA.", func(b *bench) {
		leaf := b.selfSigned(basic(false, -1))
		b.trust(leaf)
		b.send(leaf)
	}),
	row("anchor/self-signed-ca-leaf", L, anchorClause, "The trust anchor is the leaf itself, self-signed and a CA, as development servers have.", func(b *bench) {
		leaf := b.selfSigned(basic(true, -1))
		b.trust(leaf)
		b.send(leaf)
	}),
	row("anchor/twice", A, anchorClause, "The root is twice among the anchors.", func(b *bench) {
		b.trust(b.root, b.root)
		b.send(b.leaf(b.intermediate), b.intermediate)
	}).control(),
	row("anchor/renewed", A, anchorClause, "The root and its renewal (same name and key, other serial number and dates) are both anchors.", func(b *bench) {
		root := b.anchor("Renewed Root CA")
		b.trust(root, b.selfAgain("renewal", root, dates(-day, 20*year)))
		sub := b.ca("Intermediate CA below both", root)
		b.send(b.leaf(sub), sub)
	}),
	row("anchor/renewed-after-expiry", A, anchorClause, "The expired root and its renewal are both anchors; the expired one comes first.", func(b *bench) {
		root := b.anchor("Root CA renewed late", dates(-3*day, -day))
		b.trust(root, b.selfAgain("renewal", root))
		sub := b.ca("Intermediate CA below both", root)
		b.send(b.leaf(sub), sub)
	}),
	row("anchor/same-name-other-key", A, anchorClause, "Two anchors have the same name and different keys; the second one signed.", func(b *bench) {
		first := b.anchor("Root CA of two keys")
		second := b.authority("second", first.subject, p256(b, "second"), nil, nil)
		b.trust(first, second)
		sub := b.ca("Intermediate CA below the second", second)
		b.send(b.leaf(sub), sub)
	}),
	row("anchor/cross-signed-new-root", A, anchorClause, "The anchor is a new root; the chain goes on through its cross-signature to an old one that is unknown.", func(b *bench) {
		root := b.anchor("New Root CA")
		sub := b.ca("Intermediate CA below the new root", root)
		b.trust(root)
		b.send(b.leaf(sub), sub, b.again("cross", root, b.anchor("Old Root CA")))
	}).tag("depth2"),
	row("anchor/other", R, anchorClause, "The only anchor is a root that has signed nothing here.", func(b *bench) {
		b.trust(b.anchor("Anchor that signed nothing"))
		sub := b.ca("Intermediate CA of a stranger", b.anchor("Root CA of a stranger"))
		b.send(b.leaf(sub), sub)
	}).control(),
	row("anchor/sibling", R, anchorClause, "The only anchor is an intermediate of the same root as the leaf's, its root is not.", func(b *bench) {
		root := b.anchor("Untrusted Root of siblings")
		b.trust(b.ca("Trusted Sibling CA", root))
		sub := b.ca("Untrusted Sibling CA", root)
		b.send(b.leaf(sub), sub, root)
	}),
}

// selfSigned is a leaf that has signed itself.
func (b *bench) selfSigned(changes ...change) node {
	d := b.draft("self-signed leaf", leafName(b.name), p256(b, "self-signed leaf"), nil)
	d.names = []string{b.name}
	return b.finish(d, b.leafExts(d), changes)
}
