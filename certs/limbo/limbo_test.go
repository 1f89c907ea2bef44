package limbo_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"faultbed/certs"
	"faultbed/certs/clients"
	"faultbed/certs/limbo"
	"faultbed/certs/malformed"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var now = time.Now()

const host = "leaf.example.test"

func corpus(t testing.TB, patterns ...string) []certs.Case {
	t.Helper()
	cs, err := malformed.Corpus(nil, malformed.Options{Seed: 1, Epoch: now.UTC().Truncate(time.Hour), Name: host}, patterns...)
	must(t, err)
	return cs
}

func file(t testing.TB, cs []certs.Case) []byte {
	t.Helper()
	f := limbo.File{Version: 1}
	for _, c := range cs {
		if x, err := limbo.Of(c, host, now); err == nil {
			f.Testcases = append(f.Testcases, x)
		}
	}
	b, err := json.Marshal(f)
	must(t, err)
	return b
}

// TestRoundTrip: what goes out comes in as the same chain, key, anchors and oracle.
func TestRoundTrip(t *testing.T) {
	cs := corpus(t, "control", "expired", "naming", "signature")
	f, err := limbo.Read(bytes.NewReader(file(t, cs)))
	must(t, err)
	n := 0
	for _, c := range cs {
		if _, err := limbo.Of(c, host, now); err != nil {
			continue
		}
		got, err := f.Testcases[n].Case()
		must(t, err)
		n++
		for i := range c.Chain {
			if !bytes.Equal(c.Chain[i], got.Chain[i]) {
				t.Errorf("%s: certificate %d differs", c.Name, i)
			}
		}
		if got.Oracle != c.Oracle || len(got.Roots) != len(c.Roots) || !bytes.Equal(got.Key, c.Key) || len(got.Chain) != len(c.Chain) {
			t.Errorf("%s came back as another", c.Name)
		}
	}
	if n == 0 {
		t.Error("nothing to compare")
	}
}

// TestWhatTheFormatCantSay is refused with the reason.
func TestWhatTheFormatCantSay(t *testing.T) {
	for _, c := range corpus(t) {
		_, err := limbo.Of(c, host, now)
		family, _, _ := strings.Cut(c.Name, "/")
		if (family == "order" || c.Oracle == certs.LocalPolicy || len(c.Staple) > 0) && err == nil {
			t.Errorf("%s is exported", c.Name)
		}
	}
}

// TestReplay: Go agrees with the controls, and disagrees once they are told wrong.
func TestReplay(t *testing.T) {
	f, err := limbo.Read(bytes.NewReader(file(t, corpus(t, "control/valid-ecdsa", "control/valid-depth2", "expired/leaf"))))
	must(t, err)
	lie := f.Testcases[0]
	lie.ID, lie.Expected = "lie", "FAILURE"
	var out []limbo.Outcome
	must(t, limbo.Replay(t.Context(), append(f.Testcases, lie), clients.Detect(t.Context())[:1], func(o limbo.Outcome) { out = append(out, o) }))
	want := limbo.Tally{Client: "go", Agrees: 3, Accepts: 1}
	if got := limbo.Count(out); len(got) != 1 || got[0] != want {
		t.Errorf("tally %+v, want %+v; outcomes %+v", got, want, out)
	}
}

// TestLacks walks every reason for which a case stays out.
func TestLacks(t *testing.T) {
	whole, err := limbo.Of(corpus(t, "control/valid-ecdsa")[0], host, now)
	must(t, err)
	if why := whole.Lacks(now); why != "" {
		t.Fatalf("the whole case lacks something: %s", why)
	}
	one, far := 1, now.AddDate(20, 0, 0)
	for want, spoil := range map[string]func(*limbo.Testcase){
		"verifies a client":         func(c *limbo.Testcase) { c.Kind = "CLIENT" },
		"key is not in the file":    func(c *limbo.Testcase) { c.Key = nil },
		"no host name":              func(c *limbo.Testcase) { c.PeerName.Kind = "RFC822" },
		"limits the depth":          func(c *limbo.Testcase) { c.MaxDepth = &one },
		"CRLs":                      func(c *limbo.Testcase) { c.CRLs = []string{"x"} },
		"constrains algorithms":     func(c *limbo.Testcase) { c.ExtKeyUsage = []string{"clientAuth"} },
		"validation_time":           func(c *limbo.Testcase) { c.Time = &far },
		"constrains algorithms or ": func(c *limbo.Testcase) { c.Algorithms = []string{"ED25519"} },
	} {
		c := whole
		name := *whole.PeerName
		c.PeerName = &name
		spoil(&c)
		if why := c.Lacks(now); !strings.Contains(why, want) {
			t.Errorf("lacks %q, want %q", why, want)
		}
	}
}

func TestBadFiles(t *testing.T) {
	for text, want := range map[string]string{
		`{"version":2}`:                  "version 2",
		`{`:                              "unexpected EOF",
		`{"version":1,"testcases":[{}]}`: "case 1 has no id",
		`{"version":1,"testcases":[{"id":"a::bc"}]}`: "neither SUCCESS nor FAILURE",
		`{"version":1,"testcases":[{"id":"a::bc","expected_result":"SUCCESS"},{"id":"a::bc","expected_result":"SUCCESS"}]}`: "there twice",
	} {
		if _, err := limbo.Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// FuzzRead: no file makes Read or Case panic.
func FuzzRead(f *testing.F) {
	f.Add(file(f, corpus(f, "control/valid-ecdsa", "expired/leaf")))
	f.Add([]byte(`{"version":1,"testcases":[{"id":"a::bc","features":null,"expected_result":"SUCCESS","peer_certificate":"","peer_certificate_key":"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := limbo.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, c := range file.Testcases {
			c.Lacks(now)
			if k, err := c.Case(); err == nil && (len(k.Chain) == 0 || len(k.Key) == 0) {
				t.Errorf("%s became %+v", c.ID, k)
			}
		}
	})
}
