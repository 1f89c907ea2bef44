package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
)

// Default validity around the epoch. Leaves stay under the 398 days above which
// some verifiers refuse.
const (
	Before    = 24 * time.Hour
	LeafAfter = 397 * 24 * time.Hour
	CAAfter   = 10 * 365 * 24 * time.Hour
)

// Mint makes keys and certificates that follow from a seed, an epoch and labels
// alone: same inputs, same bytes. Since Go 1.26 crypto/ecdsa and crypto/rsa ignore
// the caller's randomness when they make keys, so keys are derived here: P-256
// scalars directly, RSA from a search for primes. ECDSA signatures are those of
// RFC 6979. The keys are worth nothing as secrets.
type Mint struct {
	prk   []byte
	Epoch time.Time // whole seconds, UTC
}

// NewMint returns a mint. Verifiers judge by their own clock, so the epoch should
// be today's.
func NewMint(seed uint64, epoch time.Time, label string) (Mint, error) {
	if epoch.IsZero() {
		return Mint{}, errors.New("certs: mint without an epoch")
	}
	prk, err := hkdf.Extract(sha256.New, binary.BigEndian.AppendUint64(nil, seed), []byte("faultbed certs "+label))
	return Mint{prk, epoch.UTC().Truncate(time.Second)}, err
}

// Sub is a mint of its own: what is made by one does not change the other.
func (m Mint) Sub(label string) Mint {
	return Mint{m.Bytes("sub "+label, sha256.Size), m.Epoch}
}

// Bytes derives n pseudorandom bytes, at most 8160 (RFC 5869 §2.3).
func (m Mint) Bytes(label string, n int) []byte {
	b, err := hkdf.Expand(sha256.New, m.prk, label, n)
	if err != nil {
		panic("certs: " + err.Error()) // only for a length that no caller asks for
	}
	return b
}

// Serial is a positive serial number of 16 octets.
func (m Mint) Serial(label string) *big.Int {
	b := m.Bytes("serial "+label, 16)
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b)
}

// signer signs after RFC 6979, whatever source of randomness it is handed.
type signer struct{ *ecdsa.PrivateKey }

func (s signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.PrivateKey.Sign(nil, digest, opts)
}

// Key derives a P-256 key whose signatures are deterministic.
func (m Mint) Key(label string) (crypto.Signer, error) { return m.CurveKey(elliptic.P256(), label) }

// CurveKey is Key for any of the curves of crypto/elliptic.
func (m Mint) CurveKey(curve elliptic.Curve, label string) (crypto.Signer, error) {
	limit := new(big.Int).Sub(curve.Params().N, big.NewInt(1))
	size := (curve.Params().BitSize + 7) / 8
	seed := m.Bytes(fmt.Sprintf("p%d %s", curve.Params().BitSize, label), size+16) // 16 octets more than needed: no bias to speak of
	d := new(big.Int).SetBytes(seed)
	d.Mod(d, limit).Add(d, big.NewInt(1))
	key, err := ecdsa.ParseRawPrivateKey(curve, d.FillBytes(make([]byte, size)))
	if err != nil {
		return nil, fmt.Errorf("certs: key %s: %w", label, err)
	}
	return signer{key}, nil
}

// RSAKey derives an RSA-2048 key, in some tenths of a second.
func (m Mint) RSAKey(label string) (crypto.Signer, error) {
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{E: 65537}, Primes: []*big.Int{m.prime(label + " p"), m.prime(label + " q")}}
	one, phi := big.NewInt(1), big.NewInt(1)
	key.N = new(big.Int).Mul(key.Primes[0], key.Primes[1])
	for _, p := range key.Primes {
		phi.Mul(phi, new(big.Int).Sub(p, one))
	}
	if key.D = new(big.Int).ModInverse(big.NewInt(65537), phi); key.D == nil {
		return nil, fmt.Errorf("certs: RSA key %s: no inverse of the exponent", label)
	}
	key.Precompute()
	if err := key.Validate(); err != nil {
		return nil, fmt.Errorf("certs: RSA key %s: %w", label, err)
	}
	return key, nil
}

// prime is the first prime of 1024 bits above a derived number whose two top bits
// are set, so that two of them make a modulus of 2048.
func (m Mint) prime(label string) *big.Int {
	b := m.Bytes("prime "+label, 128)
	b[0] |= 0xc0
	b[127] |= 1
	p, two := new(big.Int).SetBytes(b), big.NewInt(2)
	for !p.ProbablyPrime(20) {
		p.Add(p, two)
	}
	return p
}

// Edit changes a certificate before it is signed.
type Edit func(*x509.Certificate)

// CA makes a certificate authority called name, signed by another or, if by is
// nil, by itself. The label of its key is its name.
func (m Mint) CA(name string, by *CA, edits ...Edit) (CA, error) {
	key, err := m.Key(name)
	if err != nil {
		return CA{}, err
	}
	return m.Certify(name, key, by, edits...)
}

// Certify is CA for a key that exists already: twins and cross-signs.
func (m Mint) Certify(name string, key crypto.Signer, by *CA, edits ...Edit) (CA, error) {
	t := &x509.Certificate{
		SerialNumber:          m.Serial(name),
		Subject:               pkix.Name{Organization: []string{"faultbed"}, CommonName: name},
		NotBefore:             m.Epoch.Add(-Before),
		NotAfter:              m.Epoch.Add(CAAfter),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            -1,
	}
	return sign(t, key, by, edits)
}

// Leaf makes a server certificate with a P-256 key for names; the first one is also
// the subject's common name.
func (m Mint) Leaf(names []string, by CA, edits ...Edit) (CA, error) {
	key, err := m.Key("leaf")
	if err != nil {
		return CA{}, err
	}
	t := &x509.Certificate{
		SerialNumber:          m.Serial("leaf"),
		DNSNames:              names,
		NotBefore:             m.Epoch.Add(-Before),
		NotAfter:              m.Epoch.Add(LeafAfter),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if len(names) > 0 {
		t.Subject.CommonName = names[0]
	}
	return sign(t, key, &by, edits)
}

// sign leaves the result unparsed: much of what the corpus emits does not parse.
func sign(t *x509.Certificate, key crypto.Signer, by *CA, edits []Edit) (CA, error) {
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return CA{}, fmt.Errorf("certs: %s: %w", t.Subject.CommonName, err)
	}
	id := sha256.Sum256(pub)
	t.SubjectKeyId, t.PublicKey = id[:20], key.Public()
	for _, edit := range edits {
		edit(t)
	}
	if by == nil {
		by = &CA{t, key}
	}
	t.Raw, err = x509.CreateCertificate(nil, t, by.Cert, key.Public(), by.Key)
	if err != nil {
		return CA{}, fmt.Errorf("certs: sign %s: %w", t.Subject.CommonName, err)
	}
	return CA{t, key}, nil
}

// NewPair is a leaf, what is sent after it, and the leaf's key.
func NewPair(leaf CA, rest ...CA) (Pair, error) {
	key, err := PKCS8(leaf.Key)
	p := Pair{Chain: [][]byte{leaf.Cert.Raw}, Key: key}
	for _, ca := range rest {
		p.Chain = append(p.Chain, ca.Cert.Raw)
	}
	return p, err
}

// PKCS8 is a mint's key in DER.
func PKCS8(key crypto.Signer) ([]byte, error) {
	if s, ok := key.(signer); ok {
		key = s.PrivateKey
	}
	return x509.MarshalPKCS8PrivateKey(key)
}
