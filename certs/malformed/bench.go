package malformed

import (
	"crypto/x509"
	"time"

	"faultbed/certs"
)

// bench is where one case is built. The first error sticks and is reported by the
// corpus, so that recipes read as what they build.
type bench struct {
	root, intermediate certs.CA
	name               string // what the verifier will ask for

	issuer certs.Issuer
	mint   certs.Mint
	err    error

	pair  certs.Pair
	roots [][]byte
	names []string
}

func newBench(issuer certs.Issuer, mint certs.Mint, name string) *bench {
	root := issuer.Root()
	return &bench{root: root, intermediate: issuer.Intermediate(), name: name, issuer: issuer, mint: mint,
		roots: [][]byte{root.Cert.Raw}, names: []string{name}}
}

// ca makes an authority signed by another.
func (b *bench) ca(name string, by certs.CA, edits ...certs.Edit) certs.CA {
	return b.made(name, &by, edits)
}

// anchor makes a self-signed authority; it is trusted only if [bench.trust] says so.
func (b *bench) anchor(name string, edits ...certs.Edit) certs.CA { return b.made(name, nil, edits) }

func (b *bench) made(name string, by *certs.CA, edits []certs.Edit) certs.CA {
	if b.err != nil {
		return certs.CA{}
	}
	var ca certs.CA
	ca, b.err = b.mint.CA(name, by, edits...)
	return ca
}

// cross makes another certificate for the name and key of ca, signed by by.
func (b *bench) cross(ca, by certs.CA, edits ...certs.Edit) certs.CA {
	if b.err != nil {
		return certs.CA{}
	}
	var out certs.CA
	mint := b.mint.Sub("by " + by.Cert.Subject.CommonName) // for a serial number of its own
	out, b.err = mint.Certify(ca.Cert.Subject.CommonName, ca.Key, &by, edits...)
	return out
}

// leaf makes a server certificate for the case's names.
func (b *bench) leaf(by certs.CA, edits ...certs.Edit) certs.CA {
	if b.err != nil {
		return certs.CA{}
	}
	var leaf certs.CA
	leaf, b.err = b.mint.Leaf(b.names, by, edits...)
	return leaf
}

// raw is a "certificate" of any bytes with a key of its own.
func (b *bench) raw(der []byte) certs.CA {
	if b.err != nil {
		return certs.CA{}
	}
	var out certs.CA
	out.Cert = &x509.Certificate{Raw: der}
	out.Key, b.err = b.mint.Key("raw")
	return out
}

// send fixes what goes over the wire, leaf first.
func (b *bench) send(leaf certs.CA, rest ...certs.CA) {
	if b.err == nil {
		b.pair, b.err = certs.NewPair(leaf, rest...)
	}
}

// issue has the issuer itself make the chain.
func (b *bench) issue(req certs.Request) {
	req.Names = b.names
	b.pair, b.err = b.issuer.Issue(req)
}

// trust replaces the verifier's anchors.
func (b *bench) trust(roots ...certs.CA) {
	b.roots = nil
	for _, r := range roots {
		if b.err == nil {
			b.roots = append(b.roots, r.Cert.Raw)
		}
	}
}

// past moves a certificate's validity to the two days that ended a day before the epoch.
func (b *bench) past(c *x509.Certificate) {
	const day = 24 * time.Hour
	c.NotBefore, c.NotAfter = b.mint.Epoch.Add(-3*day), b.mint.Epoch.Add(-day)
}

// pathLen limits the intermediates that may follow.
func pathLen(n int) certs.Edit {
	return func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = n, n == 0 }
}
