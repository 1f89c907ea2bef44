package malformed

import "faultbed/certs"

var expired = []recipe{{
	name:     "expired/leaf",
	sentence: "The leaf expired a day ago.",
	clause:   "RFC 5280 §6.1.3(a)(2)",
	oracle:   certs.MustReject,
	build:    func(b *bench) { b.send(b.leaf(b.intermediate, b.past), b.intermediate) },
}, {
	name:     "expired/intermediate",
	sentence: "The intermediate expired a day ago; leaf and root are valid.",
	clause:   "RFC 5280 §6.1.3(a)(2)",
	oracle:   certs.MustReject,
	build: func(b *bench) {
		sub := b.ca("Expired Intermediate CA", b.root, b.past)
		b.send(b.leaf(sub), sub)
	},
}, {
	// The dates of a trust anchor are no input of the algorithm, so nothing in the RFC
	// decides; OpenSSL and Go reject it.
	name:     "expired/root",
	sentence: "The trusted root expired a day ago; all below it is valid.",
	clause:   "RFC 5280 §6.1.1(d)",
	oracle:   certs.LocalPolicy,
	build: func(b *bench) {
		root := b.anchor("Expired Root CA", b.past)
		sub := b.ca("Intermediate CA of an expired root", root)
		b.trust(root)
		b.send(b.leaf(sub), sub)
	},
}}
