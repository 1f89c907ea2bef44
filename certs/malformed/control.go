package malformed

import "faultbed/certs"

// The controls come from the issuer itself, as the certificates of the run do.
var control = []recipe{{
	name:     "control/valid-ecdsa",
	sentence: "A valid chain with one intermediate and a P-256 leaf.",
	clause:   "RFC 5280 §6.1",
	oracle:   certs.MustAccept,
	build:    func(b *bench) { b.issue(certs.Request{}) },
}, {
	name:     "control/valid-rsa",
	sentence: "A valid chain with one intermediate and an RSA-2048 leaf.",
	clause:   "RFC 5280 §6.1",
	oracle:   certs.MustAccept,
	tags:     []string{"rsa"},
	build:    func(b *bench) { b.issue(certs.Request{RSA: true}) },
}, {
	name:     "control/valid-depth2",
	sentence: "A valid chain with two intermediates; nginx rejects it unless proxy_ssl_verify_depth is raised from 1.",
	clause:   "RFC 5280 §6.1",
	oracle:   certs.MustAccept,
	tags:     []string{"depth2"},
	build:    func(b *bench) { b.issue(certs.Request{Depth: 2}) },
}}
