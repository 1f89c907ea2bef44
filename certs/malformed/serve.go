package malformed

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"faultbed/certs"
)

// Server answers each client with the case that its SNI names. It is for a set made
// with [Options.PerCase]; chains are built at the first handshake that wants them and
// kept. It may be used concurrently.
type Server struct {
	set   *Set
	names map[string]string // case by host name
	ready sync.Map          // *tls.Certificate by case
}

// NewServer serves a set of server chains. It fails for a set without a name per case.
func NewServer(s *Set) (*Server, error) {
	if !s.opt.PerCase || s.opt.Client {
		return nil, fmt.Errorf("malformed: serve by SNI needs server chains with a name per case")
	}
	v := &Server{set: s, names: map[string]string{}}
	for _, r := range s.rows {
		v.names[s.hostOf(r.Name)] = r.Name
	}
	return v, nil
}

// Host is the name to ask for to be served a case.
func (s *Set) Host(name string) string { return s.hostOf(name) }

// GetCertificate is the hook for a [tls.Config].
func (v *Server) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name, ok := v.names[strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))]
	if !ok {
		return nil, fmt.Errorf("malformed: no case for SNI %q: want case.family.%s", hello.ServerName, v.set.opt.Name)
	}
	if c, ok := v.ready.Load(name); ok {
		return c.(*tls.Certificate), nil
	}
	c, err := v.set.Case(name)
	if err != nil {
		return nil, err
	}
	made, err := c.TLS()
	if err != nil {
		return nil, fmt.Errorf("%w (case %s)", err, name)
	}
	kept, _ := v.ready.LoadOrStore(name, &made)
	return kept.(*tls.Certificate), nil
}

// ServeHTTP answers what AIA and CRL addresses of the set point to: /family/case/file.
func (s *Set) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := s.Case(strings.Trim(path.Dir(r.URL.Path), "/"))
	if err == nil {
		for _, e := range c.Endpoints {
			if e.Path == r.URL.Path {
				e.ServeHTTP(w, r)
				return
			}
		}
	}
	http.NotFound(w, r)
}

// Write puts the cases that match (see [Set.List]) below a folder for other tools:
// family/case/{chain.pem,key.pem,roots.pem} and staple.der where there is one, and
// manifest.json. Keys are written with mode 0600. What is there already is replaced.
func (s *Set) Write(dir string, patterns ...string) (Manifest, error) {
	m, err := s.walk(patterns, func(c certs.Case) error { return writeCase(dir, c) })
	if err != nil {
		return m, err
	}
	text, err := m.JSON()
	if err != nil {
		return m, err
	}
	return m, os.WriteFile(filepath.Join(dir, "manifest.json"), text, 0o644)
}

func writeCase(dir string, c certs.Case) error {
	dir = filepath.Join(dir, filepath.FromSlash(c.Name))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := map[string][]byte{"chain.pem": c.ChainPEM(), "roots.pem": c.RootsPEM()}
	if c.Staple != nil {
		files["staple.der"] = c.Staple
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "key.pem"), c.KeyPEM(), 0o600)
}
