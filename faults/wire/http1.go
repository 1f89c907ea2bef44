package wire

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
)

// maxLine is how much of a line is looked at; what follows is passed over.
const maxLine = 8 << 10

// talk is what both directions of a connection know: the methods of requests
// that wait for their responses, and whether the connection became a tunnel.
type talk struct {
	mu      sync.Mutex
	methods []string
	tunnel  bool
}

func (t *talk) asked(method string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.methods) < 1000 { // nobody answers: the order is lost anyhow
		t.methods = append(t.methods, method)
	}
}

// answered is the method that a final response is for; empty if it is not known.
func (t *talk) answered() (method string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.methods) > 0 {
		method, t.methods = t.methods[0], t.methods[1:]
	}
	return method
}

func (t *talk) switched() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tunnel
}

func (t *talk) becomesTunnel() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tunnel = true
}

// Parts of an HTTP/1 message that its parser can be in.
type part int

const (
	between    part = iota // messages
	startLine              // of a message
	fieldLine              // of its head
	fixed                  // body with a length
	chunkLine              // size of a chunk
	chunkData              // of a chunk
	chunkEnd               // the line break after it
	trailer                // lines after the last chunk
	untilClose             // body that ends with the connection
	dead                   // no HTTP/1 any more, or not yet
)

// http1 finds the parts of messages (RFC 9112). It is tolerant, as what stands
// behind it may be: bare LF ends a line, and of doubtful framing it takes the
// chunked one. What it can't follow it lets go by.
type http1 struct {
	up    bool
	talk  *talk
	fresh bool // it has seen the connection's start: what is lost stays lost
	part  part
	line  []byte
	start int64     // of the message
	names [4]string // of the direction: begun, head done, body byte, end

	method  string
	status  int
	length  int64 // Content-Length, or of the chunk: what is left; -1: none
	chunked bool
	body    int64 // body bytes seen
}

func newHTTP1(direction string, t *talk, fresh bool) *http1 {
	h := &http1{up: direction == Up, talk: t, fresh: fresh, part: dead}
	h.names = [4]string{ResponseHeadBegun, ResponseHeadDone, ResponseBodyByte, ResponseEnd}
	if h.up {
		h.names = [4]string{RequestHeadBegun, RequestHeadDone, RequestBodyByte, RequestEnd}
	}
	if fresh {
		h.part = between
	}
	return h
}

func (h *http1) feed(at int64, b []byte, found func(mark)) {
	if h.part == dead && !h.fresh && !h.talk.switched() && h.begins(b) {
		h.part = between
	}
	for len(b) > 0 && h.part != dead {
		n := h.step(at, b, found)
		at, b = at+n, b[n:]
	}
}

// begins tells whether a read begins a message: a method and a space, or a version.
func (h *http1) begins(b []byte) bool {
	if !h.up {
		return bytes.HasPrefix(b, []byte("HTTP/1."))
	}
	method, _, ok := bytes.Cut(b[:min(len(b), 24)], []byte(" "))
	return ok && len(method) > 0 && bytes.IndexFunc(method, func(r rune) bool { return r < 'A' || r > 'Z' }) < 0
}

// step takes some bytes of one part.
func (h *http1) step(at int64, b []byte, found func(mark)) int64 {
	switch h.part {
	case between:
		return h.begin(b)
	case fixed, chunkData:
		n := min(h.length, int64(len(b)))
		h.content(at, n, found)
		if h.length -= n; h.length == 0 {
			h.emptied(at+n, found)
		}
		return n
	case untilClose:
		h.content(at, int64(len(b)), found)
		return int64(len(b))
	}
	return h.lines(at, b, found)
}

// begin passes over empty lines before a message (RFC 9112 §2.2).
func (h *http1) begin(b []byte) int64 {
	if b[0] == '\r' || b[0] == '\n' {
		return 1
	}
	if h.talk.switched() || h.up && (b[0] < 'A' || b[0] > 'Z') || !h.up && b[0] != 'H' {
		h.part = dead
		return 0
	}
	h.part = startLine
	h.line, h.chunked, h.length, h.body = h.line[:0], false, -1, 0
	return 0
}

func (h *http1) content(at, n int64, found func(mark)) {
	found(mark{name: h.names[2], at: at, body: h.body, n: n})
	h.body += n
}

// emptied ends a body, or a chunk.
func (h *http1) emptied(at int64, found func(mark)) {
	if h.part == chunkData {
		h.part = chunkEnd
		return
	}
	h.finish(at, found)
}

func (h *http1) finish(at int64, found func(mark)) {
	found(mark{name: h.names[3], at: at})
	h.part = between
}

// lines collects one and takes it when it is complete.
func (h *http1) lines(at int64, b []byte, found func(mark)) int64 {
	n, whole := len(b), false
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		n, whole = i+1, true
	}
	if h.part == startLine && len(h.line) == 0 {
		h.started(at, found)
	}
	h.line = append(h.line, b[:min(n, max(0, maxLine-len(h.line)))]...)
	if whole {
		line := strings.TrimRight(string(h.line), "\r\n")
		h.line = h.line[:0]
		h.take(line, at+int64(n), found)
	}
	return int64(n)
}

// started notes where a message begins. Whether a response is a final one shows
// in its first line only.
func (h *http1) started(at int64, found func(mark)) {
	if h.start = at; h.up {
		found(mark{name: h.names[0], at: at})
	}
}

// take understands one line, which ends before at.
func (h *http1) take(line string, at int64, found func(mark)) {
	switch h.part {
	case startLine:
		h.part = fieldLine
		if h.up {
			h.request(line, at, found)
		} else {
			h.response(line, found)
		}
	case fieldLine:
		if line == "" {
			h.headDone(at, found)
		} else {
			h.field(line)
		}
	case chunkLine:
		h.chunk(line)
	case chunkEnd:
		h.part = chunkLine
	case trailer:
		if line == "" {
			h.finish(at, found)
		}
	}
}

func (h *http1) request(line string, at int64, found func(mark)) {
	method, rest, _ := strings.Cut(line, " ")
	target, version, ok := strings.Cut(rest, " ")
	if !ok || !strings.HasPrefix(version, "HTTP/1.") {
		h.part = dead
		return
	}
	h.method = method
	h.talk.asked(method)
	m := mark{name: requestLine, at: at}
	m.class, m.id = named(target)
	found(m)
}

// named reads class and id from a path /fb/CLASS/ID, which a proxy may have made
// an absolute one.
func named(target string) (class, id string) {
	_, rest, ok := strings.Cut(target, "/fb/")
	if !ok {
		return "", ""
	}
	class, id, _ = strings.Cut(rest, "/")
	if i := strings.IndexAny(id, "?/#"); i >= 0 {
		id = id[:i]
	}
	return class, id
}

func (h *http1) response(line string, found func(mark)) {
	version, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(rest, " ")
	status, err := strconv.Atoi(code)
	if !strings.HasPrefix(version, "HTTP/1.") || err != nil {
		h.part = dead
		return
	}
	if h.status = status; status >= 200 || status == 101 {
		h.method = h.talk.answered()
		found(mark{name: h.names[0], at: h.start})
	}
}

func (h *http1) field(line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.ToLower(strings.TrimSpace(value))
	switch strings.ToLower(name) {
	case "content-length":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			h.part = dead
			return
		}
		h.length = n
	case "transfer-encoding":
		h.chunked = h.chunked || strings.HasSuffix(value, "chunked")
	}
}

// headDone decides how the body is framed (RFC 9112 §6.3).
func (h *http1) headDone(at int64, found func(mark)) {
	if !h.up && h.status < 200 && h.status != 101 {
		h.part = between
		return
	}
	found(mark{name: h.names[1], at: at})
	switch {
	case h.tunnels():
		h.talk.becomesTunnel()
		h.part = dead
		h.fresh = true // for good
	case h.bodyless():
		h.finish(at, found)
	case h.chunked:
		h.part = chunkLine
	case h.length > 0:
		h.part = fixed
	case h.length == 0 || h.up:
		h.finish(at, found)
	default:
		h.part = untilClose
	}
}

func (h *http1) tunnels() bool {
	return !h.up && (h.status == 101 || h.method == "CONNECT" && h.status < 300)
}

func (h *http1) bodyless() bool {
	return !h.up && (h.method == "HEAD" || h.status == 204 || h.status == 304)
}

func (h *http1) chunk(line string) {
	size, _, _ := strings.Cut(line, ";")
	n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 64)
	switch {
	case err != nil || n < 0:
		h.part = dead
	case n == 0:
		h.part = trailer
	default:
		h.part, h.length = chunkData, n
	}
}
