package malformed

import (
	"fmt"
	"slices"
)

const pathClause = "RFC 5280 §6.1"

// What is missing must be nowhere: a verifier that has it in a cache, or fetches it,
// does no wrong, but no certificate here says where it could be fetched.
var incomplete = slices.Concat([]recipe{
	row("incomplete/missing-intermediate", R, pathClause,
		"Only the leaf is sent; the intermediate that signed it is nowhere to be found.",
		func(b *bench) {
			sub := b.ca("Missing Intermediate CA", b.root)
			b.send(b.leaf(sub))
		}).core().control(),
	row("incomplete/complete-of-2", A, pathClause, "Both intermediates are sent: nothing is missing.", rungs(2)).control().tag("depth2"),
	row("incomplete/all-of-2", R, pathClause, "Only the leaf is sent, of a chain with two intermediates.", gap(2, 0, 1)),
	row("incomplete/all-of-3", R, pathClause, "Only the leaf is sent, of a chain with three intermediates.", gap(3, 0, 1, 2)),
	row("incomplete/root-instead", R, pathClause, "The root is sent where the intermediate should be.",
		func(b *bench) { b.send(b.leaf(b.ca("Missing Intermediate CA", b.root)), b.root) }),
	row("incomplete/other-instead", R, pathClause, "The issuer's good intermediate is sent, but another one signed the leaf.",
		func(b *bench) { b.send(b.leaf(b.ca("Missing Intermediate CA", b.root)), b.intermediate) }),
}, gaps())

// gaps are all chains of up to four intermediates with one missing.
func gaps() (out []recipe) {
	for n := 2; n <= 4; n++ {
		for i := range n {
			out = append(out, row(fmt.Sprintf("incomplete/%d-of-%d", i+1, n), R, pathClause,
				fmt.Sprintf("Of %d intermediates, the one in place %d below the root is missing.", n, i+1), gap(n, i)).tag(fmt.Sprintf("depth%d", n)))
		}
	}
	return out
}

func gap(n int, missing ...int) func(*bench) {
	return func(b *bench) {
		all := b.ladder(n, b.root)
		var sent []node
		for i, r := range all {
			if !slices.Contains(missing, i) {
				sent = append(sent, r)
			}
		}
		b.sendUp(b.leaf(all[n-1]), sent)
	}
}
