package malformed

// RFC 8446 §4.4.2 asks senders for an order and verifiers for patience: all
// implementations "SHOULD be prepared to handle […] arbitrary orderings from any TLS
// version, with the exception of the end-entity certificate which MUST be first". The
// path itself is valid (RFC 5280 knows no wire order), so a verifier that rejects it
// rejects a valid certificate: must-accept, although TLS 1.2 (RFC 5246 §7.4.2) forbade
// to send it.
const (
	orderClause = "RFC 8446 §4.4.2"
	orderDoubt  = "the clause says SHOULD, and RFC 5246 §7.4.2 forbade other orders to senders"
)

var order = []recipe{
	// The root is what stands in the wrong place, not a second intermediate: a limit of depth
	// (nginx: proxy_ssl_verify_depth 1) must not be mistaken for intolerance of order.
	row("order/reversed", A, orderClause, "Leaf first, then root before intermediate: a valid path in the wrong order.",
		func(b *bench) { b.send(b.leaf(b.intermediate), b.root, b.intermediate) }).core().doubt(orderDoubt),
	row("order/in-order-of-3", A, orderClause, "Three intermediates in order.", rungs(3)).control().tag("depth3"),
	row("order/swapped-of-2", A, orderClause, "Two intermediates, the upper one first.", ordered(2, 0, 1)).doubt(orderDoubt).tag("depth2"),
	row("order/reversed-of-3", A, orderClause, "Three intermediates, highest first.", ordered(3, 0, 1, 2)).doubt(orderDoubt).tag("depth3"),
	row("order/rotated-of-3", A, orderClause, "Three intermediates: middle, highest, lowest.", ordered(3, 1, 0, 2)).doubt(orderDoubt).tag("depth3"),
	row("order/reversed-of-4", A, orderClause, "Four intermediates, highest first.", ordered(4, 0, 1, 2, 3)).doubt(orderDoubt).tag("depth4"),
	row("order/root-between", A, orderClause, "Two intermediates with the root between them.", func(b *bench) {
		up := b.ladder(2, b.root)
		b.send(b.leaf(up[1]), up[1], b.root, up[0])
	}).doubt(orderDoubt).tag("depth2"),
	row("order/leaf-second", R, orderClause, "The intermediate comes first, the leaf second.", leafAt(1)).control(),
	row("order/leaf-last", R, orderClause, "Intermediate, root, leaf.", leafAt(2)),
	row("order/root-first", R, orderClause, "Root, intermediate, leaf: the whole chain upside down.", func(b *bench) {
		leaf := b.leaf(b.intermediate)
		b.send(b.root, b.intermediate, leaf)
		b.out.Key = leaf.key.pkcs8
	}),
	row("order/other-leaf-first", R, orderClause, "Another leaf of the same authority, for another name, comes before the right one.", func(b *bench) {
		leaf := b.leafCalled("right leaf", b.intermediate)
		b.send(b.leafCalled("other leaf", b.intermediate, sans(dnsName("other.invalid"))), leaf, b.intermediate)
		b.out.Key = leaf.key.pkcs8
	}).serverOnly(),
}

// ordered sends n intermediates in an order given by their places below the root.
func ordered(n int, places ...int) func(*bench) {
	return func(b *bench) {
		up := b.ladder(n, b.root)
		var sent []node
		for _, p := range places {
			sent = append(sent, up[p])
		}
		b.send(b.leaf(up[n-1]), sent...)
	}
}

// leafAt sends the leaf after i certificates of its chain.
func leafAt(i int) func(*bench) {
	return func(b *bench) {
		leaf := b.leaf(b.intermediate)
		above := []node{b.intermediate, b.root}
		b.send(above[0], append(append(above[1:i:i], leaf), above[i:]...)...)
		b.out.Key = leaf.key.pkcs8
	}
}
