// Package malformed is the corpus of certificate chains: what a proxy or a TLS
// client meets on a bad day, each with the clause that says what is right, and the
// valid controls without which a rejection proves nothing.
//
// A case is a few lines in the file of its family: a name, a sentence, a clause, an
// oracle and a function that builds the chain on a [bench]. Cases do not share keys
// or serial numbers, so that adding one changes no byte of another. All are signed
// under the root (and most under the intermediate) of the issuer that the caller
// brings, so that what is wrong with a chain is only what its sentence says. They
// are served by [certs.Switch], which parses none of them.
//
// Same issuer, seed, epoch and name: same bytes ([Manifest] hashes them). The corpus
// imports the standard library only and judges nothing. Start with [Corpus].
package malformed

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"faultbed/certs"
)

// Options fix a corpus.
type Options struct {
	Seed  uint64
	Epoch time.Time // verifiers judge by their own clock: "expired" is a day before the epoch, valid until a year after
	Name  string    // the host name that the verifier will ask for
}

// recipe is one case before it is built.
type recipe struct {
	name, sentence, clause string
	oracle                 certs.Oracle
	tags                   []string
	build                  func(*bench)
}

// families in the order of the corpus; controls come last.
var families = [][]recipe{
	incomplete, untrusted, expired, pathlen, eku, identity, loop, order, der, size, control,
}

// Corpus builds every case.
func Corpus(issuer certs.Issuer, opt Options) ([]certs.Case, error) {
	if opt.Name == "" {
		return nil, errors.New("malformed: corpus without a host name")
	}
	mint, err := certs.NewMint(opt.Seed, opt.Epoch, "malformed")
	if err != nil {
		return nil, fmt.Errorf("malformed: %w", err)
	}
	var out []certs.Case
	for _, r := range slices.Concat(families...) {
		c, err := r.make(newBench(issuer, mint.Sub(r.name), opt.Name))
		if err != nil {
			return nil, fmt.Errorf("malformed: %s: %w", r.name, err)
		}
		out = append(out, c)
	}
	return out, nil
}

func (r recipe) make(b *bench) (certs.Case, error) {
	r.build(b)
	return certs.Case{Name: r.name, Sentence: r.sentence, Clause: r.clause, Oracle: r.oracle, Tags: r.tags,
		Pair: b.pair, Roots: b.roots, Names: b.names}, b.err
}

type manifest struct {
	Seed   uint64    `json:"seed"`
	Epoch  time.Time `json:"epoch"`
	Name   string    `json:"name"`
	SHA256 string    `json:"sha256"` // over the cases' hashes in order
	Cases  []entry   `json:"cases"`
}

type entry struct {
	Name     string       `json:"name"`
	Sentence string       `json:"sentence"`
	Clause   string       `json:"clause"`
	Oracle   certs.Oracle `json:"oracle"`
	Tags     []string     `json:"tags,omitempty"`
	Names    []string     `json:"names"`
	Sent     int          `json:"sent"`   // certificates sent
	Bytes    int          `json:"bytes"`  // of DER sent
	SHA256   string       `json:"sha256"` // [certs.Case.Digest]
}

// Manifest is the corpus's table of contents as JSON. Its sha256 covers every byte
// of every case and names the corpus in a report.
func Manifest(cases []certs.Case, opt Options) ([]byte, error) {
	m := manifest{Seed: opt.Seed, Epoch: opt.Epoch.UTC().Truncate(time.Second), Name: opt.Name}
	all := sha256.New()
	for _, c := range cases {
		e := entry{Name: c.Name, Sentence: c.Sentence, Clause: c.Clause, Oracle: c.Oracle, Tags: c.Tags, Names: c.Names,
			Sent: len(c.Chain), SHA256: c.Digest()}
		for _, der := range c.Chain {
			e.Bytes += len(der)
		}
		all.Write([]byte(e.SHA256))
		m.Cases = append(m.Cases, e)
	}
	m.SHA256 = hex.EncodeToString(all.Sum(nil))
	return json.MarshalIndent(m, "", "  ")
}
