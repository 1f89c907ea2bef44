package malformed

import (
	"bytes"
	"encoding/pem"
	"time"

	"faultbed/certs"
)

const (
	aiaClause = "RFC 5280 §4.2.2.1"
	crlClause = "RFC 5280 §6.3"
)

// A verifier may fetch what a certificate points to, and need not. Where no fetch can
// complete the path, it must reject all the same; where the path is complete, it must
// accept whatever the address answers.
var aia = endpoints([]recipe{
	row("aia/good", L, aiaClause, "The intermediate is missing, and the leaf says where it is: there.", fetched(func(b *bench, ca node) []certs.Endpoint { return b.at("/ca.cer", certs.Endpoint{Body: ca.der}) })),
	row("aia/redirect", L, aiaClause, "The same after a redirect.", fetched(func(b *bench, ca node) []certs.Endpoint {
		return append(b.at("/ca.cer", certs.Endpoint{Status: 302, Location: "moved.cer"}), b.at("/moved.cer", certs.Endpoint{Body: ca.der})...)
	})),
	row("aia/pem", L, aiaClause, "The intermediate is there as PEM, where DER should be.", fetched(func(b *bench, ca node) []certs.Endpoint {
		return b.at("/ca.cer", certs.Endpoint{Body: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.der})})
	})),
	row("aia/not-found", R, pathClause, "The intermediate is missing, and the address answers 404.", missing(certs.Endpoint{Status: 404})).control(),
	row("aia/server-error", R, pathClause, "The address answers 500.", missing(certs.Endpoint{Status: 500})),
	row("aia/hang", R, pathClause, "The address never answers.", missing(certs.Endpoint{Hang: true})),
	row("aia/redirect-loop", R, pathClause, "The address redirects to itself.", missing(certs.Endpoint{Status: 302, Location: "ca.cer"})),
	row("aia/huge", R, pathClause, "The address answers with 64 MiB of zeros.", missing(certs.Endpoint{Pad: 64 << 20})),
	row("aia/empty", R, pathClause, "The address answers with nothing.", missing(certs.Endpoint{})),
	row("aia/garbage", R, pathClause, "The address answers with text.", missing(certs.Endpoint{Body: []byte("<html>not here</html>")})),
	row("aia/wrong-certificate", R, pathClause, "The address answers with an unrelated CA.", fetched(func(b *bench, _ node) []certs.Endpoint {
		return b.at("/ca.cer", certs.Endpoint{Body: b.anchor("Unrelated CA").der})
	})),
	row("aia/no-host", R, pathClause, "The address is that of a host that does not exist.", pointing("http://nowhere.invalid/ca.cer")),
	row("aia/file", R, pathClause, "The address is a file: URL, which nobody should open for a peer.", pointing("file:///etc/passwd")),
	row("aia/ldap", R, pathClause, "The address is an ldap: URL.", pointing("ldap://nowhere.invalid/cn=ca?cACertificate")),
	row("aia/complete-and-hang", A, pathClause, "The chain is complete, and the address that nobody needs never answers.", complete(certs.Endpoint{Hang: true})).control(),
	row("aia/complete-and-not-found", A, pathClause, "The chain is complete, and the address answers 404.", complete(certs.Endpoint{Status: 404})),
	row("aia/complete-and-garbage", A, pathClause, "The chain is complete, and the address answers with text.", complete(certs.Endpoint{Body: []byte("<html>")})),
	row("aia/crl-good", A, crlClause, "The leaf says where its CRL is: there, current, and without the leaf.", crl(func(b *bench, _ node) certs.Endpoint { return certs.Endpoint{Body: b.crlOf(day)} })),
	row("aia/crl-revoked", L, crlClause, "The leaf is on its CRL, if anyone looks.", crl(func(b *bench, leaf node) certs.Endpoint { return certs.Endpoint{Body: b.crlOf(day, leaf)} })),
	row("aia/crl-stale", L, crlClause, "The leaf's CRL should have been renewed a day ago.", crl(func(b *bench, _ node) certs.Endpoint { return certs.Endpoint{Body: b.crlOf(-day)} })),
	row("aia/crl-not-found", L, crlClause, "The address of the leaf's CRL answers 404.", crl(func(*bench, node) certs.Endpoint { return certs.Endpoint{Status: 404} })),
	row("aia/crl-hang", L, crlClause, "The address of the leaf's CRL never answers.", crl(func(*bench, node) certs.Endpoint { return certs.Endpoint{Hang: true} })),
})

func endpoints(rows []recipe) []recipe {
	for i := range rows {
		rows[i] = rows[i].tag("endpoint")
	}
	return rows
}

// at places an answer below the case's part of the address.
func (b *bench) at(path string, e certs.Endpoint) []certs.Endpoint {
	e.Path = "/" + b.out.Name + path
	return []certs.Endpoint{e}
}

func caIssuers(url string) change {
	return add(extAIA, false, seq(seq(oid("1.3.6.1.5.5.7.48.2"), uriName(url))))
}

// pointing is a leaf without its intermediate that points to an address.
func pointing(url string) func(*bench) {
	return func(b *bench) { b.send(b.leaf(b.ca("Missing Intermediate CA", b.root), caIssuers(url))) }
}

// fetched is the same with an address of the corpus's, and what it answers.
func fetched(f func(b *bench, ca node) []certs.Endpoint) func(*bench) {
	return func(b *bench) {
		ca := b.ca("Missing Intermediate CA", b.root)
		b.out.Endpoints = f(b, ca)
		b.send(b.leaf(ca, caIssuers(b.aia+"/ca.cer")))
	}
}

func missing(e certs.Endpoint) func(*bench) {
	return fetched(func(b *bench, _ node) []certs.Endpoint { return b.at("/ca.cer", e) })
}

func complete(e certs.Endpoint) func(*bench) {
	return func(b *bench) {
		b.out.Endpoints = b.at("/ca.cer", e)
		b.send(b.leaf(b.intermediate, caIssuers(b.aia+"/ca.cer")), b.intermediate)
	}
}

// crl is a complete chain whose leaf has a CRL distribution point.
func crl(f func(b *bench, leaf node) certs.Endpoint) func(*bench) {
	return func(b *bench) {
		point := seq(explicit(0, explicit(0, uriName(b.aia+"/ca.crl"))))
		leaf := b.leaf(b.intermediate, add(extCRLDP, false, seq(point)))
		b.out.Endpoints = b.at("/ca.crl", f(b, leaf))
		b.send(leaf, b.intermediate)
	}
}

// crlOf is a CRL of the issuer's intermediate (RFC 5280 §5.1) that ends after next.
func (b *bench) crlOf(next time.Duration, revoked ...node) []byte {
	then := b.mint.Epoch.Add(-2 * day)
	var list []byte
	for _, n := range revoked {
		list = seq(seq(integer(n.serial), clock(then)))
	}
	by := b.intermediate
	exts := explicit(0, seq(extension{id: extAuthorityID, value: seq(implicit(0, by.ski))}.der(), extension{id: "2.5.29.20", value: number(1)}.der()))
	tbs := seq(number(1), by.key.alg, by.subject, clock(then), clock(b.mint.Epoch.Add(next)), list, exts)
	return bytes.Clone(seq(tbs, by.key.alg, bitString(by.key.sign(tbs))))
}
