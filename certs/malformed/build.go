package malformed

import (
	"crypto"
	"crypto/sha256"
	"math/big"
	"slices"
	"time"
)

// Extensions by object identifier.
const (
	extSubjectKeyID = "2.5.29.14"
	extKeyUsage     = "2.5.29.15"
	extSAN          = "2.5.29.17"
	extBasic        = "2.5.29.19"
	extNames        = "2.5.29.30"
	extCRLDP        = "2.5.29.31"
	extPolicies     = "2.5.29.32"
	extMappings     = "2.5.29.33"
	extAuthorityID  = "2.5.29.35"
	extConstraints  = "2.5.29.36"
	extEKU          = "2.5.29.37"
	extInhibitAny   = "2.5.29.54"
	extAIA          = "1.3.6.1.5.5.7.1.1"
	extTLSFeature   = "1.3.6.1.5.5.7.1.24"
	extSCT          = "1.3.6.1.4.1.11129.2.4.2"
	extPoison       = "1.3.6.1.4.1.11129.2.4.3"
	extUnknown      = "1.3.6.1.4.1.32473.1" // RFC 5612: an enterprise number for examples
)

// How a certificate came to be, from what any tool can do to what none will.
const (
	madeByTemplate = iota
	madeByExtension
	madeBySurgery
)

var madeWords = []string{"template", "extension", "DER surgery"}

type extension struct {
	id       string
	critical bool
	value    []byte
	raw      []byte // the whole SEQUENCE, instead of the above
}

func (e extension) der() []byte {
	switch {
	case e.raw != nil:
		return e.raw
	case e.critical:
		return seq(oid(e.id), isTrue, octets(e.value))
	}
	return seq(oid(e.id), octets(e.value))
}

// node is a certificate that may sign others.
type node struct {
	subject []byte
	serial  *big.Int
	ski     []byte
	key     key
	der     []byte
}

// draft is a certificate before it is signed: the children of its TBSCertificate in
// order, each of which a change may replace.
type draft struct {
	version, serial, alg, issuer, validity, subject, spki, ids []byte
	exts                                                       []extension
	extsDER                                                    []byte // instead of exts
	tail                                                       []byte // after the extensions

	outer []byte              // algorithm outside; alg if nil
	sig   func([]byte) []byte // done to the signature
	tbs   func([]byte) []byte // done to the TBSCertificate before it is signed
	seal  func([]byte) []byte // done to the certificate

	b     *bench
	label string
	by    node
	key   key
	names []string // DNS names in it
	ski   []byte
	num   *big.Int
	made  int
	self  bool // signs itself
}

// change is one thing done to a draft.
type change func(*draft)

func (d *draft) did(made int) { d.made = max(d.made, made) }

func (d *draft) find(id string) int {
	return slices.IndexFunc(d.exts, func(e extension) bool { return e.id == id })
}

// put sets an extension's value, at its place if it is there already.
func (d *draft) put(id string, critical bool, value []byte) {
	e := extension{id: id, critical: critical, value: value}
	if i := d.find(id); i >= 0 {
		d.exts[i] = e
		return
	}
	d.exts = append(d.exts, e)
}

// encode signs the draft.
func (d *draft) encode() []byte {
	exts := d.extsDER
	if exts == nil && len(d.exts) > 0 {
		var parts [][]byte
		for _, e := range d.exts {
			parts = append(parts, e.der())
		}
		exts = explicit(3, seq(parts...))
	}
	tbs := seq(d.version, d.serial, d.alg, d.issuer, d.validity, d.subject, d.spki, d.ids, exts, d.tail)
	if d.tbs != nil {
		tbs = d.tbs(tbs)
	}
	sig := d.by.key.sign(tbs)
	if d.sig != nil {
		sig = d.sig(sig)
	}
	outer := d.outer
	if outer == nil {
		outer = d.alg
	}
	der := seq(tbs, outer, bitString(sig))
	if d.seal != nil {
		der = d.seal(der)
	}
	return der
}

func (d *draft) setKey(k key) {
	sum := sha256.Sum256(k.spki)
	d.key, d.spki, d.ski = k, k.spki, sum[:20]
	if d.self {
		d.signWith(k)
	}
}

func (d *draft) signWith(k key) { d.by.key, d.alg = k, k.alg }

// Changes that a template of crypto/x509 can express.

// dates sets the validity, as distances from the epoch.
func dates(from, to time.Duration) change {
	return func(d *draft) {
		epoch := d.b.mint.Epoch
		d.validity = seq(clock(epoch.Add(from)), clock(epoch.Add(to)))
	}
}

// keyed gives the certificate a key of another kind.
func keyed(k kind) change { return func(d *draft) { d.setKey(k(d.b, d.label)); d.defaultSKI() } }

func (d *draft) defaultSKI() {
	if d.find(extSubjectKeyID) >= 0 {
		d.put(extSubjectKeyID, false, octets(d.ski))
	}
}

// hashed has the issuer sign over another hash.
func hashed(h crypto.Hash) change { return func(d *draft) { d.signWith(d.by.key.hashed(h)) } }

// withPSS has the issuer, whose key must be RSA, sign with PSS.
func withPSS(p pss) change { return func(d *draft) { d.signWith(d.by.key.withPSS(p)) } }

// usage sets keyUsage; bit 0 is digitalSignature (RFC 5280 §4.2.1.3).
func usage(bits ...int) change {
	return func(d *draft) { d.put(extKeyUsage, true, namedBits(bits...)) }
}

// namedBits drops trailing zero bits, as DER wants (X.690 §11.2.2).
func namedBits(bits ...int) []byte {
	if len(bits) == 0 {
		return tlv(0x03, []byte{0})
	}
	last := slices.Max(bits)
	b := make([]byte, last/8+1)
	for _, n := range bits {
		b[n/8] |= 0x80 >> (n % 8)
	}
	return tlv(0x03, []byte{byte(7 - last%8)}, b)
}

const (
	digitalSignature = 0
	nonRepudiation   = 1
	keyEncipherment  = 2
	keyAgreement     = 4
	keyCertSign      = 5
	cRLSign          = 6
	decipherOnly     = 8
)

const (
	ekuServer   = "1.3.6.1.5.5.7.3.1"
	ekuClient   = "1.3.6.1.5.5.7.3.2"
	ekuCode     = "1.3.6.1.5.5.7.3.3"
	ekuEmail    = "1.3.6.1.5.5.7.3.4"
	ekuOCSP     = "1.3.6.1.5.5.7.3.9"
	ekuAny      = "2.5.29.37.0"
	ekuNetscape = "2.16.840.1.113730.4.1"
	ekuUnknown  = "1.3.6.1.4.1.32473.2"
)

func eku(purposes ...string) change {
	return func(d *draft) { d.put(extEKU, false, oids(purposes...)) }
}

func oids(dotted ...string) []byte {
	var parts [][]byte
	for _, p := range dotted {
		parts = append(parts, oid(p))
	}
	return seq(parts...)
}

// basic sets basicConstraints; pathLen below zero is none.
func basic(ca bool, pathLen int64) change {
	return func(d *draft) { d.put(extBasic, true, basicValue(ca, pathLen)) }
}

func basicValue(ca bool, pathLen int64) []byte {
	var parts [][]byte
	if ca {
		parts = append(parts, isTrue)
	}
	if pathLen >= 0 {
		parts = append(parts, number(pathLen))
	}
	return seq(parts...)
}

// pathLen limits the intermediates that may follow.
func pathLen(n int64) change { return basic(true, n) }

// Names of the certificate. In each, @ stands for the name that the verifier asks for.

func dnsName(s string) []byte   { return implicit(2, []byte(s)) }
func emailName(s string) []byte { return implicit(1, []byte(s)) }
func uriName(s string) []byte   { return implicit(6, []byte(s)) }
func ipName(b ...byte) []byte   { return implicit(7, b) }
func dirName(dn []byte) []byte  { return explicit(4, dn) }

// sans replaces the subject alternative names.
func sans(names ...[]byte) change {
	return func(d *draft) {
		d.names = nil
		for _, n := range names {
			if n[0] == 0x82 {
				e, _, _ := next(n)
				d.names = append(d.names, string(e.content))
			}
		}
		d.put(extSAN, false, seq(names...))
	}
}

// subject replaces the subject's name.
func subject(dn []byte) change { return func(d *draft) { d.subject = dn } }

// Changes that need an extension of one's own making.

// add appends an extension, whether or not there is one of its kind.
func add(id string, critical bool, value []byte) change {
	return func(d *draft) {
		d.did(madeByExtension)
		d.exts = append(d.exts, extension{id: id, critical: critical, value: value})
	}
}

// replace sets an extension's value.
func replace(id string, critical bool, value []byte) change {
	return func(d *draft) {
		d.did(madeByExtension)
		d.put(id, critical, value)
	}
}

// critical changes nothing but the flag of an extension that is there.
func critical(id string, is bool) change {
	return func(d *draft) {
		d.did(madeByExtension)
		if i := d.find(id); i >= 0 {
			d.exts[i].critical = is
		}
	}
}

// without removes an extension.
func without(id string) change {
	return func(d *draft) {
		d.did(madeByExtension)
		d.exts = slices.DeleteFunc(d.exts, func(e extension) bool { return e.id == id })
	}
}

// Changes that no template can express.

func surgery(f func(*draft)) change {
	return func(d *draft) {
		d.did(madeBySurgery)
		f(d)
	}
}

// rawExt replaces an extension by a whole SEQUENCE of one's own.
func rawExt(id string, whole []byte) change {
	return surgery(func(d *draft) {
		if i := d.find(id); i >= 0 {
			d.exts[i].raw = whole
			return
		}
		d.exts = append(d.exts, extension{id: id, raw: whole})
	})
}

// sealed is done to the finished certificate: its signature covers only what it covered.
func sealed(f func([]byte) []byte) change { return surgery(func(d *draft) { d.seal = f }) }

// resigned is done to the TBSCertificate, and what comes out is signed.
func resigned(f func([]byte) []byte) change { return surgery(func(d *draft) { d.tbs = f }) }

// signature is done to the signature.
func signature(f func([]byte) []byte) change { return surgery(func(d *draft) { d.sig = f }) }

// corrupt flips a bit in the last octet of the signature.
var corrupt = signature(func(sig []byte) []byte {
	sig[len(sig)-1] ^= 1
	return sig
})
