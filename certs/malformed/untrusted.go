package malformed

import "faultbed/certs"

var untrusted = []recipe{{
	name:     "untrusted/unknown-root",
	sentence: "A complete chain, root included, that ends at a root that the verifier does not trust.",
	clause:   "RFC 5280 §6.1",
	oracle:   certs.MustReject,
	build: func(b *bench) {
		root := b.anchor("Unknown Root CA")
		sub := b.ca("Unknown Intermediate CA", root)
		b.send(b.leaf(sub), sub, root)
	},
}}
