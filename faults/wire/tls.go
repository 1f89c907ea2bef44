package wire

import "encoding/binary"

// Types of records and handshake messages (RFC 8446 §5.1, §4).
const (
	changeCipherSpec = 20
	handshake        = 22
	applicationData  = 23

	clientHello = 1
	serverHello = 2
	certificate = 11
)

const recordHeader = 5

// tls finds records, and as long as they are not encrypted the handshake
// messages that begin in them. TLS 1.3 encrypts all that follows the server's
// hello: then there are records only.
type tls struct {
	up     bool
	lost   bool
	fresh  bool
	header []byte
	record int64 // where the present one begins
	left   int64 // of its payload

	plain   bool   // it carries handshake messages, unencrypted
	sealed  bool   // what follows is encrypted
	once    bool   // an encrypted record has come
	message []byte // header of a message, as far as it is there
	skip    int64  // of a message's body
}

func newTLS(direction string, fresh bool) *tls {
	return &tls{up: direction == Up, lost: !fresh, fresh: fresh, sealed: !fresh, once: !fresh}
}

func (t *tls) feed(at int64, b []byte, found func(mark)) {
	if t.lost && !t.fresh && len(b) >= recordHeader && likely(b[:recordHeader]) {
		t.lost = false
	}
	for len(b) > 0 && !t.lost {
		n := t.step(at, b, found)
		at, b = at+n, b[n:]
	}
}

// step takes some bytes of a record's header or payload.
func (t *tls) step(at int64, b []byte, found func(mark)) int64 {
	if t.left == 0 {
		n := int64(min(recordHeader-len(t.header), len(b)))
		if t.header = append(t.header, b[:n]...); len(t.header) == recordHeader {
			t.begin(max(0, at+n-recordHeader), found)
			t.header = t.header[:0]
		}
		return n
	}
	n := min(t.left, int64(len(b)))
	t.left -= n
	if t.plain {
		t.messages(b[:n], found)
	}
	return n
}

// begin is a record whose header is complete.
func (t *tls) begin(at int64, found func(mark)) {
	if !likely(t.header) {
		t.lost = true
		return
	}
	t.record, t.left = at, int64(binary.BigEndian.Uint16(t.header[3:]))
	kind := t.header[0]
	encrypted := kind == applicationData || kind == handshake && t.sealed
	t.plain = kind == handshake && !encrypted
	t.sealed = t.sealed || kind == changeCipherSpec || encrypted
	t.found(ClientRecord, ServerRecord, found)
	if encrypted && !t.once {
		t.once = true
		t.firstEncrypted(kind, found)
	}
}

// firstEncrypted tells the versions apart: only 1.3 hides the record's type.
func (t *tls) firstEncrypted(kind byte, found func(mark)) {
	if kind == handshake {
		t.found(ClientFinished, ServerFinished, found)
	} else {
		t.found(ClientFinished, ServerCertificate, found)
	}
}

func (t *tls) found(client, server string, found func(mark)) {
	name := server
	if t.up {
		name = client
	}
	if name != "" {
		found(mark{name: name, at: t.record})
	}
}

// messages follows the handshake messages of a record; one may go on in the next.
func (t *tls) messages(b []byte, found func(mark)) {
	for len(b) > 0 {
		if t.skip > 0 {
			n := min(t.skip, int64(len(b)))
			t.skip, b = t.skip-n, b[n:]
			continue
		}
		if len(t.message) == 0 {
			t.name(b[0], found)
		}
		n := min(4-len(t.message), len(b))
		t.message, b = append(t.message, b[:n]...), b[n:]
		if len(t.message) == 4 {
			t.skip = int64(binary.BigEndian.Uint32(t.message) & 0xffffff)
			t.message = t.message[:0]
		}
	}
}

func (t *tls) name(kind byte, found func(mark)) {
	switch kind {
	case clientHello:
		t.found(ClientHello, "", found)
	case serverHello:
		t.found("", ServerHello, found)
	case certificate:
		t.found("", ServerCertificate, found)
	}
}

// likely tells whether five bytes can be a record's header.
func likely(h []byte) bool {
	return h[0] >= changeCipherSpec && h[0] <= applicationData+1 && h[1] == 3 && h[2] <= 4 && int(binary.BigEndian.Uint16(h[3:])) <= maxRecord-recordHeader
}
