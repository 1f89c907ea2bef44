package malformed

import "faultbed/certs"

var incomplete = []recipe{{
	name:     "incomplete/missing-intermediate",
	sentence: "Only the leaf is sent; the intermediate that signed it is nowhere to be found.",
	clause:   "RFC 5280 §6.1",
	oracle:   certs.MustReject,
	build:    func(b *bench) { b.send(b.leaf(b.intermediate)) },
}}
