package malformed

import "math/big"

const (
	pathLenClause = "RFC 5280 §6.1.4(l)"
	selfIssuedWhy = "§6.1.4(l) counts certificates that are not self-issued; Go, GnuTLS and mbedTLS count all"
)

var pathlens = []recipe{
	row("pathlen/exceeded", R, pathLenClause, "An intermediate with pathLen 0 has signed another intermediate, which signed the leaf.",
		twoSubs(with(pathLen(0)), nil)).core().control().tag("depth2"),
	row("pathlen/exact", A, pathLenClause, "An intermediate with pathLen 0 has signed the leaf.", subWith(pathLen(0))).control(),
	row("pathlen/exact-of-2", A, pathLenClause, "Two intermediates with pathLen 1 and 0.", twoSubs(with(pathLen(1)), with(pathLen(0)))).tag("depth2"),
	row("pathlen/exact-of-3", A, pathLenClause, "Three intermediates, the highest with pathLen 2.", limited(3, map[int]int64{0: 2})).tag("depth3"),
	row("pathlen/one-too-many-of-3", R, pathLenClause, "Three intermediates, the highest with pathLen 1.", limited(3, map[int]int64{0: 1})).tag("depth3"),
	row("pathlen/middle-of-3", R, pathLenClause, "Three intermediates, the middle one with pathLen 0.", limited(3, map[int]int64{1: 0})).tag("depth3"),
	row("pathlen/two-too-many", R, pathLenClause, "Four intermediates, the highest with pathLen 1.", limited(4, map[int]int64{0: 1})).tag("depth4"),
	row("pathlen/widened", R, pathLenClause, "Below pathLen 0, an intermediate allows itself pathLen 5.", limited(2, map[int]int64{0: 0, 1: 5})).tag("depth2"),
	row("pathlen/narrowed", R, pathLenClause, "Below pathLen 5, an intermediate with pathLen 0 has signed another.", limited(3, map[int]int64{0: 5, 1: 0})).tag("depth3"),
	row("pathlen/root-exact", A, anchorClause, "The trusted root has pathLen 1, and one intermediate follows.", rootWith(pathLen(1))),
	row("pathlen/root-exceeded", L, anchorClause, "The trusted root has pathLen 0, and one intermediate follows.", rootWith(pathLen(0))),
	row("pathlen/self-issued", A, pathLenClause, "Below pathLen 0, the intermediate has certified its own new key, which signed the leaf: self-issued certificates don't count.",
		selfIssued(1, false)).doubt(selfIssuedWhy).tag("depth2"),
	row("pathlen/self-issued-twice", A, pathLenClause, "The same, and it has done so twice.", selfIssued(2, false)).doubt(selfIssuedWhy).tag("depth3"),
	row("pathlen/self-issued-and-another", R, pathLenClause, "Below pathLen 0 follow a self-issued certificate and an intermediate of another name.", selfIssued(1, true)).tag("depth3"),
	row("pathlen/255", A, basicClause, "The intermediate has pathLen 255.", subWith(pathLen(255))),
	row("pathlen/above-2-to-40", L, basicClause, "The intermediate's pathLen is 2^40: INTEGER (0..MAX) sets no bound.", subWith(pathLen(1<<40))),
	row("pathlen/above-2-to-200", L, basicClause, "The intermediate's pathLen is 2^200.",
		subWith(replace(extBasic, true, seq(isTrue, integer(new(big.Int).Lsh(big.NewInt(1), 200)))))),
	row("pathlen/negative", R, basicClause, "The intermediate's pathLen is -1, and the type is INTEGER (0..MAX).", subWith(replace(extBasic, true, seq(isTrue, number(-1))))),
	row("pathlen/not-a-number", R, basicClause, "The intermediate's pathLen is a UTF8String.", subWith(replace(extBasic, true, seq(isTrue, text(tagUTF8, "0"))))),
	row("pathlen/without-cert-sign", R, "RFC 5280 §6.1.4(n)", "The intermediate has a pathLen and no keyCertSign.", subWith(pathLen(0), usage(cRLSign))),
}

// limited is a ladder with a pathLen at some rungs, counted from 0 below the root.
func limited(n int, limits map[int]int64) func(*bench) {
	return func(b *bench) {
		by := b.root
		var up []node
		for i := range n {
			var changes []change
			if l, ok := limits[i]; ok {
				changes = with(pathLen(l))
			}
			by = b.ca("Intermediate CA "+string(rune('A'+i)), by, changes...)
			up = append(up, by)
		}
		b.sendUp(b.leaf(by), up)
	}
}

// selfIssued is a CA with pathLen 0 that rolls its key over n times.
func selfIssued(n int, another bool) func(*bench) {
	return func(b *bench) {
		ca := b.ca("CA that rolls over", b.root, pathLen(0))
		up := []node{ca}
		for i := range n {
			label := "key " + string(rune('B'+i))
			ca = b.authority(label, ca.subject, p256(b, label), &up[i], with(pathLen(0)))
			up = append(up, ca)
		}
		if another {
			ca = b.ca("Another CA below it", ca)
			up = append(up, ca)
		}
		b.sendUp(b.leaf(ca), up)
	}
}
