package authority

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"net"
	"reflect"
	"testing"
	"time"

	"faultbed/certs"
)

const name = "origin.faultbed.test"

func start(t *testing.T, seed uint64, epoch time.Time) *Authority {
	t.Helper()
	a, err := New(context.Background(), Options{Seed: seed, Epoch: epoch})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func verify(a *Authority, p certs.Pair, opt x509.VerifyOptions) (*x509.Certificate, error) {
	leaf, err := x509.ParseCertificate(p.Chain[0])
	if err != nil {
		return nil, err
	}
	opt.Roots, opt.Intermediates = x509.NewCertPool(), x509.NewCertPool()
	opt.Roots.AppendCertsFromPEM(a.RootPEM())
	for _, der := range p.Chain[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		opt.Intermediates.AddCert(c)
	}
	_, err = leaf.Verify(opt)
	return leaf, err
}

func TestIssuedChainsVerify(t *testing.T) {
	epoch := time.Now()
	a := start(t, 1, epoch)
	server := x509.VerifyOptions{DNSName: name}
	for _, c := range []struct {
		what   string
		req    certs.Request
		opt    x509.VerifyOptions
		length int
		valid  bool
	}{
		{"server", certs.Request{Names: []string{name}}, server, 2, true},
		{"RSA", certs.Request{Names: []string{name}, RSA: true}, server, 2, true},
		{"two intermediates", certs.Request{Names: []string{name}, Depth: 2}, server, 3, true},
		{"address", certs.Request{IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}, x509.VerifyOptions{DNSName: "127.0.0.1"}, 2, true},
		{"other name", certs.Request{Names: []string{name}}, x509.VerifyOptions{DNSName: "other.faultbed.test"}, 2, false},
		{"client as server", certs.Request{Names: []string{name}, Client: true}, server, 2, false},
		{"client", certs.Request{Names: []string{name}, Client: true},
			x509.VerifyOptions{KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, 2, true},
		{"expired", certs.Request{Names: []string{name}, NotBefore: epoch.Add(-2 * time.Hour), NotAfter: epoch.Add(-time.Hour)}, server, 2, false},
	} {
		p, err := a.Issue(c.req)
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		leaf, err := verify(a, p, c.opt)
		if (err == nil) != c.valid {
			t.Errorf("%s: valid %v, got %v", c.what, c.valid, err)
		}
		if len(p.Chain) != c.length {
			t.Errorf("%s: %d certificates, want %d", c.what, len(p.Chain), c.length)
		}
		if _, isRSA := leaf.PublicKey.(*rsa.PublicKey); isRSA != c.req.RSA {
			t.Errorf("%s: key is %T", c.what, leaf.PublicKey)
		}
		if _, err := p.TLS(); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// The requested dates are what the library would replace by a validity of zero length.
func TestDatesAreTheRequests(t *testing.T) {
	epoch := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	from, to := epoch.Add(time.Hour), epoch.Add(3*time.Hour)
	a := start(t, 1, epoch)
	p, err := a.Issue(certs.Request{Names: []string{name}, NotBefore: from, NotAfter: to})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(p.Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	if !leaf.NotBefore.Equal(from) || !leaf.NotAfter.Equal(to) {
		t.Errorf("valid %v to %v, want %v to %v", leaf.NotBefore, leaf.NotAfter, from, to)
	}
}

func TestReproducible(t *testing.T) {
	epoch := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, req := range []certs.Request{{Names: []string{name}}, {Names: []string{name}, RSA: true}, {Names: []string{name}, Depth: 2}} {
		issue := func(seed uint64, epoch time.Time, before *certs.Request) certs.Pair {
			a := start(t, seed, epoch)
			if before != nil {
				if _, err := a.Issue(*before); err != nil {
					t.Fatal(err)
				}
			}
			p, err := a.Issue(req)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		first := issue(1, epoch, nil)
		if again := issue(1, epoch, &certs.Request{Names: []string{"other"}}); !reflect.DeepEqual(first, again) {
			t.Errorf("%+v: same seed and epoch, other bytes", req)
		}
		if other := issue(2, epoch, nil); reflect.DeepEqual(first.Key, other.Key) || reflect.DeepEqual(first.Chain[0], other.Chain[0]) {
			t.Errorf("%+v: another seed, same bytes", req)
		}
		if other := issue(1, epoch.Add(time.Hour), nil); reflect.DeepEqual(first.Chain[0], other.Chain[0]) {
			t.Errorf("%+v: another epoch, same bytes", req)
		}
	}
}

func TestRefusals(t *testing.T) {
	if _, err := New(context.Background(), Options{}); err == nil {
		t.Error("an authority without an epoch")
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := New(ended, Options{Epoch: time.Now()}); err == nil {
		t.Error("an authority after the end of its context")
	}
	a := start(t, 1, time.Now())
	for _, req := range []certs.Request{{}, {Names: []string{name}, Depth: 3}, {Names: []string{name}, Depth: -1}} {
		if _, err := a.Issue(req); err == nil {
			t.Errorf("issued %+v", req)
		}
	}
}
