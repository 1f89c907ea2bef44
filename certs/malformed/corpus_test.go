package malformed_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"faultbed/certs"
	"faultbed/certs/malformed"
	"faultbed/reports/schema"
)

var epoch = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// set is the corpus below its own issuer at a fixed epoch, unless opt says otherwise.
func set(t testing.TB, opt malformed.Options) *malformed.Set {
	t.Helper()
	if opt.Epoch.IsZero() {
		opt.Epoch = epoch
	}
	if opt.Name == "" {
		opt.Name = name
	}
	s, err := malformed.New(nil, opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func manifest(t *testing.T, opt malformed.Options, patterns ...string) malformed.Manifest {
	t.Helper()
	m, err := set(t, opt).Manifest(patterns...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The hashes are pinned: whoever changes a byte of the corpus, or upgrades to a Go that
// does, must know that old runs can't be compared.
func TestManifestIsPinned(t *testing.T) {
	for _, c := range []struct {
		client bool
		want   string
	}{
		{false, "9353cb3f5fb85812608ace62cd18661260c01950cf2da682ed37d56b59f2523c"},
		{true, "bf83d967961b689244fcfa4ba46c170a3c08f416399135799ac71151f9d35c1a"},
	} {
		m := manifest(t, malformed.Options{Seed: 1, Client: c.client})
		if m.SHA256 != c.want {
			t.Errorf("client %v: corpus is %s, want %s", c.client, m.SHA256, c.want)
		}
		text, err := m.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate("manifest-certs", text); err != nil {
			t.Errorf("client %v: %v", c.client, err)
		}
		if bytes.Contains(text, []byte("PRIVATE")) || bytes.Contains(text, []byte(`"key"`)) {
			t.Errorf("client %v: a key in the manifest", c.client)
		}
	}
}

// Another seed, epoch or leg changes every case.
func TestNothingIsTheSameElsewhere(t *testing.T) {
	sums := func(opt malformed.Options) map[string]string {
		out := map[string]string{}
		for _, e := range manifest(t, opt).Cases {
			out[e.Name] = e.SHA256
		}
		return out
	}
	first := sums(malformed.Options{Seed: 1})
	for what, opt := range map[string]malformed.Options{"seed": {Seed: 2}, "epoch": {Seed: 1, Epoch: epoch.Add(time.Hour)},
		"leg": {Seed: 1, Client: true}} {
		for name, sum := range sums(opt) {
			if first[name] == sum {
				t.Errorf("%s: another %s, same bytes", name, what)
			}
		}
	}
}

// Building one case alone, or in another order, makes the same bytes.
func TestCasesDoNotDependOnEachOther(t *testing.T) {
	s := set(t, malformed.Options{Seed: 1})
	m := manifest(t, malformed.Options{Seed: 1}, "control", "loop", "weak", "staple")
	slices.Reverse(m.Cases)
	for _, e := range m.Cases {
		if c, err := s.Case(e.Name); err != nil || c.Digest() != e.SHA256 {
			t.Errorf("%s alone: other bytes (%v)", e.Name, err)
		}
	}
}

func TestFamilies(t *testing.T) {
	list, err := set(t, malformed.Options{}).List()
	if err != nil {
		t.Fatal(err)
	}
	client, err := set(t, malformed.Options{Client: true}).List()
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	seen := map[string]bool{}
	for _, i := range list {
		if seen[i.Name] {
			t.Errorf("%s twice", i.Name)
		}
		seen[i.Name] = true
		for _, key := range append([]string{"", string(i.Oracle)}, i.Tags...) {
			count[i.Family()+"/"+key]++
			count["/"+key]++
		}
		if slices.Contains(i.Tags, "control") {
			count[i.Family()+"/control "+string(i.Oracle)]++
		}
		if i.Doubt != "" {
			count[i.Family()+"/doubt"]++
			count["/doubt"]++
		}
		checkWords(t, i)
	}
	for _, i := range client {
		count[i.Family()+"/client"]++
		count["/client"]++
	}
	t.Logf("%-17s %5s %6s %6s %6s %6s %6s %6s", "family", "want", "cases", "reject", "accept", "local", "client", "doubts")
	for _, f := range append(malformed.Families(), malformed.Family{Name: "", Title: "all", Want: 416}) {
		n := func(key string) int { return count[f.Name+"/"+key] }
		t.Logf("%-17s %5d %6d %6d %6d %6d %6d %6d", f.Name, f.Want, n(""), n("must-reject"), n("must-accept"), n("local-policy"), n("client"), n("doubt"))
		if n("") < f.Want {
			t.Errorf("%s: %d cases, want %d", f.Name, n(""), f.Want)
		}
		if f.Name != "" && (n("control must-accept") == 0 || n("control must-reject") == 0) {
			t.Errorf("%s: %d positive and %d negative controls", f.Name, n("control must-accept"), n("control must-reject"))
		}
	}
	text, err := os.ReadFile(disputesFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{fmt.Sprintf("makes %d chains", count["/"]), fmt.Sprintf("%d of them exist", count["/client"]), fmt.Sprintf("%d do.", count["/doubt"])} {
		if !strings.Contains(string(text), said) {
			t.Errorf("%s does not say %q", disputesFile, said)
		}
	}
	if n := len(malformed.Families()); n != 30 {
		t.Errorf("%d families, want 30", n)
	}
}

// checkWords holds a case to a name, one sentence and a clause.
func checkWords(t *testing.T, i malformed.Info) {
	t.Helper()
	doc, section, _ := strings.Cut(i.Clause, " §")
	if section == "" || !strings.HasPrefix(doc, "RFC ") && !strings.HasPrefix(doc, "X.690") && !strings.HasPrefix(doc, "FIPS ") {
		t.Errorf("%s: clause %q, want a document and a section", i.Name, i.Clause)
	}
	if !strings.HasSuffix(i.Sentence, ".") || len(i.Sentence) < 20 {
		t.Errorf("%s: sentence %q", i.Name, i.Sentence)
	}
	for _, c := range i.Name {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-/", c) {
			t.Errorf("%s: %q in a name", i.Name, c)
		}
	}
	if slices.Contains(i.Tags, "control") && i.Oracle == certs.LocalPolicy {
		t.Errorf("%s: a control that proves nothing", i.Name)
	}
}

// A control on which a working verifier is known to disagree is none.
func TestControlsAreUndisputed(t *testing.T) {
	list, err := set(t, malformed.Options{}).List("control")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range disputes(t) {
		if i := slices.IndexFunc(list, func(i malformed.Info) bool { return i.Name == d.name && slices.Contains(i.Tags, "control") }); i >= 0 {
			t.Errorf("%s is a control, and %s disagrees", d.name, d.verifier)
		}
	}
}

// Only the leaves that say so have a key that crypto/tls cannot serve, and keys are
// used once, but for those from the pool.
func TestKeys(t *testing.T) {
	used := map[string]string{}
	for c, err := range set(t, malformed.Options{}).Cases() {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.TLS(); (err != nil) != slices.Contains(c.Tags, "leafkey") {
			t.Errorf("%s: tags %v, key: %v", c.Name, c.Tags, err)
		}
		key, err := x509.ParsePKCS8PrivateKey(c.Key)
		if other := used[string(c.Key)]; err == nil && other != "" && fmt.Sprintf("%T", key) != "*rsa.PrivateKey" {
			t.Errorf("%s has the key of %s", c.Name, other)
		}
		used[string(c.Key)] = c.Name
	}
}

// Sizes and depths are what their names say.
func TestSizes(t *testing.T) {
	for _, e := range manifest(t, malformed.Options{}, "size", "depth").Cases {
		var n int
		if _, err := fmt.Sscanf(e.Name, "size/%d-kib", &n); err == nil && !strings.Contains(e.Name, "incomplete") && (e.Bytes < n<<10 || e.Bytes > n<<10+64) {
			t.Errorf("%s: %d bytes", e.Name, e.Bytes)
		}
		if _, err := fmt.Sscanf(e.Name, "depth/%d", &n); err == nil && !strings.Contains(e.Name, "incomplete") && e.Sent != n+1 {
			t.Errorf("%s: %d certificates", e.Name, e.Sent)
		}
		if e.Name == "size/huge-chain" && (e.Sent != 82 || e.Bytes < 32<<10 || e.Bytes > 64<<10) {
			t.Errorf("%s: %d certificates in %d bytes, want 82 in 32 to 64 KiB", e.Name, e.Sent, e.Bytes)
		}
	}
}

func TestList(t *testing.T) {
	s := set(t, malformed.Options{})
	for pattern, want := range map[string]int{"core": 15, "expired/leaf": 1, "size": 20, "*/*": 0, "der/ber-*": 4} {
		list, err := s.List(pattern)
		if err != nil || len(list) == 0 || want > 0 && len(list) != want {
			t.Errorf("%s: %d cases, want %d (%v)", pattern, len(list), want, err)
		}
	}
	if _, err := s.List("expired/leaf", "expird/*"); err == nil || !strings.Contains(err.Error(), `"expird/*"`) {
		t.Errorf("a pattern that matches nothing: %v", err)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	s := set(t, malformed.Options{Seed: 1})
	m, err := s.Write(dir, "expired/leaf", "staple/good")
	if err != nil || len(m.Cases) != 2 {
		t.Fatal(m, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate("manifest-certs", text); err != nil {
		t.Error(err)
	}
	at := filepath.Join(dir, "expired", "leaf")
	pair, err := tls.LoadX509KeyPair(filepath.Join(at, "chain.pem"), filepath.Join(at, "key.pem"))
	if err != nil || len(pair.Certificate) != 2 {
		t.Errorf("%d certificates (%v)", len(pair.Certificate), err)
	}
	if st, err := os.Stat(filepath.Join(at, "key.pem")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("key.pem: %v %v", st, err)
	}
	c, err := s.Case("staple/good")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "staple", "good", "staple.der")); err != nil || !bytes.Equal(got, c.Staple) {
		t.Errorf("staple of %d bytes, want %d (%v)", len(got), len(c.Staple), err)
	}
}

// Endpoints answer what the certificates point to: a client that fetches the
// intermediate of aia/good can complete the chain.
func TestEndpoints(t *testing.T) {
	srv := httptest.NewUnstartedServer(nil)
	s := set(t, malformed.Options{AIA: "http://" + srv.Listener.Addr().String()})
	srv.Config.Handler = s
	srv.Start()
	defer srv.Close()
	for name, want := range map[string]int{"aia/good": 200, "aia/redirect": 200, "aia/not-found": 404} {
		c, err := s.Case(name)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(c.Chain[0])
		if err != nil || len(leaf.IssuingCertificateURL) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		resp, err := http.Get(leaf.IssuingCertificateURL[0])
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want {
			t.Fatalf("%s: %s, want %d (%v)", name, resp.Status, want, err)
		}
		if want != 200 {
			continue
		}
		c.Chain = append(c.Chain, body)
		if err := verify(c, s, false); err != nil {
			t.Errorf("%s with what was fetched: %v", name, err)
		}
	}
	if resp, err := http.Get("http://" + srv.Listener.Addr().String() + "/no/such/case"); err != nil || resp.StatusCode != 404 {
		t.Errorf("unknown case: %v %v", resp, err)
	}
}

// CRLs parse and name the leaf where their sentence says so.
func TestCRLs(t *testing.T) {
	s := set(t, malformed.Options{})
	for name, want := range map[string]int{"aia/crl-good": 0, "aia/crl-revoked": 1, "aia/crl-stale": 0} {
		c, err := s.Case(name)
		if err != nil {
			t.Fatal(err)
		}
		list, err := x509.ParseRevocationList(c.Endpoints[0].Body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ca, err := x509.ParseCertificate(c.Chain[1])
		if err != nil {
			t.Fatal(err)
		}
		if err := list.CheckSignatureFrom(ca); err != nil || len(list.RevokedCertificateEntries) != want {
			t.Errorf("%s: %d entries, want %d (%v)", name, len(list.RevokedCertificateEntries), want, err)
		}
		if stale := list.NextUpdate.Before(epoch); stale != (name == "aia/crl-stale") {
			t.Errorf("%s: stale %v", name, stale)
		}
	}
}

func TestServerChoosesBySNI(t *testing.T) {
	s := set(t, malformed.Options{PerCase: true})
	v, err := malformed.NewServer(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"control/valid-ecdsa", "identity/wildcard", "expired/leaf"} {
		c, err := s.Case(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.GetCertificate(&tls.ClientHelloInfo{ServerName: strings.ToUpper(s.Host(name))})
		if err != nil || !bytes.Equal(got.Certificate[0], c.Chain[0]) {
			t.Errorf("%s: another leaf (%v)", name, err)
		}
		if err := verify(c, s, false); (err == nil) != (c.Oracle == certs.MustAccept) {
			t.Errorf("%s with a name of its own: %v", name, err)
		}
	}
	if _, err := v.GetCertificate(&tls.ClientHelloInfo{ServerName: "origin.faultbed.test"}); err == nil {
		t.Error("a certificate for a name that no case has")
	}
}

// BenchmarkCorpus builds the whole corpus, the heavy families included.
func BenchmarkCorpus(b *testing.B) {
	s := set(b, malformed.Options{Seed: 1})
	n := 0
	for b.Loop() {
		for _, err := range s.Cases() {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "chains/s")
}
