package wire

import (
	"fmt"
	"slices"
	"strings"

	"faultbed/faults/param"
)

// Protocols that the relay can read, unencrypted.
const (
	HTTP1 = "http1"
	HTTP2 = "http2"
	TLS   = "tls"
)

// Instants of a protocol. A fault begins just before the next byte of the
// instant's direction passes. On a connection that is open at the injection they
// count from the first read that begins a message (HTTP/1), a frame or a record.
const (
	RequestHeadBegun  = "request-head-begun"
	RequestHeadDone   = "request-head-done"
	RequestBodyByte   = "request-body-byte" // before this byte of a body, counted without chunk framing
	RequestEnd        = "request-end"
	ResponseHeadBegun = "response-head-begun" // of a final response: 1xx are none
	ResponseHeadDone  = "response-head-done"
	ResponseBodyByte  = "response-body-byte"
	ResponseEnd       = "response-end" // a response that ends with its connection has none

	RequestFrame  = "request-frame"  // the client's frames of HTTP/2, before their header
	ResponseFrame = "response-frame" // the server's

	ClientRecord      = "client-record"      // a TLS record of the client, before its header
	ServerRecord      = "server-record"      // of the server
	ClientHello       = "client-hello"       // the record in which it begins
	ServerHello       = "server-hello"       // HelloRetryRequest is one too (RFC 8446 §4.1.4)
	ServerCertificate = "server-certificate" // in TLS 1.3, which encrypts it, the server's first encrypted record
	ClientFinished    = "client-finished"    // the client's first encrypted record: in TLS 1.3 the one that begins its last flight
	ServerFinished    = "server-finished"    // TLS 1.2 only, the server's first encrypted record; in 1.3 count records
)

// instant is where one happens.
type instant struct{ name, protocol, direction string }

var instants = []instant{
	{RequestHeadBegun, HTTP1, Up}, {RequestHeadDone, HTTP1, Up}, {RequestBodyByte, HTTP1, Up}, {RequestEnd, HTTP1, Up},
	{ResponseHeadBegun, HTTP1, Down}, {ResponseHeadDone, HTTP1, Down}, {ResponseBodyByte, HTTP1, Down}, {ResponseEnd, HTTP1, Down},
	{RequestFrame, HTTP2, Up}, {ResponseFrame, HTTP2, Down},
	{ClientHello, TLS, Up}, {ServerHello, TLS, Down}, {ServerCertificate, TLS, Down}, {ClientFinished, TLS, Up}, {ServerFinished, TLS, Down},
	{ClientRecord, TLS, Up}, {ServerRecord, TLS, Down},
}

func instantNames() (names []string) {
	for _, i := range instants {
		names = append(names, i.name)
	}
	return names
}

func instantOf(name string) (instant, bool) {
	i := slices.IndexFunc(instants, func(i instant) bool { return i.name == name })
	if i < 0 {
		return instant{}, false
	}
	return instants[i], true
}

// requestLine marks the end of one: not an instant to choose, but what a request
// is chosen by.
const requestLine = "request-line"

// mark is an instant that a parser has found.
type mark struct {
	name      string
	at        int64  // bytes of the direction before it
	body, n   int64  // of a body: n bytes from byte number body on
	frame     string // its type
	class, id string // of a request line
}

// parser finds the marks of one direction. It is fed all bytes once, in order,
// in pieces of any size, the first at offset at, and gives its marks in order.
type parser interface {
	feed(at int64, b []byte, found func(mark))
}

// parsers are those that the faults of one direction need.
type parsers map[string]parser

// see looks for instants in bytes that were read.
func (p *pump) see(b []byte) {
	at := p.read.Load() - int64(len(b))
	for _, name := range p.protocols() {
		if p.parse[name] == nil {
			if p.parse == nil {
				p.parse = parsers{}
			}
			p.parse[name] = newParser(name, p.direction, &p.c.talk, at == 0)
		}
		p.parse[name].feed(at, b, p.saw)
	}
}

func (p *pump) protocols() (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.watches {
		if n := w.protocol(); !w.gone() && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// newParser is one for a connection's start, or for what began before.
func newParser(protocol, direction string, t *talk, fresh bool) parser {
	switch protocol {
	case HTTP1:
		return newHTTP1(direction, t, fresh)
	case HTTP2:
		return newHTTP2(direction, fresh)
	}
	return newTLS(direction, fresh)
}

// saw lets those who waited for a mark act.
func (p *pump) saw(m mark) {
	p.mu.Lock()
	watches := slices.Clone(p.watches)
	p.mu.Unlock()
	for _, w := range watches {
		switch {
		case w.gone():
		case w.notes != nil:
			w.notes.saw(p, m)
		case w.h == nil && w.wants(m) && w.a.takes(m.id):
			p.c.grip(w.a, &m)
		case w.h != nil:
			if at, ok := w.meets(m); ok {
				w.fire(p, at)
			}
		}
	}
}

// wants tells whether a request is one of those that the fault is for.
func (w *watch) wants(m mark) bool {
	return m.name == requestLine && (w.a.Class == "" || w.a.Class == "any" || w.a.Class == m.class) && strings.HasPrefix(m.id, w.a.Request)
}

// meets tells whether a mark is the one that is waited for, and where.
func (w *watch) meets(m mark) (at int64, ok bool) {
	f := w.h.Fault
	switch {
	case m.name != f.When || f.framed() && m.frame != f.Frame:
		return 0, false
	case m.n > 0 && (f.Byte < m.body || f.Byte >= m.body+m.n):
		return 0, false
	}
	return m.at + max(0, f.Byte-m.body), w.left.Add(-1) == 0
}

// fire begins the fault: in the direction of the instant exactly there, in the
// other one as soon as it was reached.
func (w *watch) fire(p *pump, at int64) {
	w.left.Store(0)
	for _, g := range w.h.grips {
		if g.p != p {
			p.hang(&grip{hold: w.h, p: p, does: starter{g}, from: unknown, at: at})
			continue
		}
		p.mu.Lock()
		g.at = at + g.AtByte
		p.mu.Unlock()
	}
}

// Trigger is one place at which a fault can begin, in the parameters of a fault.
type Trigger struct {
	When      string
	Nth       int    // 0 is 1
	Byte      int64  // of a body
	Frame     string // of HTTP/2
	Direction string // of the instant
	At        int64  // bytes of the direction before it, if it was observed
}

// With is the trigger as a scenario writes it.
func (t Trigger) With() map[string]any {
	with := map[string]any{"when": t.When, "nth": max(t.Nth, 1), "direction": t.Direction}
	if t.Byte > 0 {
		with["byte"] = t.Byte
	}
	if t.Frame != "" {
		with["frame"] = t.Frame
	}
	return with
}

// Set makes a fault begin there.
func (t Trigger) Set(f Fault) Fault {
	f.When, f.Nth, f.Byte, f.Frame, f.AtByte = t.When, max(t.Nth, 1), t.Byte, t.Frame, 0
	f.Direction = t.Direction
	return f
}

func (t Trigger) String() string {
	s := t.When
	if t.Frame != "" {
		s += " " + t.Frame
	}
	if t.Nth > 1 {
		s += fmt.Sprintf(" #%d", t.Nth)
	}
	if t.When == RequestBodyByte || t.When == ResponseBodyByte {
		s += fmt.Sprintf(" %d", t.Byte)
	}
	return s
}

// Instants lists the instants of one exchange of a protocol, the client's before
// the server's, for a sweep that runs a fault at each. request and response are
// the lengths of the bodies in bytes; of HTTP/2 it knows the first frame of each
// type, of TLS the first records. [Observe] finds those of an exchange that was
// recorded.
func Instants(protocol string, request, response int64) (ts []Trigger, err error) {
	bodies := map[string]int64{RequestBodyByte: request, ResponseBodyByte: response}
	for _, i := range instants {
		n, body := bodies[i.name]
		switch {
		case i.protocol != protocol:
		case body:
			for _, b := range ends(n) {
				ts = append(ts, Trigger{When: i.name, Direction: i.direction, Byte: b})
			}
		case protocol == HTTP2:
			for _, f := range frameNames {
				ts = append(ts, Trigger{When: i.name, Direction: i.direction, Frame: f})
			}
		default:
			ts = append(ts, Trigger{When: i.name, Direction: i.direction})
		}
	}
	if ts == nil {
		return nil, param.Errorf("protocol", "no protocol %q: http1, http2 and tls are known", protocol)
	}
	return ts, nil
}

// ends are the first, the middle and the last byte of n.
func ends(n int64) []int64 {
	bs := []int64{0, n / 2, n - 1}[:min(n, 3)]
	return slices.Compact(bs)
}

// Observe finds every instant of an exchange from the bytes of its two
// directions, the client's before the server's, with the offset of each. Of a
// body it gives the first byte of each piece and the last one.
func Observe(protocol string, up, down []byte) (ts []Trigger, err error) {
	if _, err := Instants(protocol, 0, 0); err != nil {
		return nil, err
	}
	var t talk
	for _, d := range []struct {
		direction string
		b         []byte
	}{{Up, up}, {Down, down}} {
		o := observer{direction: d.direction, seen: map[string]int{}}
		newParser(protocol, d.direction, &t, true).feed(0, d.b, o.saw)
		ts = append(ts, o.found...)
	}
	return ts, nil
}

// observer counts marks as watches do.
type observer struct {
	direction string
	seen      map[string]int // nth of each name and frame
	found     []Trigger
}

func (o *observer) saw(m mark) {
	t := Trigger{When: m.name, Direction: o.direction, Frame: m.frame, Byte: m.body, At: m.at}
	switch {
	case m.name == requestLine:
	case m.n == 0:
		o.seen[m.name+m.frame]++
		t.Nth = o.seen[m.name+m.frame]
		o.found = append(o.found, t)
	default:
		o.body(m, t)
	}
}

// body gives a piece of a body its number: the one of the message that has begun.
func (o *observer) body(m mark, t Trigger) {
	t.Nth = max(o.seen[RequestHeadBegun], o.seen[ResponseHeadBegun])
	o.found = append(o.found, t)
	if m.n > 1 {
		t.Byte, t.At = m.body+m.n-1, m.at+m.n-1
		o.found = append(o.found, t)
	}
}
