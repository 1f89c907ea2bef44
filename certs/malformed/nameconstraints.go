package malformed

import "fmt"

const (
	ncClause  = "RFC 5280 §4.2.1.10"
	permitted = "RFC 5280 §6.1.3(b)"
	forbidden = "RFC 5280 §6.1.3(c)"
)

var nameConstraints = []recipe{
	row("nameconstraints/dns-permitted", A, permitted, "The intermediate may issue for the domain above the server's name.", ncUp(func(up string) change { return permits(dnsName(up)) })).control(),
	row("nameconstraints/dns-permitted-exact", A, permitted, "The intermediate may issue for the server's name.", ncName(func(n string) change { return permits(dnsName(n)) })),
	row("nameconstraints/dns-permitted-other", R, permitted, "The intermediate may issue for another domain only.", subWith(permits(dnsName("other.invalid")))).control(),
	row("nameconstraints/dns-permitted-below", R, permitted, "The intermediate may issue for a name below the server's only.", ncName(func(n string) change { return permits(dnsName("below." + n)) })),
	row("nameconstraints/dns-permitted-part-of-label", R, permitted, "The intermediate may issue for a domain that the server's name ends with, but in the middle of a label.",
		ncName(func(n string) change { return permits(dnsName(n[1:])) })),
	row("nameconstraints/dns-permitted-case", A, permitted, "The permitted domain is written in capitals.", ncUp(func(up string) change { return permits(dnsName(upper(up))) })),
	row("nameconstraints/dns-permitted-leading-dot", L, ncClause, "The permitted domain begins with a dot, which the clause defines for URIs and not for DNS names.",
		ncUp(func(up string) change { return permits(dnsName("." + up)) })),
	row("nameconstraints/dns-permitted-all", A, permitted, "The permitted domain is the empty name: any DNS name lies below it.", subWith(permits(dnsName("")))).
		doubt("the clause says that labels are added to the left of a name, and does not mention the empty one"),
	row("nameconstraints/dns-excluded", R, forbidden, "The intermediate must not issue for the domain above the server's name.", ncUp(func(up string) change { return excluded(dnsName(up)) })),
	row("nameconstraints/dns-excluded-exact", R, forbidden, "The intermediate must not issue for the server's name.", ncName(func(n string) change { return excluded(dnsName(n)) })),
	row("nameconstraints/dns-excluded-other", A, forbidden, "The intermediate must not issue for another domain.", subWith(excluded(dnsName("other.invalid")))),
	row("nameconstraints/dns-excluded-all", R, forbidden, "The excluded domain is the empty name: every DNS name lies below it.", subWith(excluded(dnsName("")))),
	row("nameconstraints/dns-excluded-within-permitted", R, forbidden, "The domain above is permitted, the server's name excluded.", func(b *bench) {
		subWith(constraints([][]byte{dnsName(b.parent())}, [][]byte{dnsName(b.name)}))(b)
	}),
	row("nameconstraints/not-critical", R, forbidden, "The constraint that is violated is in an extension that is not critical, against the profile.",
		ncName(func(n string) change { return excluded(dnsName(n)) }, critical(extNames, false))),
	row("nameconstraints/second-name-outside", R, permitted, "The leaf's first name is permitted, its second one is not.", func(b *bench) {
		subLeaf(with(permits(dnsName(b.parent()))), with(sans(dnsName(b.name), dnsName("other.invalid"))))(b)
	}),
	row("nameconstraints/upper-of-2", R, permitted, "The upper of two intermediates may issue for another domain only.", twoSubs(with(permits(dnsName("other.invalid"))), nil)).tag("depth2"),
	row("nameconstraints/narrowed", A, permitted, "The upper intermediate permits the domain, the lower one the server's name.", func(b *bench) {
		twoSubs(with(permits(dnsName(b.parent()))), with(permits(dnsName(b.name))))(b)
	}).tag("depth2"),
	row("nameconstraints/widened", R, permitted, "The upper intermediate permits another domain, the lower one the server's: nothing is in both.", func(b *bench) {
		twoSubs(with(permits(dnsName("other.invalid"))), with(permits(dnsName(b.name))))(b)
	}).tag("depth2"),
	row("nameconstraints/self-issued-exempt", A, "RFC 5280 §6.1.3(b)", "Below an intermediate that must not use its own name, it has certified its own new key: self-issued certificates are exempt.", func(b *bench) {
		name := caName("CA that rolls over")
		ca := b.authority("old key", name, p256(b, "old key"), &b.root, with(permits(dirName(seq(rdn(typeO, printable("elsewhere")))))))
		fresh := b.authority("new key", name, p256(b, "new key"), &ca, nil)
		b.send(b.leaf(fresh, subject(seq(rdn(typeO, printable("elsewhere"))))), fresh, ca)
	}).doubt("known verifiers apply the constraint to self-issued certificates, too").tag("depth2"),
	row("nameconstraints/ip-permitted", A, permitted, "192.0.2.0/24 is permitted, and the leaf names 192.0.2.7 too.", ncIP(permits(ipName(192, 0, 2, 0, 255, 255, 255, 0)))),
	row("nameconstraints/ip-permitted-other", R, permitted, "198.51.100.0/24 is permitted, and the leaf names 192.0.2.7 too.", ncIP(permits(ipName(198, 51, 100, 0, 255, 255, 255, 0)))),
	row("nameconstraints/ip-excluded", R, forbidden, "192.0.2.0/24 is excluded, and the leaf names 192.0.2.7 too.", ncIP(excluded(ipName(192, 0, 2, 0, 255, 255, 255, 0)))),
	row("nameconstraints/ip-other-family", R, permitted, "IPv6 addresses of 2001:db8::/32 are permitted only, and the leaf names 192.0.2.7 too.",
		ncIP(permits(ipName(v6Range...)))).doubt("the clause has one form iPAddress for both families; some verifiers treat them as two"),
	row("nameconstraints/ip-not-named", A, permitted, "An address range is permitted, and the leaf names no address.", subWith(permits(ipName(192, 0, 2, 0, 255, 255, 255, 0)))),
	row("nameconstraints/ip-odd-mask", L, ncClause, "The permitted range's mask has a hole in it.", subWith(permits(ipName(192, 0, 2, 0, 255, 0, 255, 0)))),
	row("nameconstraints/ip-wrong-length", R, ncClause, "The permitted range has five octets, where eight or 32 must be.", ncIP(permits(ipName(192, 0, 2, 0, 255)))),
	row("nameconstraints/dn-permitted", A, permitted, "Names of the organisation faultbed are permitted, and the leaf's subject is one.", ncDN(permits(dirName(seq(rdn(typeO, printable("faultbed"))))))),
	row("nameconstraints/dn-permitted-other", R, permitted, "Names of another organisation are permitted, and the leaf's subject is not one.", ncDN(permits(dirName(seq(rdn(typeO, printable("other"))))))),
	row("nameconstraints/dn-excluded", R, forbidden, "Names of the organisation faultbed are excluded, and the leaf's subject is one.", ncDN(excluded(dirName(seq(rdn(typeO, printable("faultbed"))))))),
	row("nameconstraints/dn-empty-subject", A, permitted, "Names of another organisation are permitted, and the leaf's subject is empty.",
		subLeaf(with(permits(dirName(seq(rdn(typeO, printable("other")))))), with(subject(seq()), critical(extSAN, true)))),
	row("nameconstraints/uri-excluded", R, forbidden, "URIs at a host are excluded, and the leaf has one besides its name.", func(b *bench) {
		subLeaf(with(excluded(uriName("host.invalid"))), with(sans(dnsName(b.name), uriName("https://host.invalid/x"))))(b)
	}),
	row("nameconstraints/email-excluded", R, forbidden, "A mailbox is excluded, and the leaf has it besides its name.", func(b *bench) {
		subLeaf(with(excluded(emailName("a@mail.invalid"))), with(sans(dnsName(b.name), emailName("a@mail.invalid"))))(b)
	}),
	row("nameconstraints/wildcard-permitted", A, permitted, "The leaf's name is a wildcard in the permitted domain.", func(b *bench) {
		subLeaf(with(permits(dnsName(b.parent()))), with(sans(dnsName("*."+b.parent()))))(b)
	}).serverOnly(),
	row("nameconstraints/wildcard-excluded-name", L, forbidden, "The leaf's wildcard covers the server's name, which is excluded; no clause says how the two meet.", func(b *bench) {
		subLeaf(with(excluded(dnsName(b.name))), with(sans(dnsName("*."+b.parent()))))(b)
	}).serverOnly(),
	row("nameconstraints/unused-form", A, ncClause, "A form of name that verifiers seldom know (registeredID) is constrained, and no certificate has one.", subWith(permits(implicit(8, []byte{0x2a, 3})))),
	row("nameconstraints/used-unknown-form", L, ncClause, "The same, and the leaf has one that is permitted: process it or reject.", func(b *bench) {
		subLeaf(with(permits(implicit(8, []byte{0x2a, 3}))), with(sans(dnsName(b.name), implicit(8, []byte{0x2a, 3}))))(b)
	}),
	row("nameconstraints/minimum-one", L, ncClause, "The permitted subtree has minimum 1, where the profile has 0 only.",
		ncUp(func(up string) change { return ncRaw(seq(implicitTree(0, seq(dnsName(up), implicit(0, []byte{1}))))) })),
	row("nameconstraints/empty", L, ncClause, "The nameConstraints are an empty SEQUENCE, which the profile forbids to issue.", subWith(ncRaw(seq()))),
	row("nameconstraints/garbage", R, ncClause, "The nameConstraints are an INTEGER.", subWith(ncRaw(number(1)))),
	row("nameconstraints/huge", L, ncClause, "1,000 domains are permitted, and the last one is right.", ncMany(1000)),
	row("nameconstraints/on-leaf", L, ncClause, "The leaf has name constraints, which only a CA must have.", leafWith(permits(dnsName("other.invalid")))),
	row("nameconstraints/on-root", L, anchorClause, "The trusted root may issue for another domain only.", rootWith(permits(dnsName("other.invalid")))),
	row("nameconstraints/common-name-outside", L, ncClause, "The leaf's SAN is permitted, the host name in its common name is not.", func(b *bench) {
		subLeaf(with(permits(dnsName(b.parent()))), with(subject(seq(rdn(typeCN, printable("other.invalid"))))))(b)
	}),
}

var v6Range = []byte{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

func permits(names ...[]byte) change  { return constraints(names, nil) }
func excluded(names ...[]byte) change { return constraints(nil, names) }

func constraints(permitted, excluded [][]byte) change {
	var trees [][]byte
	for n, names := range [][][]byte{permitted, excluded} {
		var bases [][]byte
		for _, name := range names {
			bases = append(bases, seq(name))
		}
		if len(bases) > 0 {
			trees = append(trees, implicitTree(byte(n), bases...))
		}
	}
	return func(d *draft) { d.put(extNames, true, seq(trees...)) }
}

func implicitTree(n byte, bases ...[]byte) []byte { return tlv(0xa0|n, bases...) }

func ncRaw(value []byte) change { return replace(extNames, true, value) }

// ncUp constrains the intermediate by the domain above the server's name.
func ncUp(f func(up string) change) func(*bench) {
	return func(b *bench) { subWith(f(b.parent()))(b) }
}

// ncName constrains it by the name itself.
func ncName(f func(name string) change, more ...change) func(*bench) {
	return func(b *bench) { subWith(append(with(f(b.name)), more...)...)(b) }
}

func ncIP(c change) func(*bench) {
	return func(b *bench) { subLeaf(with(c), with(sans(dnsName(b.name), ipName(192, 0, 2, 7))))(b) }
}

func ncDN(c change) func(*bench) {
	return func(b *bench) {
		subLeaf(with(c), with(subject(seq(rdn(typeO, printable("faultbed")), rdn(typeCN, printable("leaf"))))))(b)
	}
}

func ncMany(n int) func(*bench) {
	return func(b *bench) {
		var names [][]byte
		for i := range n - 1 {
			names = append(names, dnsName(fmt.Sprintf("d%d.invalid", i)))
		}
		subWith(permits(append(names, dnsName(b.name))...))(b)
	}
}
