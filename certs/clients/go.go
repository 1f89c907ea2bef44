package clients

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"

	"faultbed/certs"
)

func goClient() Client {
	return Client{Name: "go", Version: runtime.Version(), Available: true, verify: verifyGo}
}

func verifyGo(ctx context.Context, t Target) certs.Result {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(t.RootsPEM) // none: everything is rejected, as it should be
	return tryGo(ctx, t, &tls.Config{RootCAs: roots, ServerName: t.ServerName}).result()
}

// tryGo leaves the alert of a rejection empty: crypto/tls does not tell which one it
// sent.
func tryGo(ctx context.Context, t Target, conf *tls.Config) (o observed) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", t.Addr)
	if err != nil {
		o.timeout, o.detail = ctx.Err() != nil, err.Error()
		return o
	}
	o.connected = true
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	conn := tls.Client(raw, conf)
	if err := conn.HandshakeContext(ctx); err != nil {
		o.handshakeFailed(ctx, err)
		return o
	}
	o.completed = true
	reply, err := exchange(conn, t.ServerName)
	if o.status = status(reply); o.status == 0 {
		o.timeout = ctx.Err() != nil
		o.alert = certs.RemoteAlert(err)
		if err != nil {
			o.detail = err.Error()
		}
	}
	return o
}

// handshakeFailed sorts the errors of crypto/tls. Only that of the verifier has a type
// of its own; the others that blame the chain (it does not parse, it holds a key that
// nobody can use) say "certificate".
func (o *observed) handshakeFailed(ctx context.Context, err error) {
	var verifier *tls.CertificateVerificationError
	o.timeout, o.detail, o.alert = ctx.Err() != nil, err.Error(), certs.RemoteAlert(err)
	o.refused = o.alert == ""
	o.certificate = errors.As(err, &verifier) || strings.Contains(err.Error(), "certificate")
}

// exchange sends the request and returns the beginning of the reply.
func exchange(conn io.ReadWriter, name string) (string, error) {
	if _, err := io.WriteString(conn, request(name)); err != nil {
		return "", err
	}
	buf := make([]byte, 512)
	n, err := io.ReadAtLeast(conn, buf, len("HTTP/1.1 200"))
	return string(buf[:n]), err
}
