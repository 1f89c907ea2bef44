package malformed

import "fmt"

// hugeExtras makes a message of about 40 KiB: above what Java (30 KiB), mbedTLS and
// wolfSSL (17 KiB) took when measured, below what OpenSSL and Go take.
const hugeExtras = 80

const limitClause = "RFC 8446 §4.4.2"

// Extraneous certificates SHOULD be tolerated (RFC 8446 §4.4.2), but no clause says
// how many, nor how large a certificate may be: a limit is a defence. These cases find
// it. The control is 2 KiB, as ordinary chains are.
var sizes = sizeRows()

func sizeRows() []recipe {
	out := []recipe{
		row("size/huge-chain", L, limitClause, fmt.Sprintf("A valid chain, followed by %d certificates that have nothing to do with it.", hugeExtras),
			extras(hugeExtras)).core(),
		row("size/2-kib", A, limitClause, "A valid chain of 2 KiB.", padded(2<<10)).control(),
		row("size/64-kib-incomplete", R, pathClause, "A leaf of 64 KiB without its intermediate.", func(b *bench) {
			b.send(b.leaf(b.ca("Missing Intermediate CA", b.root), padding(64<<10)))
		}).control(),
		row("size/sans-100", A, sanClause, "The leaf has 100 names; the last one is right.", manySANs(100)).
			doubt("no clause bounds the number of names").serverOnly(),
		row("size/sans-1000", L, sanClause, "The leaf has 1,000 names; the last one is right.", manySANs(1000)).serverOnly(),
		row("size/sans-10000", L, sanClause, "The leaf has 10,000 names; the last one is right.", manySANs(10000)).serverOnly(),
		row("size/intermediate-64-kib", L, limitClause, "The intermediate has an unknown extension of 64 KiB.", subWith(padding(64<<10))),
	}
	for _, kib := range []int{8, 15, 16, 17, 30, 60, 95, 100, 125, 200, 256, 512, 1024} {
		out = append(out, row(fmt.Sprintf("size/%d-kib", kib), L, limitClause,
			fmt.Sprintf("A valid chain of %d KiB: the leaf has an unknown extension that fills it.", kib), padded(kib<<10)))
	}
	for i := range out {
		out[i] = out[i].tag("size")
	}
	return out
}

// padded is the issuer's chain with a leaf that makes it size bytes, or just above.
func padded(size int) func(*bench) {
	return func(b *bench) {
		plain := len(b.leaf(b.intermediate).der) + len(b.intermediate.der)
		b.send(b.leaf(b.intermediate, padding(max(0, size-plain-20))), b.intermediate)
	}
}

// padding is an unknown extension of n octets that is not critical.
func padding(n int) change { return add(extUnknown, false, octets(make([]byte, n))) }

func manySANs(n int) func(*bench) {
	return named(func(name, _ string) []string { return append(manyNames(n-1), name) })
}
