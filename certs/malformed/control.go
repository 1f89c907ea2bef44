package malformed

import "faultbed/certs"

// The first three come from the issuer itself, as the certificates of the run do.
var control = []recipe{
	row("control/valid-ecdsa", A, "RFC 5280 §6.1", "A valid chain with one intermediate and a P-256 leaf.",
		func(b *bench) { b.issue(certs.Request{}) }).core().control(),
	row("control/valid-rsa", A, "RFC 5280 §6.1", "A valid chain with one intermediate and an RSA-2048 leaf.",
		func(b *bench) { b.issue(certs.Request{RSA: true}) }).core().tag("rsa"),
	row("control/valid-depth2", A, "RFC 5280 §6.1",
		"A valid chain with two intermediates; nginx rejects it unless proxy_ssl_verify_depth is raised from 1.",
		func(b *bench) { b.issue(certs.Request{Depth: 2}) }).core().tag("depth2"),
	row("control/valid-depth0", A, "RFC 5280 §6.1", "A leaf directly under the trusted root.",
		func(b *bench) { b.send(b.leaf(b.root)) }),
	row("control/valid-depth3", A, "RFC 5280 §6.1", "A valid chain with three intermediates.", rungs(3)).tag("depth3"),
	row("control/valid-depth4", A, "RFC 5280 §6.1", "A valid chain with four intermediates.", rungs(4)).tag("depth4"),
	row("control/valid-p384", A, "RFC 5280 §6.1", "A valid chain with a P-384 leaf.", leafWith(keyed(p384))).
		doubt("RFC 8446 §9.1 makes rsa_pkcs1_sha256, rsa_pss_rsae_sha256 and ecdsa_secp256r1_sha256 mandatory only; no known stack lacks P-384"),
	row("control/valid-p384-chain", A, "RFC 5280 §6.1", "Root, intermediate and leaf have P-384 keys and sign with SHA-384.",
		ownChain(p384)).doubt("as control/valid-p384"),
	row("control/valid-rsa3072", A, "RFC 5280 §6.1", "A valid chain with an RSA-3072 leaf.", leafWith(rsaLeaf("rsa3072")...)).tag("rsa"),
	row("control/valid-rsa4096", A, "RFC 5280 §6.1", "A valid chain with an RSA-4096 leaf.", leafWith(rsaLeaf("rsa4096")...)).tag("rsa"),
	row("control/valid-rsa-chain", A, "RFC 8446 §9.1", "Root, intermediate and leaf have RSA-2048 keys.", func(b *bench) {
		root := b.anchor("RSA control Root CA", keyed(rsaKind("rsa2048b")))
		b.trust(root)
		sub := b.ca("RSA control Intermediate CA", root, keyed(rsaKind("rsa2048c")))
		b.send(b.leaf(sub, rsaLeaf("rsa2048d")...), sub)
	}).tag("rsa"),
	row("control/valid-mixed", A, "RFC 8446 §9.1", "An RSA intermediate has signed a P-256 leaf.", subWith(keyed(rsaKind("rsa2048b")))).tag("rsa"),
	row("control/valid-minimal", A, "RFC 5280 §6.1", "A leaf with no extension but its names and its authority's key identifier.",
		leafWith(without(extKeyUsage), without(extEKU), without(extBasic), without(extSubjectKeyID))),
	row("control/root-sent", A, "RFC 8446 §4.4.2", "The trusted root is sent along at the end.",
		func(b *bench) { b.send(b.leaf(b.intermediate), b.intermediate, b.root) }),
	row("control/stranger", R, "RFC 5280 §6.1", "The like of valid-ecdsa below a root that nobody trusts.", func(b *bench) {
		sub := b.ca("Stranger Intermediate CA", b.anchor("Stranger Root CA"))
		b.send(b.leaf(sub), sub)
	}).control(),
	row("control/other-name", R, "RFC 9525 §6.1", "The like of valid-ecdsa for another host name.", leafWith(sans(dnsName("other.invalid")))).serverOnly(),
}

func rsaLeaf(name string) []change {
	return with(keyed(rsaKind(name)), usage(digitalSignature, keyEncipherment))
}

// rungs is a valid chain with n intermediates.
func rungs(n int) func(*bench) {
	return func(b *bench) {
		up := b.ladder(n, b.root)
		b.sendUp(b.leaf(up[n-1]), up)
	}
}

// ownChain is a valid chain below a root of its own, all with keys of one kind.
func ownChain(k kind) func(*bench) {
	return func(b *bench) {
		root := b.anchor(b.out.Name+" Root CA", keyed(k))
		b.trust(root)
		sub := b.ca("Intermediate CA below it", root, keyed(k))
		b.send(b.leaf(sub, keyed(k)), sub)
	}
}
