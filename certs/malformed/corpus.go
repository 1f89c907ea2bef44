// Package malformed is the corpus of certificate chains: what a proxy or a TLS
// client meets on a bad day, each with the clause that says what is right, and the
// valid controls without which a rejection proves nothing.
//
// A case is a row in the file of its family: a name, an oracle, a clause, a sentence
// and a function that builds the chain on a [bench]. Cases share neither keys (but
// for those of RSA and DSA, which come from a committed pool) nor serial numbers, so
// that adding one changes no byte of another. All are signed under the root (and
// most under the intermediate) of an issuer, so that what is wrong with a chain is
// only what its sentence says. They are served by [certs.Switch], which parses none.
//
// Same issuer, seed, epoch and name: same bytes ([Set.Manifest] hashes them). A case
// is built when it is asked for. The corpus imports the standard library only and
// judges nothing; why an oracle is what it is, and who disagrees, is in
// docs/certificates.md. Start with [New]; [Corpus] is for a few cases at once.
package malformed

import (
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"faultbed/certs"
)

// Options fix a corpus.
type Options struct {
	Seed    uint64
	Epoch   time.Time // verifiers judge by their own clock: "expired" is a day before the epoch, valid until a year after
	Name    string    // the host name that the verifier will ask for, of three labels or more
	PerCase bool      // put case and family before Name (leaf.expired.example.test), so that SNI tells cases apart
	Client  bool      // chains that a client presents: clientAuth, and no cases about host names or staples
	AIA     string    // scheme and host of the addresses in AIA and CRL distribution points; http://aia.invalid if empty
}

// Info says what a case is about without building it.
type Info struct {
	Name     string
	Oracle   certs.Oracle
	Clause   string
	Sentence string
	Tags     []string
	Doubt    string // why the oracle may be wrong, if it may
}

// Family is the part of the name before the slash.
func (i Info) Family() string { return path.Dir(i.Name) }

// recipe is one case before it is built.
type recipe struct {
	Info
	server bool // makes no sense for a client's chain
	build  func(*bench)
}

// Oracles, for short.
const (
	R = certs.MustReject
	A = certs.MustAccept
	L = certs.LocalPolicy
)

func row(name string, o certs.Oracle, clause, sentence string, build func(*bench)) recipe {
	return recipe{Info: Info{Name: name, Oracle: o, Clause: clause, Sentence: sentence}, build: build}
}

func (r recipe) tag(tags ...string) recipe {
	r.Tags = append(slices.Clone(r.Tags), tags...)
	return r
}

// control marks a row that shows that the family's verdicts mean something: one that
// every working verifier accepts, or rejects.
func (r recipe) control() recipe { return r.tag("control") }

// core marks the rows that the bed's own scenarios use.
func (r recipe) core() recipe { return r.tag("core") }

func (r recipe) doubt(why string) recipe {
	r.Doubt = why
	return r
}

// serverOnly leaves a row out of the client's leg.
func (r recipe) serverOnly() recipe {
	r.server = true
	return r
}

// Family is a group of cases about one thing.
type Family struct {
	Name  string
	Title string
	Want  int // the least number of cases
	rows  []recipe
}

// Families lists them in the order of the corpus.
func Families() []Family { return slices.Clone(families) }

// Set is a corpus: cases by name, each built when it is asked for. It may be used
// concurrently.
type Set struct {
	opt    Options
	issuer certs.Issuer
	mint   certs.Mint
	rows   []recipe
	byName map[string]recipe

	root, intermediate node
}

// New prepares a corpus below an issuer, whose keys must be ECDSA; nil stands for
// one made of the same seed. It fails without a name or an epoch.
func New(issuer certs.Issuer, opt Options) (*Set, error) {
	if strings.Count(opt.Name, ".") < 2 {
		return nil, fmt.Errorf("malformed: host name %q, want three labels or more", opt.Name)
	}
	if opt.AIA == "" {
		opt.AIA = "http://aia.invalid"
	}
	mint, err := certs.NewMint(opt.Seed, opt.Epoch, "malformed")
	if err != nil {
		return nil, fmt.Errorf("malformed: %w", err)
	}
	if issuer == nil {
		if issuer, err = newIssuer(mint.Sub("issuer")); err != nil {
			return nil, fmt.Errorf("malformed: %w", err)
		}
	}
	opt.Epoch = mint.Epoch
	var b bench
	root, intermediate := b.take(issuer.Root()), b.take(issuer.Intermediate())
	if b.err != nil {
		return nil, fmt.Errorf("malformed: %w", b.err)
	}
	s := &Set{opt: opt, issuer: issuer, mint: mint, byName: map[string]recipe{}, root: root, intermediate: intermediate}
	for _, f := range families {
		for _, r := range f.rows {
			if !opt.Client || !r.server {
				s.rows = append(s.rows, r)
				s.byName[r.Name] = r
			}
		}
	}
	return s, nil
}

// match picks the rows whose name or tag matches any of the patterns ([path.Match]);
// all of them if there is none. A pattern that matches nothing is an error.
func (s *Set) match(patterns []string) ([]recipe, error) {
	if len(patterns) == 0 {
		return s.rows, nil
	}
	used := make([]bool, len(patterns))
	var out []recipe
	for _, r := range s.rows {
		hit := false
		for i, p := range patterns {
			if r.matches(p) {
				hit, used[i] = true, true
			}
		}
		if hit {
			out = append(out, r)
		}
	}
	if i := slices.Index(used, false); i >= 0 {
		return nil, fmt.Errorf("malformed: no case %q: want family/case, a glob, a family or a tag", patterns[i])
	}
	return out, nil
}

func (r recipe) matches(pattern string) bool {
	ok, _ := path.Match(pattern, r.Name)
	return ok || pattern == r.Family() || slices.Contains(r.Tags, pattern)
}

// List says what the cases are about that match the patterns: names, globs over
// family/case, families or tags. All, if there is no pattern.
func (s *Set) List(patterns ...string) ([]Info, error) {
	rows, err := s.match(patterns)
	var out []Info
	for _, r := range rows {
		out = append(out, r.Info)
	}
	return out, err
}

// Cases builds those that match, one after another, and keeps none.
func (s *Set) Cases(patterns ...string) iter.Seq2[certs.Case, error] {
	return func(yield func(certs.Case, error) bool) {
		rows, err := s.match(patterns)
		if err != nil {
			yield(certs.Case{}, err)
			return
		}
		for _, r := range rows {
			if !yield(s.make(r)) {
				return
			}
		}
	}
}

// Case builds one.
func (s *Set) Case(name string) (certs.Case, error) {
	r, ok := s.byName[name]
	if !ok {
		return certs.Case{}, fmt.Errorf("malformed: no case %q", name)
	}
	return s.make(r)
}

// Corpus builds the cases that match the patterns of [Set.List]; without any, the
// core that the bed's own scenarios use, not all: they are some megabytes.
func Corpus(issuer certs.Issuer, opt Options, patterns ...string) ([]certs.Case, error) {
	s, err := New(issuer, opt)
	if err != nil {
		return nil, err
	}
	if len(patterns) == 0 {
		patterns = []string{"core"}
	}
	var out []certs.Case
	for c, err := range s.Cases(patterns...) {
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func (s *Set) make(r recipe) (certs.Case, error) {
	b := s.bench(r)
	r.build(b)
	if err := b.check(); err != nil {
		return certs.Case{}, fmt.Errorf("malformed: %s: %w", r.Name, err)
	}
	b.out.Made = madeWords[b.made]
	return b.out, nil
}

func (s *Set) bench(r recipe) *bench {
	label := r.Name
	if s.opt.Client {
		label = "client " + label
	}
	b := &bench{issuer: s.issuer, mint: s.mint.Sub(label), name: s.hostOf(r.Name), client: s.opt.Client}
	b.aia = s.opt.AIA + "/" + r.Name
	b.root, b.intermediate = s.root, s.intermediate
	b.out = certs.Case{Name: r.Name, Sentence: r.Sentence, Clause: r.Clause, Oracle: r.Oracle, Tags: r.Tags, Doubt: r.Doubt,
		Roots: [][]byte{b.root.der}, Names: []string{b.name}}
	return b
}

// hostOf is the name that the verifier asks for in a case.
func (s *Set) hostOf(name string) string {
	if !s.opt.PerCase {
		return s.opt.Name
	}
	family, c, _ := strings.Cut(name, "/")
	return c + "." + family + "." + s.opt.Name
}

// issuer is a plain authority of the mint's.
type issuer struct {
	mint                     certs.Mint
	root, intermediate, last certs.CA
}

func newIssuer(mint certs.Mint) (i *issuer, err error) {
	i = &issuer{mint: mint}
	if i.root, err = mint.CA("Corpus Root CA", nil); err != nil {
		return nil, err
	}
	if i.intermediate, err = mint.CA("Corpus Intermediate CA", &i.root); err != nil {
		return nil, err
	}
	i.last, err = mint.CA("Corpus Issuing CA", &i.intermediate)
	return i, err
}

func (i *issuer) Root() certs.CA         { return i.root }
func (i *issuer) Intermediate() certs.CA { return i.intermediate }

// Issue serves what the control rows ask for.
func (i *issuer) Issue(req certs.Request) (certs.Pair, error) {
	if len(req.Names) != 1 || len(req.IPs) > 0 || !req.NotBefore.IsZero() || !req.NotAfter.IsZero() || req.Depth > 2 {
		return certs.Pair{}, errors.New("the corpus's own issuer makes plain leaves only")
	}
	b := &bench{mint: i.mint.Sub(fmt.Sprint(req)), name: req.Names[0], client: req.Client}
	top, low := b.take(i.intermediate), b.take(i.last)
	var changes []change
	if req.RSA {
		changes = with(keyed(rsaKind("rsa2048a")), usage(digitalSignature, keyEncipherment))
	}
	if req.Depth == 2 {
		b.send(b.leaf(low, changes...), low, top)
	} else {
		b.send(b.leaf(top, changes...), top)
	}
	return b.out.Pair, b.err
}
