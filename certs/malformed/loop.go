package malformed

import (
	"crypto"
	"slices"
	"time"

	"faultbed/certs"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// A path is valid if one exists (RFC 5280 §6.1 says when one is, RFC 4158 how to look
// for it). The RFC does not oblige a verifier to find it among many, but one that does
// not rejects a valid certificate.
const (
	pathDoubt   = "RFC 5280 obliges nobody to look for a second path when the first fails; RFC 4158 §2 only recommends it"
	searchClaus = "RFC 4158 §2.4"
)

var loop = slices.Concat([]recipe{
	row("loop/cross-signed", R, pathClause,
		"Two authorities certify each other and nobody else certifies them: the path never ends at an anchor.", func(b *bench) {
			left, right := b.anchor("Left CA"), b.anchor("Right CA") // for their keys and names; not sent
			b.send(b.leaf(left), b.again("left by right", left, right), b.again("right by left", right, left))
		}).core().control().tag("depth2"),
	row("loop/of-3", R, pathClause, "Three authorities certify each other in a circle.", circle(3, false)).tag("depth3"),
	row("loop/of-6", R, pathClause, "Six authorities certify each other in a circle.", circle(6, false)).tag("depth6"),
	row("loop/of-3-with-exit", A, searchClaus, "Three authorities certify each other in a circle, and the root has certified one.", circle(3, true)).doubt(pathDoubt).tag("depth3"),
	row("loop/both-ways-with-exit", A, searchClaus, "Two authorities certify each other, and the root has certified the second one.", func(b *bench) {
		left, right := b.anchor("Left CA"), b.anchor("Right CA")
		b.send(b.leaf(left), b.again("left by right", left, right), b.again("right by left", right, left), b.again("right by root", right, b.root))
	}).doubt(pathDoubt).tag("depth2"),
	row("loop/complete-of-4", R, pathClause, "Four authorities have each certified all others: 12 certificates and 64 ways to go round.", func(b *bench) {
		b.mesh(4, false)
	}).tag("depth4"),
	row("loop/complete-of-4-with-exit", A, searchClaus, "The same, and the root has certified the last one.", func(b *bench) { b.mesh(4, true) }).doubt(pathDoubt).tag("depth4"),
	row("loop/self-issued", R, pathClause, "An intermediate that has signed itself and that nobody else has signed, twice.", func(b *bench) {
		ca := b.anchor("Self-issued CA")
		b.send(b.leaf(ca), ca, b.selfAgain("again", ca))
	}),
	row("loop/self-signed-twin-first", A, searchClaus, "The intermediate's self-signed twin comes before the one that the root has signed.", func(b *bench) {
		ca := b.anchor("CA with a self-signed twin")
		b.send(b.leaf(ca), ca, b.again("by root", ca, b.root))
	}).doubt(pathDoubt),
	row("loop/self-signed-twin-last", A, searchClaus, "The intermediate's self-signed twin comes after the one that the root has signed.", func(b *bench) {
		ca := b.anchor("CA with a self-signed twin")
		b.send(b.leaf(ca), b.again("by root", ca, b.root), ca)
	}).doubt(pathDoubt),
	row("loop/old-root-expired", A, searchClaus,
		"An intermediate of the trusted root, whose cross-signature by an old root is sent, and the old root has expired (the AddTrust event of 2020).", func(b *bench) {
			root := b.anchor("New Root of 2020")
			old := b.anchor("Old Root of 2000", dates(-20*year, -day))
			b.trust(root)
			sub := b.ca("Intermediate CA of 2020", root)
			b.send(b.leaf(sub), sub, b.again("cross", root, old))
		}).doubt(pathDoubt).tag("depth2"),
	row("loop/cross-expired", A, searchClaus, "The same, and the cross-signature has expired and not only the old root.", func(b *bench) {
		root := b.anchor("New Root of 2021")
		old := b.anchor("Old Root of 2001", dates(-20*year, -day))
		b.trust(root)
		sub := b.ca("Intermediate CA of 2021", root)
		b.send(b.leaf(sub), sub, b.again("cross", root, old, dates(-5*year, -day)), old)
	}).doubt(pathDoubt).tag("depth2"),
	row("loop/cross-is-only-way", A, pathClause, "The anchor is the old root; the new root that issued is reached by its cross-signature.", func(b *bench) {
		root := b.anchor("New Root CA")
		sub := b.ca("Intermediate CA below the new root", root)
		b.send(b.leaf(sub), sub, b.again("cross", root, b.root))
	}).tag("depth2"),
	row("loop/new-root-sent-too", A, searchClaus, "The same, and the new root's self-signed certificate is sent before the cross-signature.", func(b *bench) {
		root := b.anchor("New Root CA")
		sub := b.ca("Intermediate CA below the new root", root)
		b.send(b.leaf(sub), sub, root, b.again("cross", root, b.root))
	}).doubt(pathDoubt).tag("depth2"),
	row("loop/key-roll-over", A, "RFC 5280 §6.1", "The root's new key has signed; the certificate of the new key by the old one (self-issued) links them.", func(b *bench) {
		fresh := node{subject: b.root.subject, key: p256(b, "new key")}
		link := b.authority("new with old", b.root.subject, fresh.key, &b.root, nil)
		fresh.ski = link.ski
		sub := b.ca("Intermediate CA of the new key", fresh)
		b.send(b.leaf(sub), sub, link)
	}).tag("depth2"),
	row("loop/same-name-right-last", A, searchClaus, "Two intermediates have the same name and different keys; the one that signed comes last.", sameName(false)).doubt(pathDoubt),
	row("loop/same-name-right-first", A, searchClaus, "Two intermediates have the same name and different keys; the one that signed comes first.", sameName(true)),
	row("loop/diamond-right-last", A, searchClaus, "Two paths over two upper authorities: the one that comes first ends at a stranger.", diamond(false, true)).doubt(pathDoubt).tag("depth2"),
	row("loop/diamond-right-first", A, searchClaus, "Two paths over two upper authorities: the one that comes last ends at a stranger.", diamond(true, false)).doubt(pathDoubt).tag("depth2"),
	row("loop/diamond-none", R, pathClause, "Two paths over two upper authorities, both of which end at strangers.", diamond(false, false)).tag("depth2"),
	row("loop/twin-good-alone", A, pathClause, "The good one of the twins below, alone.", twins(false, true, nil)).control(),
}, twinRows())

func circle(n int, exit bool) func(*bench) {
	return func(b *bench) {
		var cas, sent []node
		for i := range n {
			cas = append(cas, b.anchor("Circle CA "+string(rune('A'+i))))
		}
		for i, ca := range cas {
			up := cas[(i+1)%n]
			sent = append(sent, b.again("cross "+string(rune('A'+i)), ca, up))
		}
		if exit {
			sent = append(sent, b.again("exit", cas[n-1], b.root))
		}
		b.send(b.leaf(cas[0]), sent...)
	}
}

// mesh sends all certificates of n authorities that have certified each other.
func (b *bench) mesh(n int, exit bool) {
	var cas, sent []node
	for i := range n {
		cas = append(cas, b.anchor("Mesh CA "+string(rune('A'+i))))
	}
	for i, ca := range cas {
		for j, by := range cas {
			if i != j {
				sent = append(sent, b.again("mesh "+string(rune('A'+i))+string(rune('A'+j)), ca, by))
			}
		}
	}
	if exit {
		sent = append(sent, b.again("exit", cas[n-1], b.root))
	}
	b.send(b.leaf(cas[0]), sent...)
}

func sameName(first bool) func(*bench) {
	return func(b *bench) {
		right := b.ca("CA of two keys", b.root)
		wrong := b.authority("other key", right.subject, p256(b, "other key"), &b.root, nil)
		sent := []node{wrong, right}
		if first {
			slices.Reverse(sent)
		}
		b.send(b.leaf(right), sent...)
	}
}

// diamond is a lower authority that two upper ones have certified, each of which the
// root or a stranger has.
func diamond(first, last bool) func(*bench) {
	return func(b *bench) {
		stranger := b.anchor("Stranger Root CA")
		by := func(good bool) node {
			if good {
				return b.root
			}
			return stranger
		}
		left, right := b.ca("Left Upper CA", by(first)), b.ca("Right Upper CA", by(last))
		low := b.ca("Lower CA", left)
		b.send(b.leaf(low), low, left, b.again("low by right", low, right), right)
	}
}

// twin is a reason for which one of two certificates of the same authority is no good.
type twin struct {
	name, what, clause string
	oracle             certs.Oracle // of the bad one alone
	changes            []change
	stranger           bool
}

var twinReasons = []twin{
	{"expired", "has expired", "RFC 5280 §6.1.3(a)(2)", R, with(dates(-3*day, -day)), false},
	{"not-yet-valid", "is not yet valid", "RFC 5280 §6.1.3(a)(2)", R, with(dates(30*day, 60*day)), false},
	{"stranger", "was signed by a stranger", pathClause, R, nil, true},
	{"no-ca", "says that it is no CA", "RFC 5280 §6.1.4(k)", R, with(basic(false, -1)), false},
	{"no-cert-sign", "may not sign certificates", "RFC 5280 §6.1.4(n)", R, with(usage(digitalSignature)), false},
	{"bad-signature", "has a broken signature", "RFC 5280 §6.1.3(a)(1)", R, with(corrupt), false},
	{"name-constraint", "excludes every DNS name", "RFC 5280 §6.1.3(c)", R, with(excluded(dnsName(""))), false},
	{"critical-extension", "has an unknown critical extension", "RFC 5280 §6.1.4(o)", R, with(add(extUnknown, true, null)), false},
	{"client-eku", "is for TLS clients only", "RFC 5280 §4.2.1.12", L, with(otherEKU), false},
	{"sha1", "was signed over SHA-1", "RFC 8446 §4.4.2.4", L, with(hashed(crypto.SHA1)), false},
}

// otherEKU is the purpose of the other leg.
func otherEKU(d *draft) {
	if d.b.client {
		eku(ekuServer)(d)
		return
	}
	eku(ekuClient)(d)
}

func twinRows() (out []recipe) {
	for _, t := range twinReasons {
		what := "Two certificates of one authority; the one that " + t.what
		out = append(out,
			row("loop/twin-"+t.name+"-first", A, searchClaus, what+" comes first.", twins(true, true, &t)).doubt(pathDoubt),
			row("loop/twin-"+t.name+"-last", A, searchClaus, what+" comes last.", twins(true, true, &t, true)).doubt(pathDoubt),
			row("loop/twin-"+t.name+"-alone", t.oracle, t.clause, "The intermediate "+t.what+", and there is no other.", twins(true, false, &t)))
	}
	return out
}

func twins(sendBad, sendGood bool, t *twin, goodFirst ...bool) func(*bench) {
	return func(b *bench) {
		good := b.ca("CA of the twins", b.root)
		var sent []node
		if sendBad {
			by := b.root
			if t.stranger {
				by = b.anchor("Stranger Root CA")
			}
			sent = append(sent, b.again("bad twin", good, by, t.changes...))
		}
		if sendGood {
			sent = append(sent, good)
		}
		if len(goodFirst) > 0 {
			slices.Reverse(sent)
		}
		b.send(b.leaf(good), sent...)
	}
}
