package malformed

import "faultbed/certs"

var identity = []recipe{{
	name:     "identity/name-mismatch",
	sentence: "A valid chain for another host name.",
	clause:   "RFC 9525 §6.1",
	oracle:   certs.MustReject,
	build: func(b *bench) {
		b.names = []string{"elsewhere.invalid"} // RFC 2606: nobody's name
		b.send(b.leaf(b.intermediate), b.intermediate)
	},
}}
