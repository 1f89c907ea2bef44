package malformed

import "faultbed/certs"

var order = []recipe{{
	// RFC 8446 asks senders for an order and verifiers for patience: all implementations
	// "SHOULD be prepared to handle […] arbitrary orderings from any TLS version, with the
	// exception of the end-entity certificate which MUST be first". The path itself is valid
	// (RFC 5280 knows no wire order), so a verifier that rejects it rejects a valid
	// certificate: must-accept, although TLS 1.2 (RFC 5246 §7.4.2) forbade to send it.
	// The root is what stands in the wrong place, not a second intermediate: a limit of depth
	// (nginx: proxy_ssl_verify_depth 1) must not be mistaken for intolerance of order.
	name:     "order/reversed",
	sentence: "Leaf first, then root before intermediate: a valid path in the wrong order.",
	clause:   "RFC 8446 §4.4.2",
	oracle:   certs.MustAccept,
	build:    func(b *bench) { b.send(b.leaf(b.intermediate), b.root, b.intermediate) },
}}
