package malformed

import "fmt"

const manyDoubt = "the clause says SHOULD and gives no number: a limit is a defence"

var extra = []recipe{
	row("extra/one", A, orderClause, "A valid chain, followed by a root that has nothing to do with it.", extras(1)).control(),
	row("extra/five", A, orderClause, "A valid chain, followed by 5 unrelated certificates.", extras(5)).doubt(manyDoubt),
	row("extra/ten", A, orderClause, "A valid chain, followed by 10 unrelated certificates.", extras(10)).doubt(manyDoubt),
	row("extra/thirty", L, orderClause, "A valid chain, followed by 30 unrelated certificates.", extras(30)),
	row("extra/fifty", L, orderClause, "A valid chain, followed by 50 unrelated certificates.", extras(50)),
	row("extra/before-intermediate", A, orderClause, "An unrelated certificate stands between leaf and intermediate.",
		func(b *bench) { b.send(b.leaf(b.intermediate), b.anchor("Unrelated Root CA"), b.intermediate) }).doubt(orderDoubt),
	row("extra/intermediate-twice", A, orderClause, "The intermediate is sent twice.",
		func(b *bench) { b.send(b.leaf(b.intermediate), b.intermediate, b.intermediate) }).doubt(orderDoubt),
	row("extra/intermediate-five-times", A, orderClause, "The intermediate is sent five times.",
		func(b *bench) {
			b.send(b.leaf(b.intermediate), b.intermediate, b.intermediate, b.intermediate, b.intermediate, b.intermediate)
		}).doubt(orderDoubt),
	row("extra/leaf-twice", A, orderClause, "The leaf is sent twice, then the intermediate.",
		func(b *bench) {
			leaf := b.leaf(b.intermediate)
			b.send(leaf, leaf, b.intermediate)
		}).doubt(orderDoubt),
	row("extra/root-twice", A, orderClause, "The root is sent twice at the end.",
		func(b *bench) { b.send(b.leaf(b.intermediate), b.intermediate, b.root, b.root) }).doubt(orderDoubt),
	row("extra/other-leaf", A, orderClause, "Another leaf of the same authority follows the chain.",
		func(b *bench) {
			b.send(b.leaf(b.intermediate), b.intermediate, b.leafCalled("other leaf", b.intermediate))
		}).doubt(orderDoubt),
	row("extra/expired", A, orderClause, "An unrelated root that has expired follows the chain.",
		func(b *bench) {
			b.send(b.leaf(b.intermediate), b.intermediate, b.anchor("Expired Unrelated CA", dates(-3*day, -day)))
		}).doubt(orderDoubt),
	row("extra/junk", L, orderClause, "600 random bytes follow a valid chain as one more certificate.",
		func(b *bench) { b.send(b.leaf(b.intermediate), b.intermediate, b.junk(600)) }),
	row("extra/truncated", L, orderClause, "A certificate that was cut in half follows a valid chain.",
		func(b *bench) {
			half := b.anchor("Truncated CA")
			half.der = half.der[:len(half.der)/2]
			b.send(b.leaf(b.intermediate), b.intermediate, half)
		}),
	row("extra/empty", R, "RFC 8446 §4.4.2", "A certificate of no bytes follows a valid chain; the syntax asks for one at least.",
		func(b *bench) { b.send(b.leaf(b.intermediate), b.intermediate, node{}) }).
		doubt("the message breaks its own syntax (cert_data<1..2^24-1>), which §6.2 answers with decode_error, but not the path"),
	row("extra/unrelated-only", R, orderClause, "Five unrelated certificates are sent, and not the intermediate.", func(b *bench) {
		b.send(b.leaf(b.ca("Missing Intermediate CA", b.root)), b.unrelated(5)...)
	}).control(),
}

func extras(n int) func(*bench) {
	return func(b *bench) { b.send(b.leaf(b.intermediate), append([]node{b.intermediate}, b.unrelated(n)...)...) }
}

// unrelated are n roots that signed nothing else.
func (b *bench) unrelated(n int) (out []node) {
	for i := range n {
		out = append(out, b.anchor(fmt.Sprintf("Unrelated CA %02d", i)))
	}
	return out
}

// junk is an entry of random bytes that stands for no leaf.
func (b *bench) junk(n int) node { return node{der: b.mint.Bytes("junk", n)} }
