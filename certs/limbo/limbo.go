// Package limbo reads and writes the test cases of C2SP's x509-limbo, the largest
// public collection of certificate paths with an expected result.
//
// Its file has what a verifier is given (anchors, a leaf, a bag of intermediates)
// and whether it should succeed. It has no wire: a case can be replayed over a
// handshake if the file holds the leaf's key and asks for nothing that a handshake
// can't express ([Testcase.Lacks] says what). Our own cases go the other way as far
// as the format reaches ([Of]): order, duplicates, staples and the third value of
// our oracle are beyond it.
//
// It ships no case: the file is the user's. Shapes follow limbo-schema.json, version
// 1, read leniently (its own file has null where the schema wants lists).
// Start with [Read] and [Testcase.Case].
package limbo

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"faultbed/certs"
)

// File is a whole collection.
type File struct {
	Version   int        `json:"version"`
	Testcases []Testcase `json:"testcases"`
}

// Testcase is one path and what should become of it. Certificates and the key are
// PEM.
type Testcase struct {
	ID            string     `json:"id"` // "rfc5280::aki::critical-aki"
	ConflictsWith []string   `json:"conflicts_with"`
	Features      []string   `json:"features"`
	Importance    string     `json:"importance,omitempty"`
	Description   string     `json:"description"`
	Kind          string     `json:"validation_kind"` // SERVER: a client verifies a server
	Trusted       []string   `json:"trusted_certs"`
	Intermediates []string   `json:"untrusted_intermediates"`
	Peer          string     `json:"peer_certificate"`
	Key           *string    `json:"peer_certificate_key"`
	Time          *time.Time `json:"validation_time"`
	Algorithms    []string   `json:"signature_algorithms"`
	KeyUsage      []string   `json:"key_usage"`
	ExtKeyUsage   []string   `json:"extended_key_usage"`
	Expected      string     `json:"expected_result"` // SUCCESS or FAILURE
	PeerName      *PeerName  `json:"expected_peer_name"`
	PeerNames     []PeerName `json:"expected_peer_names"`
	MaxDepth      *int       `json:"max_chain_depth"`
	CRLs          []string   `json:"crls,omitempty"`
}

// PeerName is whom the verifier wants to meet.
type PeerName struct {
	Kind  string `json:"kind"` // DNS, IP or RFC822
	Value string `json:"value"`
}

// maxFile bounds what is read; the public file with BetterTLS has about 60 MB.
const maxFile = 512 << 20

// Read parses a collection. Errors name the case.
func Read(r io.Reader) (File, error) {
	var f File
	if err := json.NewDecoder(io.LimitReader(r, maxFile)).Decode(&f); err != nil {
		return File{}, fmt.Errorf("limbo: %w", err)
	}
	if f.Version != 1 {
		return File{}, fmt.Errorf("limbo: version %d, want 1", f.Version)
	}
	seen := map[string]bool{}
	for i, t := range f.Testcases {
		switch {
		case t.ID == "":
			return File{}, fmt.Errorf("limbo: case %d has no id", i+1)
		case seen[t.ID]:
			return File{}, fmt.Errorf("limbo: case %s is there twice", t.ID)
		case t.Expected != "SUCCESS" && t.Expected != "FAILURE":
			return File{}, fmt.Errorf("limbo: case %s: expected_result %q is neither SUCCESS nor FAILURE", t.ID, t.Expected)
		}
		seen[t.ID] = true
	}
	return f, nil
}

// Lacks says why a case can't be judged by a client in a handshake at that time, or
// nothing.
func (t Testcase) Lacks(now time.Time) string {
	switch {
	case t.Kind != "SERVER":
		return "it is for a server that verifies a client"
	case t.Key == nil:
		return "the leaf's key is not in the file"
	case t.PeerName == nil || t.PeerName.Kind != "DNS" && t.PeerName.Kind != "IP":
		return "it asks for no host name and no address"
	case t.MaxDepth != nil:
		return "it limits the depth, which clients do by their own settings"
	case len(t.CRLs) > 0:
		return "it comes with CRLs, which no handshake carries"
	case len(t.Algorithms)+len(t.KeyUsage) > 0, len(t.ExtKeyUsage) > 0 && !serverAuth(t.ExtKeyUsage):
		return "it constrains algorithms or usages by the verifier's settings"
	case t.Time != nil && t.decidedBetween(*t.Time, now):
		return "at its validation_time another certificate is valid than now, and clients go by the clock"
	}
	return ""
}

func serverAuth(usages []string) bool { return len(usages) == 1 && usages[0] == "serverAuth" }

// decidedBetween tells whether the validity of any certificate begins or ends
// between two instants. What does not parse has no validity.
func (t Testcase) decidedBetween(a, b time.Time) bool {
	if b.Before(a) {
		a, b = b, a
	}
	for _, text := range append(append([]string{t.Peer}, t.Intermediates...), t.Trusted...) {
		der, err := decode(text, "CERTIFICATE")
		if err != nil {
			continue
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			continue
		}
		for _, edge := range []time.Time{c.NotBefore, c.NotAfter} {
			if edge.After(a) && edge.Before(b) {
				return true
			}
		}
	}
	return false
}

// Case is the case as it goes over the wire: the leaf, then the intermediates in the
// file's order.
func (t Testcase) Case() (certs.Case, error) {
	c := certs.Case{Name: t.ID, Sentence: firstLine(t.Description), Clause: "x509-limbo " + t.ID, Oracle: certs.MustReject, Tags: t.Features}
	if t.Expected == "SUCCESS" {
		c.Oracle = certs.MustAccept
	}
	if t.PeerName != nil {
		c.Host = t.PeerName.Value
	}
	if t.Key == nil {
		return c, fmt.Errorf("limbo: %s: the leaf's key is not in the file", t.ID)
	}
	var err error
	if c.Key, err = pkcs8(*t.Key); err != nil {
		return c, fmt.Errorf("limbo: %s: key: %w", t.ID, err)
	}
	for i, text := range append([]string{t.Peer}, t.Intermediates...) {
		der, err := decode(text, "CERTIFICATE")
		if err != nil {
			return c, fmt.Errorf("limbo: %s: certificate %d: %w", t.ID, i+1, err)
		}
		c.Chain = append(c.Chain, der)
	}
	for i, text := range t.Trusted {
		der, err := decode(text, "CERTIFICATE")
		if err != nil {
			return c, fmt.Errorf("limbo: %s: anchor %d: %w", t.ID, i+1, err)
		}
		c.Roots = append(c.Roots, der)
	}
	return c, nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

func decode(text, kind string) ([]byte, error) {
	b, _ := pem.Decode([]byte(text))
	if b == nil || b.Type != kind {
		return nil, fmt.Errorf("no PEM block of type %s", kind)
	}
	return b.Bytes, nil
}

// pkcs8 is a key in the three PEM forms that are about, as PKCS#8.
func pkcs8(text string) ([]byte, error) {
	b, _ := pem.Decode([]byte(text))
	if b == nil {
		return nil, errors.New("no PEM block")
	}
	var key any
	var err error
	switch b.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(b.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	default:
		err = fmt.Errorf("PEM type %q", b.Type)
	}
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(key)
}

// Of is one of our cases in the format. name is the host that a verifier asks for
// where the case says no other, at the instant that its dates count from. The error
// says what the format can't express.
func Of(c certs.Case, name string, at time.Time) (Testcase, error) {
	at = at.UTC()
	key := string(c.KeyPEM())
	t := Testcase{ID: id(c.Name), ConflictsWith: []string{}, Features: []string{}, Description: c.Sentence + " (" + c.Clause + ")", Kind: "SERVER",
		Trusted: texts(c.Roots), Key: &key, Time: &at, Algorithms: []string{}, KeyUsage: []string{}, ExtKeyUsage: []string{"serverAuth"},
		PeerName: &PeerName{"DNS", name}, PeerNames: []PeerName{}, Expected: "FAILURE"}
	if c.Host != "" {
		t.PeerName.Value = c.Host
	}
	if net.ParseIP(t.PeerName.Value) != nil {
		t.PeerName.Kind = "IP"
	}
	switch {
	case c.Oracle == certs.LocalPolicy:
		return t, errors.New("its oracle is local policy")
	case len(c.Chain) == 0 || len(c.Chain[0]) == 0:
		return t, errors.New("it sends no leaf")
	case len(c.Staple) > 0 || len(c.SCTs) > 0:
		return t, errors.New("it is about what the handshake carries beside the chain")
	case len(c.Endpoints) > 0:
		return t, errors.New("it is about what addresses in the certificates answer")
	case strings.HasPrefix(c.Name, "order/"):
		return t, errors.New("it is about the order on the wire")
	case c.Oracle == certs.MustAccept:
		t.Expected = "SUCCESS"
	}
	t.Peer, t.Intermediates = texts(c.Chain[:1])[0], texts(c.Chain[1:])
	return t, nil
}

func texts(ders [][]byte) []string {
	out := []string{}
	for _, der := range ders {
		out = append(out, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	return out
}

// id turns family/case into what the format's pattern allows: parts that begin with a
// letter and have two characters at least.
func id(name string) string {
	parts := append([]string{"faultbed"}, strings.Split(name, "/")...)
	for i, p := range parts {
		if p == "" || !letter(p[0]) || len(p) < 2 {
			parts[i] = "case-" + p
		}
	}
	return strings.Join(parts, "::")
}

func letter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }
