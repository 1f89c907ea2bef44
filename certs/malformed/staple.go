package malformed

import (
	"crypto"
	"time"
)

const (
	stapleClause = "RFC 6066 §8"
	ocspClause   = "RFC 6960 §3.2"
	mustClause   = "RFC 7633 §4.2.2"
	stapleDoubt  = "binds a client that asked for a staple (RFC 6066 §8: it MUST check the response and abort if it is not satisfactory); one that did not ask never sees it"
)

// ocsp is a response (RFC 6960 §4.2.1) in the making.
type ocsp struct {
	status     byte   // of the response: 0 is successful
	answer     []byte // of the certificate
	this, next time.Duration
	serial     []byte
	issuer     node // that the certificate is said to be of
	signer     node
	certs      []node
	corrupt    bool
}

var (
	ocspGood    = implicit(0, nil)
	ocspUnknown = implicit(2, nil)
)

// stapled is the issuer's chain with a staple, and what is done to it.
func stapled(f func(b *bench, o *ocsp), leaf ...change) func(*bench) {
	return func(b *bench) {
		l := b.leaf(b.intermediate, leaf...)
		o := &ocsp{answer: ocspGood, this: -day, next: 7 * day, serial: integer(l.serial), issuer: b.intermediate, signer: b.intermediate}
		f(b, o)
		b.out.Staple = o.der(b)
		b.send(l, b.intermediate)
	}
}

func (o *ocsp) der(b *bench) []byte {
	status := tlv(0x0a, []byte{o.status})
	if o.status != 0 {
		return seq(status)
	}
	sha1 := func(p []byte) []byte { return octets(digest(crypto.SHA1, p)) }
	spki, _ := children(o.issuer.key.spki)
	id := seq(seq(oid(hashOIDs[crypto.SHA1]), null), sha1(o.issuer.subject), sha1(spki[1].content[1:]), o.serial)
	at := func(d time.Duration) []byte { return generalized(b.mint.Epoch.Add(d)) }
	single := seq(id, o.answer, at(o.this), explicit(0, at(o.next)))
	tbs := seq(explicit(1, o.signer.subject), at(o.this), seq(single))
	sig := o.signer.key.sign(tbs)
	if o.corrupt {
		sig[len(sig)-1] ^= 1
	}
	var chain []byte
	for _, n := range o.certs {
		chain = append(chain, n.der...)
	}
	basic := seq(tbs, o.signer.key.alg, bitString(sig))
	if chain != nil {
		basic = seq(tbs, o.signer.key.alg, bitString(sig), explicit(0, seq(chain)))
	}
	return seq(status, explicit(0, seq(oid("1.3.6.1.5.5.7.48.1.1"), octets(basic))))
}

// mustStaple asks for a staple in every handshake (RFC 7633).
var mustStaple = add(extTLSFeature, false, seq(number(5)))

func keep(*bench, *ocsp) {}

// responder is a leaf for signing OCSP responses.
func responder(b *bench, by node, changes ...change) node {
	all := append(with(eku(ekuOCSP), without(extSAN), subject(cn(printable("OCSP responder")))), changes...)
	n := b.leafCalled("responder", by, all...)
	b.out.Names = []string{b.name}
	return n
}

var staples = stapleRows([]recipe{
	row("staple/good", A, stapleClause, "A current staple, signed by the intermediate, says that the leaf is good.", stapled(keep)).control(),
	row("staple/absent", A, stapleClause, "There is no staple, and the leaf does not ask for one.", leafWith()),
	row("staple/must-staple-good", A, mustClause, "The leaf must be stapled, and is.", stapled(keep, mustStaple)),
	row("staple/must-staple-absent", R, mustClause, "The leaf must be stapled, and is not.", leafWith(mustStaple)).doubt(stapleDoubt),
	row("staple/must-staple-critical-absent", R, mustClause, "The same, and the extension is critical.", leafWith(mustStaple, critical(extTLSFeature, true))),
	row("staple/must-staple-on-intermediate", L, mustClause, "The intermediate asks for staples in what it issues; there is none.", subWith(mustStaple)),
	row("staple/must-staple-try-later", R, mustClause, "The leaf must be stapled, and the staple says: try later.", stapled(func(_ *bench, o *ocsp) { o.status = 3 }, mustStaple)).doubt(stapleDoubt),
	row("staple/must-staple-v2", L, mustClause, "The leaf asks for the feature status_request_v2, which nobody offers.", leafWith(add(extTLSFeature, false, seq(number(17))))),
	row("staple/revoked", R, stapleClause, "The staple says that the leaf was revoked.", stapled(func(b *bench, o *ocsp) {
		o.answer = tlv(0xa1, generalized(b.mint.Epoch.Add(-day)))
	})).doubt(stapleDoubt),
	row("staple/unknown", R, ocspClause, "The staple says that the responder does not know the leaf.", stapled(func(_ *bench, o *ocsp) { o.answer = ocspUnknown })).doubt(stapleDoubt),
	row("staple/expired", R, ocspClause, "The staple should have been renewed a day ago.", stapled(func(_ *bench, o *ocsp) { o.this, o.next = -8*day, -day })).doubt(stapleDoubt),
	row("staple/not-yet", R, ocspClause, "The staple will be current tomorrow.", stapled(func(_ *bench, o *ocsp) { o.this, o.next = day, 8*day })).doubt(stapleDoubt),
	row("staple/other-serial", R, ocspClause, "The staple is about another certificate of the same issuer.", stapled(func(_ *bench, o *ocsp) { o.serial = number(4711) })).doubt(stapleDoubt),
	row("staple/other-issuer", R, ocspClause, "The staple is about a certificate of another issuer.", stapled(func(b *bench, o *ocsp) { o.issuer = b.root })).doubt(stapleDoubt),
	row("staple/signed-by-stranger", R, ocspClause, "A stranger has signed the staple in the intermediate's name.", stapled(func(b *bench, o *ocsp) { o.signer.key = p256(b, "stranger") })).doubt(stapleDoubt),
	row("staple/corrupted", R, ocspClause, "One bit of the staple's signature is flipped.", stapled(func(_ *bench, o *ocsp) { o.corrupt = true })).doubt(stapleDoubt),
	row("staple/delegated", A, "RFC 6960 §4.2.2.2", "A responder that the intermediate has certified for it signed the staple.", stapled(func(b *bench, o *ocsp) {
		o.signer = responder(b, b.intermediate)
		o.certs = []node{o.signer}
	})),
	row("staple/delegated-without-purpose", R, "RFC 6960 §4.2.2.2", "The responder's certificate is for TLS servers, not for signing responses.", stapled(func(b *bench, o *ocsp) {
		o.signer = responder(b, b.intermediate, eku(ekuServer))
		o.certs = []node{o.signer}
	})).doubt(stapleDoubt),
	row("staple/delegated-by-other", R, "RFC 6960 §4.2.2.2", "Another authority of the same root has certified the responder.", stapled(func(b *bench, o *ocsp) {
		o.signer = responder(b, b.ca("Another CA", b.root))
		o.certs = []node{o.signer}
	})).doubt(stapleDoubt),
	row("staple/try-later", L, ocspClause, "The staple says: try later. It is no answer, and need not be an error.", stapled(func(_ *bench, o *ocsp) { o.status = 3 })),
	row("staple/garbage", R, stapleClause, "The staple is 200 random bytes.", func(b *bench) {
		b.out.Staple = b.mint.Bytes("garbage", 200)
		b.send(b.leaf(b.intermediate), b.intermediate)
	}).doubt(stapleDoubt),
	row("staple/good-for-stranger", R, pathClause, "A good staple does not help a chain that ends at a stranger.", func(b *bench) {
		sub := b.ca("Stranger Intermediate CA", b.anchor("Stranger Root CA"))
		l := b.leaf(sub)
		o := &ocsp{answer: ocspGood, this: -day, next: 7 * day, serial: integer(l.serial), issuer: sub, signer: sub}
		b.out.Staple = o.der(b)
		b.send(l, sub)
	}).control(),
})

func stapleRows(rows []recipe) []recipe {
	for i := range rows {
		rows[i] = rows[i].tag("staple")
	}
	return server(rows)
}
