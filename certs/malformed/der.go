package malformed

import "faultbed/certs"

var der = []recipe{{
	name:     "der/junk-leaf",
	sentence: "The leaf is 600 random bytes; a good intermediate follows.",
	clause:   "RFC 5280 §4.1",
	oracle:   certs.MustReject,
	build: func(b *bench) {
		b.names = []string{} // bytes name nobody
		b.send(b.raw(b.mint.Bytes("junk", 600)), b.intermediate)
	},
}}
