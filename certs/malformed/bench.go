package malformed

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"faultbed/certs"
)

// bench is where one case is built. The first error sticks and is reported with the
// case, so that recipes read as what they build.
type bench struct {
	root, intermediate node
	name               string // what the verifier will ask for
	aia                string // base of the addresses in AIA and CRL distribution points

	issuer certs.Issuer
	mint   certs.Mint
	client bool // the chain is a client's
	err    error
	made   int

	out certs.Case
}

func (b *bench) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// take makes a node of the issuer's authority.
func (b *bench) take(ca certs.CA) node {
	parsed, err := x509.ParseCertificate(ca.Cert.Raw)
	if err != nil {
		b.fail(fmt.Errorf("issuer's certificate: %w", err))
		return node{}
	}
	return node{parsed.RawSubject, parsed.SerialNumber, parsed.SubjectKeyId, b.signerKey(ca.Key), parsed.Raw}
}

// ca makes an authority with a key of its own, signed by another.
func (b *bench) ca(cn string, by node, changes ...change) node {
	return b.authority(cn, caName(cn), p256(b, cn), &by, changes)
}

// anchor makes a self-signed authority; it is trusted only if [bench.trust] says so.
func (b *bench) anchor(cn string, changes ...change) node {
	return b.authority(cn, caName(cn), p256(b, cn), nil, changes)
}

// again makes another certificate for the name and key of an authority: a twin, or a
// cross-signature. The label tells it from the others.
func (b *bench) again(label string, of, by node, changes ...change) node {
	d := b.draft(label, of.subject, of.key, &by)
	d.ski = of.ski
	return b.finish(d, caExts(d), changes)
}

// selfAgain is again for a self-signed one.
func (b *bench) selfAgain(label string, of node, changes ...change) node {
	return b.again(label, of, of, changes...)
}

func (b *bench) authority(label string, name []byte, k key, by *node, changes []change) node {
	d := b.draft(label, name, k, by)
	return b.finish(d, caExts(d), changes)
}

// draft is a certificate without extensions. One without an issuer signs itself.
func (b *bench) draft(label string, name []byte, k key, by *node) *draft {
	d := &draft{b: b, label: label, version: explicit(0, number(2)), num: b.mint.Serial(label), subject: name, self: by == nil}
	d.validity = seq(clock(b.mint.Epoch.Add(-certs.Before)), clock(b.mint.Epoch.Add(certs.CAAfter)))
	d.serial = integer(d.num)
	if by != nil {
		d.by, d.issuer, d.alg = *by, by.subject, by.key.alg
	}
	d.setKey(k)
	return d
}

// caExts are the extensions of an authority, in the order of crypto/x509.
func caExts(d *draft) []extension {
	out := []extension{
		{id: extKeyUsage, critical: true, value: namedBits(keyCertSign, cRLSign)},
		{id: extBasic, critical: true, value: basicValue(true, -1)},
		{id: extSubjectKeyID, value: octets(d.ski)},
	}
	return append(out, authorityID(d)...)
}

func authorityID(d *draft) []extension {
	if d.by.ski == nil {
		return nil
	}
	return []extension{{id: extAuthorityID, value: seq(implicit(0, d.by.ski))}}
}

// finish applies the changes and signs. Changes run last, so that they have the last word.
func (b *bench) finish(d *draft, exts []extension, changes []change) node {
	d.exts = exts
	for _, c := range changes {
		c(d)
	}
	if d.issuer == nil {
		d.issuer = d.subject
	}
	b.made = max(b.made, d.made)
	return node{d.subject, d.num, d.ski, d.key, d.encode()}
}

// leaf makes a server certificate (a client's on that leg) for the corpus's name.
func (b *bench) leaf(by node, changes ...change) node { return b.leafCalled("leaf", by, changes...) }

func (b *bench) leafCalled(label string, by node, changes ...change) node {
	d := b.draft(label, leafName(b.name), p256(b, label), &by)
	d.validity = seq(clock(b.mint.Epoch.Add(-certs.Before)), clock(b.mint.Epoch.Add(certs.LeafAfter)))
	d.names = []string{b.name}
	n := b.finish(d, b.leafExts(d), changes)
	b.out.Names = d.names
	return n
}

// leafName has a common name unless it would be too long (RFC 5280 §A.1: 64).
func leafName(name string) []byte {
	if len(name) > 64 {
		return seq(rdn(typeO, printable("faultbed")))
	}
	return seq(rdn(typeCN, printable(name)))
}

func (b *bench) leafExts(d *draft) []extension {
	out := []extension{
		{id: extKeyUsage, critical: true, value: namedBits(digitalSignature)},
		{id: extEKU, value: oids(b.purpose())},
		{id: extBasic, critical: true, value: seq()},
		{id: extSubjectKeyID, value: octets(d.ski)},
	}
	return append(append(out, authorityID(d)...), extension{id: extSAN, value: seq(dnsName(b.name))})
}

func (b *bench) purpose() string {
	if b.client {
		return ekuClient
	}
	return ekuServer
}

// raw is a "certificate" of any bytes with a key of its own. Bytes name nobody.
func (b *bench) raw(der []byte) node {
	b.made, b.out.Names = madeBySurgery, []string{}
	return node{der: der, key: p256(b, "raw")}
}

// send fixes what goes over the wire, leaf first, and the key that proves it.
func (b *bench) send(leaf node, rest ...node) {
	b.out.Key, b.out.Chain = leaf.key.pkcs8, [][]byte{leaf.der}
	for _, n := range rest {
		b.out.Chain = append(b.out.Chain, n.der)
	}
}

// sendUp sends a leaf and a ladder, lowest rung first.
func (b *bench) sendUp(leaf node, rungs []node) {
	up := slices.Clone(rungs)
	slices.Reverse(up)
	b.send(leaf, up...)
}

// ladder makes n intermediates below by, highest first.
func (b *bench) ladder(n int, by node) []node {
	var out []node
	for i := range n {
		by = b.ca(fmt.Sprintf("Intermediate CA %d of %d", i+1, n), by)
		out = append(out, by)
	}
	return out
}

// issue has the issuer itself make the chain.
func (b *bench) issue(req certs.Request) {
	req.Names, req.Client = []string{b.name}, b.client
	pair, err := b.issuer.Issue(req)
	b.fail(err)
	b.out.Pair, b.out.Names = pair, []string{b.name}
}

// trust replaces the verifier's anchors. An anchor of a case has a name and a key that
// no other case has: a verifier may be given those of all cases at once.
func (b *bench) trust(roots ...node) {
	b.out.Roots = nil
	for _, r := range roots {
		b.out.Roots = append(b.out.Roots, r.der)
	}
}

// ask has the verifier ask for another name than the corpus's.
func (b *bench) ask(host string) { b.out.Host = host }

// parent is the name above the one that is asked for: test for faultbed.test.
func (b *bench) parent() string {
	_, up, _ := strings.Cut(b.name, ".")
	return up
}

// Shapes of chains that many rows share.

// leafWith is the issuer's chain with a changed leaf.
func leafWith(changes ...change) func(*bench) {
	return func(b *bench) { b.send(b.leaf(b.intermediate, changes...), b.intermediate) }
}

// leafAs is leafWith for changes that depend on the bench.
func leafAs(f func(*bench) []change) func(*bench) {
	return func(b *bench) { leafWith(f(b)...)(b) }
}

// subWith is a chain with a changed intermediate and a leaf that has nothing wrong.
func subWith(changes ...change) func(*bench) {
	return func(b *bench) {
		sub := b.ca("Intermediate CA of the case", b.root, changes...)
		b.send(b.leaf(sub), sub)
	}
}

// sub and leaf changed.
func subLeaf(sub, leaf []change) func(*bench) {
	return func(b *bench) {
		ca := b.ca("Intermediate CA of the case", b.root, sub...)
		b.send(b.leaf(ca, leaf...), ca)
	}
}

func with(changes ...change) []change { return changes }

// twoSubs is a chain with two changed intermediates.
func twoSubs(high, low []change) func(*bench) {
	return func(b *bench) {
		top := b.ca("Upper CA of the case", b.root, high...)
		sub := b.ca("Lower CA of the case", top, low...)
		b.send(b.leaf(sub), sub, top)
	}
}

// rootWith is a chain below a changed root, which is trusted.
func rootWith(changes ...change) func(*bench) {
	return func(b *bench) {
		root := b.anchor(b.out.Name+" Root CA", changes...)
		b.trust(root)
		sub := b.ca("Intermediate CA below it", root)
		b.send(b.leaf(sub), sub)
	}
}

// check is the last look at a case that was built.
func (b *bench) check() error {
	switch {
	case b.err != nil:
		return b.err
	case len(b.out.Chain) == 0 || len(b.out.Roots) == 0:
		return errors.New("recipe without chain or anchors")
	}
	return nil
}
