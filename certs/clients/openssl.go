package clients

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"faultbed/certs"
)

func opensslClient(ctx context.Context) Client {
	path, err := exec.LookPath("openssl")
	if err != nil {
		return missing("openssl", err)
	}
	v, err := version(ctx, path, "version")
	if err != nil {
		return missing("openssl", err)
	}
	return Client{Name: "openssl", Version: strings.TrimPrefix(v, "OpenSSL "), Available: true,
		verify: sClient{path, []string{"-verify_return_error"}}.verify}
}

// sClient runs openssl s_client. By itself it prints a failed verification and goes
// on; flags hold what makes it a verifier.
type sClient struct {
	path  string
	flags []string
}

func (s sClient) verify(ctx context.Context, t Target) certs.Result {
	dir, err := os.MkdirTemp("", "faultbed-openssl-")
	if err != nil {
		return certs.Result{Verdict: certs.Unreachable, Detail: err.Error()}
	}
	defer os.RemoveAll(dir)
	roots, trace := filepath.Join(dir, "roots.pem"), filepath.Join(dir, "trace")
	if err := os.WriteFile(roots, t.RootsPEM, 0o600); err != nil {
		return certs.Result{Verdict: certs.Unreachable, Detail: err.Error()}
	}
	var stdout, stderr bytes.Buffer
	cmd := child(ctx, s.path, s.args(t, roots, trace)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(request(t.ServerName)), &stdout, &stderr
	err = cmd.Run()
	msgs, _ := os.ReadFile(trace) // absent if it never connected
	o := readOpenSSL(stdout.String(), stderr.String(), string(msgs))
	o.killed(ctx)
	o.crashed = signalled(ctx, err)
	return o.result()
}

// args asks for an identity check by name or, for an address, by address; SNI
// carries names only (RFC 6066 §3).
func (s sClient) args(t Target, roots, trace string) []string {
	a := []string{"s_client", "-connect", t.Addr, "-CAfile", roots, "-no-CApath", "-no-CAstore",
		"-brief", "-ign_eof", "-msg", "-msgfile", trace}
	if net.ParseIP(t.ServerName) != nil {
		a = append(a, "-noservername", "-verify_ip", t.ServerName)
	} else {
		a = append(a, "-servername", t.ServerName, "-verify_hostname", t.ServerName)
	}
	return append(a, s.flags...)
}

// readOpenSSL reads the reply, the summary of -brief and the trace of -msg, in which
// ">>>" is sent and "<<<" received:
//
//	<<< TLS 1.3, Handshake [length 03e5], Certificate
//	>>> TLS 1.3, Alert [length 0002], fatal unknown_ca
func readOpenSSL(stdout, stderr, trace string) (o observed) {
	o.status = status(stdout)
	o.completed = strings.Contains(stderr, "CONNECTION ESTABLISHED")
	o.connected = strings.Contains(trace, ">>> ")
	for line := range strings.Lines(trace) {
		sent, received := strings.HasPrefix(line, ">>> "), strings.HasPrefix(line, "<<< ")
		kind := strings.TrimSpace(line[strings.LastIndex(line, ",")+1:])
		switch {
		case received && strings.Contains(line, " Handshake "):
			o.certificate = kind == "Certificate" || kind == "CertificateVerify"
		case (sent || received) && strings.Contains(line, " Alert ") && strings.HasPrefix(kind, "fatal ") && o.alert == "":
			o.alert, o.refused = strings.TrimPrefix(kind, "fatal "), sent
		}
	}
	o.detail = complaint(stderr)
	return o
}

// complaint is the line that says most: the verifier's own, else the first error.
func complaint(stderr string) string {
	var first string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "verify error:") {
			return line
		}
		if first == "" && strings.Contains(strings.ToLower(line), "err") {
			first = line
		}
	}
	return first
}
