// Package certs holds the words that the certificate side of the bed shares: a
// chain [Case] with what a verifier owes it ([Oracle]), what a verifier did with
// it ([Verdict], [Result]), and who signs ([Issuer]).
//
// Beside the words it has the two things that everyone needs: [Mint], which makes
// certificates whose bytes follow from a seed and an epoch alone, and [Switch], a
// TLS listener whose chain can be changed at run time and which hears the alerts
// that its peers send.
//
// The chains themselves come from certs/malformed, the authority behind them is
// certs/authority, the verifiers are in certs/clients. This package and malformed
// import the standard library only. Start with [Case].
package certs

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"time"
)

// Oracle is what the cited clause asks of a verifier. It has three values: much
// of what verifiers disagree on (the dates of a trust anchor, RFC 5280 §6.1.1(d);
// limits on size) is theirs to decide.
type Oracle string

const (
	MustReject  Oracle = "must-reject"
	MustAccept  Oracle = "must-accept"
	LocalPolicy Oracle = "local-policy" // either, but neither hang nor crash
)

// Pair is a chain and the key of its leaf.
type Pair struct {
	Chain [][]byte `json:"chain"` // DER as sent, leaf first; entries need not parse
	Key   []byte   `json:"key"`   // PKCS#8 DER
}

// ChainPEM is the chain as one PEM file, leaf first.
func (p Pair) ChainPEM() []byte { return encode("CERTIFICATE", p.Chain...) }

// KeyPEM is the leaf's key as a PEM file.
func (p Pair) KeyPEM() []byte { return encode("PRIVATE KEY", p.Key) }

// TLS is the pair as crypto/tls sends it. Only the key is parsed, so a chain of
// random bytes goes out as it is.
func (p Pair) TLS() (tls.Certificate, error) {
	key, err := x509.ParsePKCS8PrivateKey(p.Key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certs: leaf key: %w", err)
	}
	return tls.Certificate{Certificate: p.Chain, PrivateKey: key}, nil
}

// Case is one chain to be verified, with what is right.
type Case struct {
	Name     string   `json:"name"`     // family/case
	Sentence string   `json:"sentence"` // what is special about it, for people
	Clause   string   `json:"clause"`   // document and section that the oracle rests on
	Oracle   Oracle   `json:"oracle"`
	Tags     []string `json:"tags,omitempty"`  // what else a verifier may trip over: depth2, rsa, size
	Made     string   `json:"made,omitempty"`  // what makes it: template, extension or DER surgery
	Doubt    string   `json:"doubt,omitempty"` // why the oracle may be wrong, if it may
	Pair
	Roots     [][]byte   `json:"roots"`               // DER of the trust anchors that the verifier should have
	Names     []string   `json:"names"`               // host names in the leaf
	Host      string     `json:"host,omitempty"`      // name that the verifier should ask for, if not the corpus's
	Staple    []byte     `json:"staple,omitempty"`    // OCSP response in the handshake (RFC 6066 §8)
	SCTs      [][]byte   `json:"scts,omitempty"`      // timestamps in the handshake (RFC 6962 §3.3.1)
	Endpoints []Endpoint `json:"endpoints,omitempty"` // what the addresses in the certificates answer
}

// TLS is the case as crypto/tls sends it.
func (c Case) TLS() (tls.Certificate, error) {
	t, err := c.Pair.TLS()
	t.OCSPStaple, t.SignedCertificateTimestamps = c.Staple, c.SCTs
	return t, err
}

// RootsPEM is the case's trust anchors as one PEM file.
func (c Case) RootsPEM() []byte { return encode("CERTIFICATE", c.Roots...) }

// Digest is the SHA-256, in hex, of name, chain, key, anchors and what else is served.
func (c Case) Digest() string {
	h := sha256.New()
	parts := [][][]byte{{[]byte(c.Name), []byte(c.Host)}, c.Chain, {c.Key}, c.Roots, {c.Staple}, c.SCTs}
	for _, e := range c.Endpoints {
		parts = append(parts, [][]byte{fmt.Appendf(nil, "%q %d %q %d %v", e.Path, e.Status, e.Location, e.Pad, e.Hang), e.Body})
	}
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		for _, b := range part {
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
			h.Write(b)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// UnionRootsPEM is every trust anchor of the cases, each once. A verifier that
// reads its anchors only at start can be given it for the whole corpus.
func UnionRootsPEM(cases []Case) []byte {
	var all [][]byte
	seen := map[string]bool{}
	for _, c := range cases {
		for _, r := range c.Roots {
			if !seen[string(r)] {
				seen[string(r)] = true
				all = append(all, r)
			}
		}
	}
	return encode("CERTIFICATE", all...)
}

func encode(kind string, ders ...[]byte) []byte {
	var out []byte
	for _, der := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	return out
}

// Verdict is what became of one attempt to verify a chain.
type Verdict string

const (
	Accept             Verdict = "accept"              // handshake completed and a reply came
	Reject             Verdict = "reject"              // the verifier broke off after it had seen the chain
	NegotiationFailure Verdict = "negotiation-failure" // the handshake failed before or apart from the chain
	AcceptThenClose    Verdict = "accept-then-close"   // handshake completed, no reply
	Crash              Verdict = "crash"               // the verifier died
	Hang               Verdict = "hang"                // no decision within the deadline
	ConfigRefused      Verdict = "config-refused"      // the subject refused to load the chain
	Unreachable        Verdict = "unreachable"         // no connection, or no verifier: says nothing about the chain
)

// Result is one verifier's judgement of one case.
type Result struct {
	Case       string  `json:"case,omitempty"`
	Client     string  `json:"client"`
	Verdict    Verdict `json:"verdict"`
	Alert      string  `json:"alert,omitempty"`      // RFC 8446 §6 name of the fatal alert, where the verifier tells
	Status     int     `json:"status,omitempty"`     // HTTP status of the reply
	Handshakes int     `json:"handshakes,omitempty"` // attempts that this judgement took
	Ns         int64   `json:"ns,omitempty"`         // duration, if the caller timed it
	Detail     string  `json:"detail,omitempty"`     // the verifier's own words
}

// CA is a certificate and the key that signs in its name. Cert needs no more than
// what x509.CreateCertificate reads of a parent, and Raw.
type CA struct {
	Cert *x509.Certificate
	Key  crypto.Signer
}

// Request asks an [Issuer] for a leaf.
type Request struct {
	Names     []string
	IPs       []net.IP
	NotBefore time.Time // a day before the issuer's epoch if zero
	NotAfter  time.Time // 397 days after it if zero
	Client    bool      // for clientAuth instead of serverAuth
	RSA       bool      // RSA-2048 key instead of P-256
	Depth     int       // intermediates: 1 (also if zero) or 2
}

// Issuer is a working authority: root → intermediate → leaves. The root allows at
// least two intermediates below it.
type Issuer interface {
	Root() CA
	Intermediate() CA
	// Issue returns a valid chain without the root.
	Issue(Request) (Pair, error)
}
