package malformed

import (
	"fmt"
	"strings"
)

const (
	nameClause = "RFC 9525 §6.3"
	cnClause   = "RFC 9525 §2"
	hostClause = "RFC 9525 §6.1"
	ipClause   = "RFC 9525 §6.4"
	sanClause  = "RFC 5280 §4.2.1.6"
	cnDoubt    = "RFC 2818 §3.1 allowed the common name where there is no DNS name; RFC 9525 (2023) does not"
)

func upper(s string) string { return strings.ToUpper(s) }

// named is the issuer's chain with a leaf for names that are made of the one that the
// verifier asks for and the domain above it.
func named(f func(name, up string) []string) func(*bench) {
	return func(b *bench) {
		var names [][]byte
		for _, n := range f(b.name, b.parent()) {
			names = append(names, dnsName(n))
		}
		leafWith(sans(names...))(b)
	}
}

func one(f func(name, up string) string) func(*bench) {
	return named(func(n, up string) []string { return []string{f(n, up)} })
}

// asking is a leaf for names, and a verifier that asks for host.
func asking(host string, changes ...change) func(*bench) {
	return func(b *bench) {
		b.ask(host)
		leafWith(changes...)(b)
	}
}

var identity = server([]recipe{
	row("identity/name-mismatch", R, hostClause, "A valid chain for another host name.",
		leafWith(sans(dnsName("elsewhere.invalid")), subject(seq(rdn(typeCN, printable("elsewhere.invalid")))))).core().control(),
	row("identity/second-of-two", A, hostClause, "The name is the second of two.", named(func(n, _ string) []string { return []string{"other.invalid", n} })).control(),
	row("identity/last-of-100", A, hostClause, "The name is the last of 100.", named(func(n, _ string) []string { return append(manyNames(99), n) })),
	row("identity/upper-case", A, nameClause, "The name is written in capitals.", one(func(n, _ string) string { return upper(n) })),
	row("identity/wildcard", A, nameClause, "A wildcard stands for the first label.", one(func(_, up string) string { return "*." + up })),
	row("identity/wildcard-two-labels", R, nameClause, "A wildcard would have to stand for two labels.", one(func(_, up string) string { return "*" + up[strings.Index(up, "."):] })),
	row("identity/wildcard-parent", R, nameClause, "A wildcard below the name, which does not cover the name itself.", one(func(n, _ string) string { return "*." + n })),
	row("identity/wildcard-alone", R, nameClause, "The leaf's name is a bare wildcard.", one(func(_, _ string) string { return "*" })),
	row("identity/wildcard-partial", R, nameClause, "A wildcard stands for the end of the first label.", one(func(n, up string) string { return n[:1] + "*." + up })),
	row("identity/wildcard-partial-front", R, nameClause, "A wildcard stands for the beginning of the first label.",
		one(func(n, up string) string { return "*" + n[len(n)-len(up)-2:] })),
	row("identity/wildcard-inside", R, nameClause, "A wildcard stands for the second label.", one(func(n, up string) string {
		return strings.TrimSuffix(n, up) + "*" + up[strings.Index(up, "."):]
	})),
	row("identity/wildcard-double", R, nameClause, "Wildcards stand for the first two labels.", one(func(_, up string) string { return "*.*" + up[strings.Index(up, "."):] })),
	row("identity/wildcard-other", R, nameClause, "A wildcard in another domain.", one(func(_, _ string) string { return "*.other.invalid" })),
	row("identity/wildcard-among-others", A, nameClause, "A wildcard that covers the name comes after one that does not.", named(func(_, up string) []string { return []string{"*.other.invalid", "*." + up} })),
	row("identity/trailing-dot", L, nameClause, "A dot ends the name.", one(func(n, _ string) string { return n + "." })),
	row("identity/leading-dot", R, nameClause, "A dot begins the name of the domain above.", one(func(_, up string) string { return "." + up })),
	row("identity/empty-label", R, nameClause, "Two dots stand where the name has one.", one(func(n, _ string) string { return strings.Replace(n, ".", "..", 1) })),
	row("identity/prefix", R, hostClause, "The name is the beginning of a longer one.", one(func(n, _ string) string { return n + ".invalid" })),
	row("identity/suffix", R, hostClause, "The name is the end of a longer first label.", one(func(n, _ string) string { return "x" + n })),
	row("identity/parent", R, hostClause, "The leaf is for the domain above.", one(func(_, up string) string { return up })),
	row("identity/child", R, hostClause, "The leaf is for a name below.", one(func(n, _ string) string { return "www." + n })),
	row("identity/nul-after", R, sanClause, "A NUL follows the name, then another domain (CVE-2009-2408).", one(func(n, _ string) string { return n + "\x00.other.invalid" })),
	row("identity/nul-at-end", R, sanClause, "A NUL ends the name.", one(func(n, _ string) string { return n + "\x00" })),
	row("identity/space-after", R, sanClause, "A space ends the name.", one(func(n, _ string) string { return n + " " })),
	row("identity/empty-name", R, sanClause, "The leaf's only name is empty.", one(func(_, _ string) string { return "" })),
	row("identity/cn-only", R, cnClause, "The name is in the common name only; there are no alternative names.", leafWith(without(extSAN), unnamed)).doubt(cnDoubt),
	row("identity/cn-matches-san-does-not", R, cnClause, "The common name is the server's, the alternative name is not.", leafWith(sans(dnsName("other.invalid")))),
	row("identity/cn-differs-san-matches", A, cnClause, "The common name is another's, the alternative name is the server's.", leafWith(subject(seq(rdn(typeCN, printable("other.invalid")))))),
	row("identity/cn-matches-san-is-email", R, cnClause, "The common name is the server's, the only alternative name is a mailbox.", leafWith(sans(emailName("a@mail.invalid")))).doubt(cnDoubt),
	row("identity/cn-matches-san-is-address", R, cnClause, "The common name is the server's, the only alternative name is an address.", leafWith(sans(ipName(192, 0, 2, 7)))).doubt(cnDoubt),
	row("identity/uri-only", R, hostClause, "The name is in a URI only.", leafAs(func(b *bench) []change {
		return with(subject(seq(rdn(typeCN, printable("leaf")))), sans(uriName("https://"+b.name+"/")))
	})),
	row("identity/address-only", R, hostClause, "The leaf is for the address 127.0.0.1; a name is asked for.", leafWith(subject(seq(rdn(typeCN, printable("leaf")))), sans(ipName(127, 0, 0, 1)))),
	row("identity/address", A, ipClause, "The leaf is for 127.0.0.1, which is asked for.", asking("127.0.0.1", sans(ipName(127, 0, 0, 1)))).tag("ask"),
	row("identity/address-v6", A, ipClause, "The leaf is for ::1, which is asked for.", asking("::1", sans(ipName(append(make([]byte, 15), 1)...)))).tag("ask"),
	row("identity/address-as-name", R, ipClause, "127.0.0.1 is asked for, and the leaf has it as a DNS name.", asking("127.0.0.1", sans(dnsName("127.0.0.1")))).tag("ask"),
	row("identity/address-as-cn", R, ipClause, "127.0.0.1 is asked for, and the leaf has it as its common name.",
		asking("127.0.0.1", without(extSAN), subject(seq(rdn(typeCN, printable("127.0.0.1")))), unnamed)).tag("ask").doubt(cnDoubt),
	row("identity/address-wildcard", R, nameClause, "127.0.0.1 is asked for, and the leaf has *.0.0.1 as a DNS name.", asking("127.0.0.1", sans(dnsName("*.0.0.1")))).tag("ask"),
	row("identity/address-mapped", L, ipClause, "127.0.0.1 is asked for, and the leaf has it in the 16 octets of ::ffff:127.0.0.1.",
		asking("127.0.0.1", sans(ipName(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1)))).tag("ask"),
	row("identity/address-five-octets", R, sanClause, "The leaf has the name and an address of five octets, where four or 16 must be.", leafAs(func(b *bench) []change {
		return with(sans(dnsName(b.name), ipName(127, 0, 0, 1, 0)))
	})).doubt("the malformed name is not the one that matches"),
	row("identity/empty-subject", A, "RFC 5280 §4.1.2.6", "The leaf's subject is empty and its alternative names are critical, as they must be then.", leafWith(subject(seq()), critical(extSAN, true))),
	row("identity/empty-subject-not-critical", L, "RFC 5280 §4.1.2.6", "The leaf's subject is empty and its alternative names are not critical.", leafWith(subject(seq()))),
	row("identity/empty-sequence", R, sanClause, "The leaf's alternative names are an empty SEQUENCE, and the type is SIZE (1..MAX).", leafWith(sans())),
	row("identity/underscore", L, nameClause, "Besides the name there is one with an underscore, which host names do not have.", leafAs(func(b *bench) []change {
		return with(sans(dnsName(b.name), dnsName("_x."+b.parent())))
	})),
})

// unnamed says that no name is in the certificate that counts.
func unnamed(d *draft) { d.names = []string{} }

func manyNames(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("n%05d.other.invalid", i))
	}
	return out
}

// server leaves rows out of the client's leg.
func server(rows []recipe) []recipe {
	for i := range rows {
		rows[i].server = true
	}
	return rows
}
