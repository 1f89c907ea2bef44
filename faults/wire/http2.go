package wire

import (
	"encoding/binary"
	"strings"
)

// frameNames are the types of RFC 9113 §6, by their numbers.
var frameNames = [...]string{"DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION"}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// frameHeader is its length in bytes.
const frameHeader = 9

// http2 finds frames. It reads their headers only; types that it does not know
// are frames too.
type http2 struct {
	name    string
	preface string // what of the client's is still to come
	lost    bool
	fresh   bool
	header  []byte
	left    int64 // of a frame's payload
}

func newHTTP2(direction string, fresh bool) *http2 {
	h := &http2{name: ResponseFrame, lost: !fresh, fresh: fresh}
	if direction == Up {
		h.name = RequestFrame
	}
	if direction == Up && fresh {
		h.preface = preface
	}
	return h
}

func (h *http2) feed(at int64, b []byte, found func(mark)) {
	if h.lost && !h.fresh && framed(b) {
		h.lost = false
	}
	for len(b) > 0 && !h.lost {
		n := h.step(at, b, found)
		at, b = at+n, b[n:]
	}
}

// step takes some bytes of the preface, a header or a payload.
func (h *http2) step(at int64, b []byte, found func(mark)) int64 {
	switch {
	case h.preface != "":
		n := min(len(h.preface), len(b))
		h.lost = !strings.HasPrefix(h.preface, string(b[:n]))
		h.preface = h.preface[n:]
		return int64(n)
	case h.left > 0:
		n := min(h.left, int64(len(b)))
		h.left -= n
		return n
	}
	n := min(frameHeader-len(h.header), len(b))
	h.header = append(h.header, b[:n]...)
	if len(h.header) == frameHeader {
		length, kind := lengthOf(h.header)
		found(mark{name: h.name, at: max(0, at+int64(n)-frameHeader), frame: frameName(kind)})
		h.left, h.header = length, h.header[:0]
	}
	return int64(n)
}

func lengthOf(header []byte) (length int64, kind byte) {
	return int64(binary.BigEndian.Uint32(header) >> 8), header[3]
}

func frameName(kind byte) string {
	if int(kind) < len(frameNames) {
		return frameNames[kind]
	}
	return "unknown"
}

// framed tells whether a read in the middle of a connection begins a frame: it
// is a chain of likely ones.
func framed(b []byte) bool {
	for n := 0; ; n++ {
		if len(b) < frameHeader {
			return n > 0 && len(b) == 0
		}
		length, kind := lengthOf(b)
		stream := binary.BigEndian.Uint32(b[5:])
		if length > 1<<14 || int(kind) >= len(frameNames) || stream>>31 != 0 {
			return false
		}
		if int64(len(b)) <= frameHeader+length {
			return true
		}
		b = b[frameHeader+length:]
	}
}
