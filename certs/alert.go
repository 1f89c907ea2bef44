package certs

import (
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"sync/atomic"
)

// alertNames are the alerts of RFC 8446 §6 and those of RFC 5246 §7.2 that peers still send.
var alertNames = map[uint8]string{
	0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
	42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired",
	46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error",
	51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
	86: "inappropriate_fallback", 90: "user_canceled", 109: "missing_extension", 110: "unsupported_extension",
	112: "unrecognized_name", 113: "bad_certificate_status_response", 115: "unknown_psk_identity",
	116: "certificate_required", 120: "no_application_protocol",
}

// AlertName is the RFC's name for an alert, or its number.
func AlertName(code uint8) string {
	if name, ok := alertNames[code]; ok {
		return name
	}
	return "alert_" + strconv.Itoa(int(code))
}

// RemoteAlert names the alert in an error of crypto/tls, if it says that the peer
// sent one. The type inside the error is not exported; its text is that of
// [tls.AlertError].
func RemoteAlert(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return ""
	}
	for code := range 256 {
		if op.Err.Error() == tls.AlertError(code).Error() {
			return AlertName(uint8(code))
		}
	}
	return ""
}

// records follows a stream of TLS records (RFC 8446 §5.1) and keeps the first fatal
// alert that is not encrypted. It looks at no more than headers and such alerts, so it
// needs neither keys nor a buffer.
type records struct {
	head  [5]byte
	n     int // bytes of head seen
	left  int // bytes of the record's body to come
	alert [2]byte
	a     int // bytes of alert seen
	found bool
	code  uint8
}

const (
	alertRecord = 21 // ContentType alert
	fatal       = 2  // AlertLevel fatal
)

func (r *records) feed(p []byte) {
	for len(p) > 0 && !r.found {
		if r.n < len(r.head) {
			k := copy(r.head[r.n:], p)
			r.n, p = r.n+k, p[k:]
			r.left, r.a = int(r.head[3])<<8|int(r.head[4]), 0
		} else {
			k := min(r.left, len(p))
			r.body(p[:k])
			r.left, p = r.left-k, p[k:]
		}
		if r.n == len(r.head) && r.left == 0 {
			r.n = 0
		}
	}
}

func (r *records) body(p []byte) {
	// An alert is two bytes; a longer record of this type is an encrypted one of TLS 1.2.
	if r.head[0] != alertRecord || int(r.head[3])<<8|int(r.head[4]) != len(r.alert) {
		return
	}
	r.a += copy(r.alert[r.a:], p)
	if r.a == len(r.alert) && r.alert[0] == fatal {
		r.found, r.code = true, r.alert[1]
	}
}

// tap listens on a server's connection while the handshake lasts. In TLS 1.3
// OpenSSL and mbedTLS send the alert that rejects a certificate in plaintext, when
// the server expects ciphertext: crypto/tls then reports "bad record MAC" only
// (golang/go#76767).
type tap struct {
	net.Conn
	in    records
	bytes int
	done  atomic.Bool

	name, serverName string // set by GetCertificate, read after the handshake
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if !t.done.Load() {
		t.bytes += n
		t.in.feed(p[:n])
	}
	return n, err
}

// NetConn is the connection below, as with [tls.Conn.NetConn].
func (t *tap) NetConn() net.Conn { return t.Conn }

// heard is the alert that the peer sent, in plaintext or not.
func (t *tap) heard(err error) string {
	if t.in.found {
		return AlertName(t.in.code)
	}
	return RemoteAlert(err)
}
