package malformed

import "fmt"

const depthClause = "RFC 5280 §6.1"

// No clause bounds the length of a path; verifiers do: OpenSSL at 100 intermediates,
// others at 8 to 10.
var depths = depthRows()

func depthRows() []recipe {
	out := []recipe{
		row("depth/1", A, depthClause, "A valid chain with one intermediate.", rungs(1)).control(),
		row("depth/2", A, depthClause, "A valid chain with two intermediates.", rungs(2)).tag("depth2"),
		row("depth/10-incomplete", R, pathClause, "Ten intermediates, of which the highest is missing.", gap(10, 0)).control(),
		row("depth/10-expired", R, datesClause, "Ten intermediates, of which the highest has expired.", func(b *bench) {
			top := b.ca("Highest CA", b.root, past)
			up := append([]node{top}, b.ladder(9, top)...)
			b.sendUp(b.leaf(up[9]), up)
		}),
	}
	for _, n := range []int{5, 6, 7, 8, 9, 10, 11, 20, 50, 99, 100, 101, 102} {
		out = append(out, row(fmt.Sprintf("depth/%d", n), L, depthClause, fmt.Sprintf("A valid chain with %d intermediates.", n), rungs(n)))
	}
	for i := range out {
		out[i] = out[i].tag("depth")
	}
	return out
}
