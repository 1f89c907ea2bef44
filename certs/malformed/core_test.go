package malformed_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"faultbed/certs"
	"faultbed/certs/authority"
	"faultbed/certs/malformed"
)

const name = "origin.faultbed.test"

func corpus(t *testing.T, seed uint64, epoch time.Time) ([]certs.Case, malformed.Options) {
	t.Helper()
	a, err := authority.New(context.Background(), authority.Options{Seed: seed, Epoch: epoch})
	if err != nil {
		t.Fatal(err)
	}
	opt := malformed.Options{Seed: seed, Epoch: epoch, Name: name}
	cases, err := malformed.Corpus(a, opt)
	if err != nil {
		t.Fatal(err)
	}
	return cases, opt
}

func TestCoreHasWhatItPromises(t *testing.T) {
	cases, _ := corpus(t, 1, time.Now())
	want := map[string]certs.Oracle{
		"incomplete/missing-intermediate": certs.MustReject, "untrusted/unknown-root": certs.MustReject,
		"expired/leaf": certs.MustReject, "expired/intermediate": certs.MustReject, "expired/root": certs.LocalPolicy,
		"pathlen/exceeded": certs.MustReject, "eku/leaf-client-only": certs.MustReject, "identity/name-mismatch": certs.MustReject,
		"loop/cross-signed": certs.MustReject, "order/reversed": certs.MustAccept, "der/junk-leaf": certs.MustReject,
		"size/huge-chain":     certs.LocalPolicy,
		"control/valid-ecdsa": certs.MustAccept, "control/valid-rsa": certs.MustAccept, "control/valid-depth2": certs.MustAccept,
	}
	keys := map[string]string{}
	for _, c := range cases {
		if want[c.Name] != c.Oracle {
			t.Errorf("%s: oracle %q, want %q", c.Name, c.Oracle, want[c.Name])
		}
		delete(want, c.Name)
		if c.Sentence == "" || !strings.HasPrefix(c.Clause, "RFC ") || len(c.Roots) != 1 {
			t.Errorf("%s: sentence %q, clause %q, %d anchors", c.Name, c.Sentence, c.Clause, len(c.Roots))
		}
		if other, ok := keys[string(c.Key)]; ok {
			t.Errorf("%s has the key of %s", c.Name, other)
		}
		keys[string(c.Key)] = c.Name
	}
	if len(want) != 0 {
		t.Errorf("missing: %v", want)
	}
}

// dial has Go's own client verify what the switch serves and returns its error.
func dial(t *testing.T, addr string, rootsPEM []byte, version uint16) error {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(rootsPEM) {
		t.Fatal("no anchors")
	}
	d := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: name, MinVersion: version, MaxVersion: version}}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		conn.Close()
	}
	return err
}

func serve(t *testing.T) (*certs.Switch, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := certs.NewSwitch(nil)
	l = s.Listener(l)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	return s, l.Addr().String()
}

// Each rejection must be for the case's own reason: a chain that is broken in a
// second way would pass as rejected, too. The texts are those of Go's verifier.
var reasons = map[string]string{
	"incomplete/missing-intermediate": "unknown authority",
	"untrusted/unknown-root":          "unknown authority",
	"expired/leaf":                    "has expired",
	"expired/intermediate":            "has expired",
	"expired/root":                    "has expired",
	"pathlen/exceeded":                "too many intermediates",
	"eku/leaf-client-only":            "incompatible key usage",
	"identity/name-mismatch":          "valid for elsewhere.invalid, not " + name,
	"loop/cross-signed":               "unknown authority",
	"der/junk-leaf":                   "failed to parse certificate",
}

func TestGoAgreesWithTheOracle(t *testing.T) {
	cases, _ := corpus(t, 1, time.Now())
	s, addr := serve(t)
	union := certs.UnionRootsPEM(cases)
	for _, c := range cases {
		if err := s.Set(c); err != nil {
			t.Fatal(err)
		}
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for what, roots := range map[string][]byte{"its own anchors": c.RootsPEM(), "all anchors": union} {
				err := dial(t, addr, roots, version)
				reason, rejects := reasons[c.Name]
				switch {
				case !rejects && err != nil:
					t.Errorf("%s with %s: %v", c.Name, what, err)
				case rejects && (err == nil || !strings.Contains(err.Error(), reason)):
					t.Errorf("%s with %s: got %v, want …%s…", c.Name, what, err, reason)
				case c.Oracle == certs.MustAccept && rejects || c.Oracle == certs.MustReject && !rejects:
					t.Errorf("%s: the test's table contradicts the oracle", c.Name)
				}
			}
		}
	}
}

// The issuer of a run is the embedded authority: below it, too, same inputs are same bytes.
func TestReproducibleBelowTheAuthority(t *testing.T) {
	epoch := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	sums := func(seed uint64, epoch time.Time) map[string]string {
		cases, _ := corpus(t, seed, epoch)
		out := map[string]string{}
		for _, c := range cases {
			out[c.Name] = c.Digest()
		}
		return out
	}
	first, again := sums(1, epoch), sums(1, epoch)
	seed, later := sums(2, epoch), sums(1, epoch.Add(time.Hour))
	for name, sum := range first {
		if again[name] != sum || seed[name] == sum || later[name] == sum {
			t.Errorf("%s: again the same %v, other seed differs %v, other epoch differs %v", name, again[name] == sum, seed[name] != sum, later[name] != sum)
		}
	}
}

func TestCaseTravelsAsJSON(t *testing.T) {
	cases, _ := corpus(t, 1, time.Now())
	for _, c := range cases {
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var back certs.Case
		if err := json.Unmarshal(raw, &back); err != nil || back.Digest() != c.Digest() {
			t.Errorf("%s: came back as another (%v)", c.Name, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	a, err := authority.New(context.Background(), authority.Options{Epoch: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	for what, try := range map[string]func() error{
		"no name": func() error { _, err := malformed.New(a, malformed.Options{Epoch: time.Now()}); return err },
		"a short name": func() error {
			_, err := malformed.New(a, malformed.Options{Epoch: time.Now(), Name: "two.labels"})
			return err
		},
		"no epoch": func() error { _, err := malformed.New(a, malformed.Options{Name: name}); return err },
		"unknown case": func() error {
			_, err := malformed.Corpus(a, malformed.Options{Epoch: time.Now(), Name: name}, "no/such")
			return err
		},
		"SNI of one name": func() error { _, err := malformed.NewServer(set(t, malformed.Options{})); return err },
	} {
		if err := try(); err == nil || !strings.HasPrefix(err.Error(), "malformed: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
