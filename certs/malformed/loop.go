package malformed

import "faultbed/certs"

var loop = []recipe{{
	name:     "loop/cross-signed",
	sentence: "Two authorities certify each other and nobody else certifies them: the path never ends at an anchor.",
	clause:   "RFC 5280 §6.1",
	oracle:   certs.MustReject,
	tags:     []string{"depth2"},
	build: func(b *bench) {
		left, right := b.anchor("Left CA"), b.anchor("Right CA") // for their keys and names; not sent
		if b.err != nil {
			return
		}
		b.send(b.leaf(left), b.cross(left, right), b.cross(right, left))
	},
}}
