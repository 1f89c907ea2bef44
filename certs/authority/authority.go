// Package authority is the bed's own certificate authority: an embedded smallstep
// authority below a root that was made for the run. It issues the server
// certificates of the subject and the origin and the valid controls of the corpus.
//
// It is an [certs.Issuer]: certs/malformed signs its broken chains with the same
// root and intermediate, so that what is wrong with a chain is only what its case
// says. It is no server: nothing listens, nothing is stored, nothing is revoked.
//
// It is the only package that imports smallstep. All it issues is reproducible: same
// name, seed and epoch, same request, same bytes. The library draws serial numbers
// and dates by itself and hands every signer real randomness; both are overridden
// here (see [certs.Mint]), and a test holds it to that. Start with [New].
package authority

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"faultbed/certs"
	smallstep "github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/provisioner"
)

// Options describe an authority.
type Options struct {
	Name  string // in the subjects of root and intermediates; "faultbed" if empty
	Seed  uint64
	Epoch time.Time // leaves are valid from a day before; required, today's if anyone is to accept them
}

// Authority issues certificates. Its methods may be called concurrently.
type Authority struct {
	mint               certs.Mint
	root, intermediate certs.CA
	signers            [2]*smallstep.Authority // by depth-1: a signing authority has one issuer chain
}

var _ certs.Issuer = (*Authority)(nil)

// New makes root and intermediates and starts the embedded authority on them.
func New(ctx context.Context, opt Options) (*Authority, error) {
	if opt.Name == "" {
		opt.Name = "faultbed"
	}
	mint, err := certs.NewMint(opt.Seed, opt.Epoch, "authority "+opt.Name)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	a := &Authority{mint: mint}
	if err := a.start(ctx, opt.Name); err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	return a, nil
}

func (a *Authority) start(ctx context.Context, name string) (err error) {
	if a.root, err = a.ca(name+" Root CA", nil); err != nil {
		return err
	}
	if a.intermediate, err = a.ca(name+" Intermediate CA", &a.root); err != nil {
		return err
	}
	second, err := a.ca(name+" Issuing CA", &a.intermediate)
	if err != nil {
		return err
	}
	for i, chain := range [][]certs.CA{{a.intermediate}, {second, a.intermediate}} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if a.signers[i], err = embed(a.root, chain); err != nil {
			return err
		}
	}
	return nil
}

// ca parses what the mint made: smallstep wants whole certificates.
func (a *Authority) ca(name string, by *certs.CA) (certs.CA, error) {
	ca, err := a.mint.CA(name, by)
	if err != nil {
		return ca, err
	}
	ca.Cert, err = x509.ParseCertificate(ca.Cert.Raw)
	return ca, err
}

func embed(root certs.CA, chain []certs.CA) (*smallstep.Authority, error) {
	var issuers []*x509.Certificate
	for _, ca := range chain {
		issuers = append(issuers, ca.Cert)
	}
	return smallstep.NewEmbedded(smallstep.WithQuietInit(), smallstep.WithX509RootCerts(root.Cert),
		smallstep.WithX509SignerChain(issuers, chain[0].Key))
}

// Root is the trust anchor of all that is issued.
func (a *Authority) Root() certs.CA { return a.root }

// Intermediate is the CA below the root that signs leaves of depth 1.
func (a *Authority) Intermediate() certs.CA { return a.intermediate }

// RootPEM is the file that verifiers get as their trust anchor.
func (a *Authority) RootPEM() []byte {
	return certs.Case{Roots: [][]byte{a.root.Cert.Raw}}.RootsPEM()
}

// Issue has a leaf signed. It is a function of the request: to get another
// certificate for the same names, as in a rotation, ask for other dates.
func (a *Authority) Issue(req certs.Request) (certs.Pair, error) {
	req, err := a.complete(req)
	if err != nil {
		return certs.Pair{}, fmt.Errorf("authority: issue: %w", err)
	}
	label, err := json.Marshal(req)
	if err != nil {
		return certs.Pair{}, fmt.Errorf("authority: issue: %w", err)
	}
	p, err := a.issue(a.mint.Sub(string(label)), req)
	if err != nil {
		return certs.Pair{}, fmt.Errorf("authority: issue %v: %w", req.Names, err)
	}
	return p, nil
}

func (a *Authority) complete(req certs.Request) (certs.Request, error) {
	if req.NotBefore.IsZero() {
		req.NotBefore = a.mint.Epoch.Add(-certs.Before)
	}
	if req.NotAfter.IsZero() {
		req.NotAfter = a.mint.Epoch.Add(certs.LeafAfter)
	}
	if req.Depth == 0 {
		req.Depth = 1
	}
	req.NotBefore, req.NotAfter = req.NotBefore.UTC(), req.NotAfter.UTC()
	switch {
	case len(req.Names)+len(req.IPs) == 0:
		return req, fmt.Errorf("want a name or an address")
	case req.Depth < 1 || req.Depth > len(a.signers):
		return req, fmt.Errorf("depth %d, want 1 or %d", req.Depth, len(a.signers))
	}
	return req, nil
}

func (a *Authority) issue(mint certs.Mint, req certs.Request) (certs.Pair, error) {
	newKey := mint.Key
	if req.RSA {
		newKey = mint.RSAKey
	}
	key, err := newKey("leaf")
	if err != nil {
		return certs.Pair{}, err
	}
	csr, err := request(req, key)
	if err != nil {
		return certs.Pair{}, err
	}
	// Signing is local arithmetic: there is nothing to cancel.
	ctx := provisioner.NewContextWithMethod(context.Background(), provisioner.SignMethod)
	chain, err := a.signers[req.Depth-1].SignWithContext(ctx, csr, provisioner.SignOptions{}, enforce(req, mint.Serial("leaf")))
	if err != nil {
		return certs.Pair{}, err
	}
	p, err := certs.NewPair(certs.CA{Cert: chain[0], Key: key})
	for _, c := range chain[1:] {
		p.Chain = append(p.Chain, c.Raw)
	}
	return p, err
}

func request(req certs.Request, key crypto.Signer) (*x509.CertificateRequest, error) {
	t := &x509.CertificateRequest{DNSNames: req.Names, IPAddresses: req.IPs}
	if len(req.Names) > 0 {
		t.Subject = pkix.Name{CommonName: req.Names[0]}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, t, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificateRequest(der)
}

// enforce has the last word before the signature. Without a provisioner the library
// would sign a validity of zero length and ignore the dates in SignOptions.
func enforce(req certs.Request, serial *big.Int) provisioner.SignOption {
	return provisioner.CertificateEnforcerFunc(func(c *x509.Certificate) error {
		c.NotBefore, c.NotAfter, c.SerialNumber = req.NotBefore, req.NotAfter, serial
		c.KeyUsage = x509.KeyUsageDigitalSignature
		if req.RSA {
			c.KeyUsage |= x509.KeyUsageKeyEncipherment // RSA key exchange; NSS insists
		}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if req.Client {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}
		return nil
	})
}
