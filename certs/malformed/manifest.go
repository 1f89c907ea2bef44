package malformed

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"faultbed/certs"
)

// Manifest is a corpus's table of contents. Its SHA256 covers every byte of every
// case and names the corpus in a report. Keys are in no manifest. The schema of its
// JSON is reports/schema/v1/manifest-certs.json.
type Manifest struct {
	Version int       `json:"version"` // of this shape: 1
	Seed    uint64    `json:"seed"`
	Epoch   time.Time `json:"epoch"` // UTC, whole seconds
	Name    string    `json:"name"`  // that the verifier asks for
	Leg     string    `json:"leg"`   // whose chains they are: server or client
	SHA256  string    `json:"sha256"`
	Cases   []Entry   `json:"cases"`
}

// Entry is a case in the manifest.
type Entry struct {
	Name      string       `json:"name"`
	Sentence  string       `json:"sentence"`
	Clause    string       `json:"clause"`
	Oracle    certs.Oracle `json:"oracle"`
	Made      string       `json:"made"` // template, extension or DER surgery: the most that it took
	Tags      []string     `json:"tags,omitempty"`
	Doubt     string       `json:"doubt,omitempty"`
	Names     []string     `json:"names"`               // host names in the leaf
	Host      string       `json:"host,omitempty"`      // name to ask for, if not the corpus's
	Sent      int          `json:"sent"`                // certificates sent
	Bytes     int          `json:"bytes"`               // of DER sent
	Anchors   int          `json:"anchors"`             // trust anchors of the verifier
	Staple    int          `json:"staple,omitempty"`    // bytes of the stapled OCSP response
	Endpoints []string     `json:"endpoints,omitempty"` // paths that the certificates point to
	SHA256    string       `json:"sha256"`              // [certs.Case.Digest]
}

// Manifest builds the cases that match (see [Set.List]) and describes them.
func (s *Set) Manifest(patterns ...string) (Manifest, error) {
	return s.walk(patterns, func(certs.Case) error { return nil })
}

func (s *Set) walk(patterns []string, visit func(certs.Case) error) (Manifest, error) {
	m := Manifest{Version: 1, Seed: s.opt.Seed, Epoch: s.opt.Epoch, Name: s.opt.Name, Leg: "server"}
	if s.opt.Client {
		m.Leg = "client"
	}
	all := sha256.New()
	for c, err := range s.Cases(patterns...) {
		if err == nil {
			err = visit(c)
		}
		if err != nil {
			return m, err
		}
		e := entryOf(c)
		all.Write([]byte(e.SHA256))
		m.Cases = append(m.Cases, e)
	}
	m.SHA256 = hex.EncodeToString(all.Sum(nil))
	return m, nil
}

func entryOf(c certs.Case) Entry {
	e := Entry{Name: c.Name, Sentence: c.Sentence, Clause: c.Clause, Oracle: c.Oracle, Made: c.Made, Tags: c.Tags,
		Doubt: c.Doubt, Names: c.Names, Host: c.Host, Sent: len(c.Chain), Anchors: len(c.Roots), Staple: len(c.Staple), SHA256: c.Digest()}
	for _, der := range c.Chain {
		e.Bytes += len(der)
	}
	for _, p := range c.Endpoints {
		e.Endpoints = append(e.Endpoints, p.Path)
	}
	return e
}

// JSON is the manifest as a file.
func (m Manifest) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	return append(b, '\n'), err
}
