package malformed

import "faultbed/certs"

var pathlen = []recipe{{
	name:     "pathlen/exceeded",
	sentence: "An intermediate with pathLen 0 has signed another intermediate, which signed the leaf.",
	clause:   "RFC 5280 §6.1.4(l)",
	oracle:   certs.MustReject,
	tags:     []string{"depth2"},
	build: func(b *bench) {
		last := b.ca("Last Intermediate CA", b.root, pathLen(0))
		extra := b.ca("One Intermediate CA too many", last)
		b.send(b.leaf(extra), extra, last)
	},
}}
