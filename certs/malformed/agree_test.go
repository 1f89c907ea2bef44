package malformed_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"faultbed/certs"
	"faultbed/certs/malformed"
)

const disputesFile = "../../docs/certificates.md"

// dispute is a verifier that knowingly does not do what an oracle says.
type dispute struct{ verifier, leg, name string }

// disputes are read from the table in the document that argues for each.
func disputes(t *testing.T) (out []dispute) {
	t.Helper()
	text, err := os.ReadFile(disputesFile)
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(text), "| verifier | leg | case | why ours stands |\n")
	if !ok {
		t.Fatalf("%s: no table of disagreements", disputesFile)
	}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "|") {
			break
		}
		if len(cells) != 4 {
			continue
		}
		for _, v := range strings.Split(strings.TrimPrefix(cells[0], "| "), ", ") {
			for _, leg := range strings.Split(cells[1], ", ") {
				for _, c := range strings.Split(cells[2], ", ") {
					out = append(out, dispute{v, leg, strings.Trim(c, "`")})
				}
			}
		}
	}
	return out
}

// compare holds what disagrees now against the table, for the verifiers that were asked.
func compare(t *testing.T, asked func(dispute) bool, got map[dispute]string) {
	t.Helper()
	want := map[dispute]bool{}
	for _, d := range disputes(t) {
		if !asked(d) {
			continue
		}
		want[d] = true
		if _, ok := got[d]; !ok {
			t.Errorf("%s, %s leg: agrees on %s by now; strike it from %s", d.verifier, d.leg, d.name, disputesFile)
		}
	}
	keys := []dispute{}
	for d := range got {
		if !want[d] {
			keys = append(keys, d)
		}
	}
	slices.SortFunc(keys, func(a, b dispute) int { return cmp.Compare(a.name, b.name) })
	for _, d := range keys {
		t.Errorf("%s, %s leg: %s: %s; not in %s", d.verifier, d.leg, d.name, got[d], disputesFile)
	}
}

func pool(ders [][]byte) *x509.CertPool {
	p := x509.NewCertPool()
	for _, der := range ders {
		if c, err := x509.ParseCertificate(der); err == nil {
			p.AddCert(c)
		}
	}
	return p
}

// verify has crypto/tls judge a case in a handshake at the epoch: by the
// client on the server's leg, by the server on the client's.
func verify(c certs.Case, s *malformed.Set, client bool) error {
	cert, err := c.TLS()
	if err != nil {
		return err
	}
	now := func() time.Time { return epoch }
	plain := &tls.Config{Time: now, Certificates: []tls.Certificate{cert}, InsecureSkipVerify: true, SessionTicketsDisabled: true}
	judge := &tls.Config{Time: now, RootCAs: pool(c.Roots), ServerName: cmp.Or(c.Host, s.Host(c.Name)), SessionTicketsDisabled: true}
	if client {
		peer, err := serverCert()
		if err != nil {
			return err
		}
		judge = &tls.Config{Time: now, ClientCAs: pool(c.Roots), ClientAuth: tls.RequireAndVerifyClientCert,
			Certificates: []tls.Certificate{peer}, SessionTicketsDisabled: true}
		plain.Certificates, plain.GetClientCertificate = nil, func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	return shake(plain, judge, client)
}

// serverCert is what a server shows to clients that verify nothing.
var serverCert = sync.OnceValues(func() (tls.Certificate, error) {
	s, err := malformed.New(nil, malformed.Options{Seed: 99, Epoch: epoch, Name: name})
	if err != nil {
		return tls.Certificate{}, err
	}
	c, err := s.Case("control/valid-ecdsa")
	if err != nil {
		return tls.Certificate{}, err
	}
	return c.TLS()
})

// shake returns the judge's verdict. A pipe in memory would not do: a judge that breaks
// off while the other side still writes would wait for it for ever.
func shake(plain, judge *tls.Config, judgeServes bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	left, right, err := tcpPair()
	if err != nil {
		return err
	}
	shown, judged := tls.Server(left, plain), tls.Client(right, judge)
	if judgeServes {
		shown, judged = tls.Client(left, plain), tls.Server(right, judge)
	}
	var other sync.WaitGroup
	other.Go(func() {
		shown.HandshakeContext(ctx)
		io.Copy(io.Discard, left) // until the judge closes: unread bytes would turn that into a reset
		left.Close()
	})
	err = judged.HandshakeContext(ctx)
	right.Close()
	other.Wait()
	return err
}

func tcpPair() (a, b net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if b, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	a, err = l.Accept()
	return a, b, err
}

func TestGoAgrees(t *testing.T) {
	got := map[dispute]string{}
	for _, client := range []bool{false, true} {
		leg := map[bool]string{false: "server", true: "client"}[client]
		s := set(t, malformed.Options{Seed: 1, Client: client})
		for c, err := range s.Cases() {
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(c.Tags, "leafkey") {
				continue // crypto/tls cannot serve it
			}
			err := verify(c, s, client)
			if err == nil && c.Oracle == certs.MustReject || err != nil && c.Oracle == certs.MustAccept {
				got[dispute{"go", leg, c.Name}] = fmt.Sprintf("%s, and it says %v", c.Oracle, err)
			}
		}
	}
	compare(t, func(d dispute) bool { return d.verifier == "go" }, got)
}

// openssl verify knows no staples and no handshake: those cases are left out. The list
// is that of OpenSSL 3.0.
func TestOpenSSLAgrees(t *testing.T) {
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl on PATH: labels are held against Go only")
	}
	version, err := exec.Command(path, "version").Output()
	if err != nil || !strings.HasPrefix(string(version), "OpenSSL 3.0.") {
		t.Skipf("%q: the list of disagreements is that of OpenSSL 3.0", version)
	}
	if testing.Short() {
		t.Skip("a thousand processes")
	}
	dir := t.TempDir()
	s := set(t, malformed.Options{Seed: 1})
	var lock sync.Mutex
	got := map[dispute]string{}
	var work sync.WaitGroup
	slots := make(chan bool, 2)
	for c, err := range s.Cases() {
		if err != nil {
			t.Fatal(err)
		}
		if c.Oracle == certs.LocalPolicy || slices.ContainsFunc(c.Tags, func(t string) bool { return t == "staple" || t == "handshake" }) {
			continue
		}
		slots <- true
		work.Go(func() {
			defer func() { <-slots }()
			for _, mode := range []string{"openssl", "openssl strict"} {
				accepted, said, err := opensslVerify(path, dir, c, s.Host(c.Name), mode)
				lock.Lock()
				if err != nil {
					t.Errorf("%s: %v", c.Name, err)
				} else if accepted != (c.Oracle == certs.MustAccept) {
					got[dispute{mode, "server", c.Name}] = fmt.Sprintf("%s, and it says %s", c.Oracle, said)
				}
				lock.Unlock()
			}
		})
	}
	work.Wait()
	compare(t, func(d dispute) bool { return strings.HasPrefix(d.verifier, "openssl") }, got)
}

func opensslVerify(path, dir string, c certs.Case, host, mode string) (accepted bool, said string, err error) {
	base := filepath.Join(dir, strings.ReplaceAll(c.Name, "/", "_"))
	leaf, rest := certs.Pair{Chain: c.Chain[:1]}, certs.Pair{Chain: c.Chain[1:]}
	files := map[string][]byte{".leaf": leaf.ChainPEM(), ".rest": rest.ChainPEM(), ".roots": c.RootsPEM()}
	for ext, b := range files {
		if err := os.WriteFile(base+ext, b, 0o600); err != nil {
			return false, "", err
		}
	}
	host = cmp.Or(c.Host, host)
	name := "-verify_hostname"
	if net.ParseIP(host) != nil {
		name = "-verify_ip"
	}
	args := []string{"verify", "-no-CApath", "-no-CAstore", "-CAfile", base + ".roots", "-purpose", "sslserver", name, host, "-attime", fmt.Sprint(epoch.Unix())}
	if len(rest.Chain) > 0 {
		args = append(args, "-untrusted", base+".rest")
	}
	if mode == "openssl strict" {
		args = append(args, "-x509_strict")
	}
	out, err := exec.Command(path, append(args, base+".leaf")...).CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		return false, "", err
	}
	return err == nil, strings.Join(strings.Fields(strings.ReplaceAll(string(out), base, "")), " "), nil
}
