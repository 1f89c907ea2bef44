package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// handshakeLimit bounds one handshake; a peer that connects and says nothing is let go.
const handshakeLimit = 10 * time.Second

// HandshakeEvent is the end of one handshake as the server saw it. A connection on
// which the peer sent nothing is not a handshake.
type HandshakeEvent struct {
	RemoteAddr string
	ServerName string // SNI
	Case       string // name of the case that was served; empty if it did not come to that
	OK         bool   // completed; the peer may still hang up after it: nginx verifies its upstream only then
	Alert      string // RFC 8446 §6 name of the fatal alert that the peer sent
	Err        error  // why it failed
}

// Switch serves one case at a time. Sessions are never resumed: a peer that resumes
// verifies nothing.
type Switch struct {
	NextProtos []string // ALPN, http/1.1 if nil; set before Listener

	on         func(HandshakeEvent)
	current    atomic.Pointer[served]
	ok, failed atomic.Int64
}

type served struct {
	name string
	cert tls.Certificate
}

// NewSwitch returns a switch that calls on (if not nil) after each handshake, from
// many goroutines and before the connection is handed to the server.
func NewSwitch(on func(HandshakeEvent)) *Switch {
	if on == nil {
		on = func(HandshakeEvent) {}
	}
	return &Switch{on: on}
}

// Set switches to a case for all handshakes that have not yet seen the client's
// hello. Connections that stand are not touched.
func (s *Switch) Set(c Case) error {
	cert, err := c.TLS()
	if err != nil {
		return fmt.Errorf("%w (case %s)", err, c.Name)
	}
	s.current.Store(&served{c.Name, cert})
	return nil
}

// Counts is how many handshakes completed and how many failed.
func (s *Switch) Counts() (ok, failed int64) { return s.ok.Load(), s.failed.Load() }

// GetCertificate is the hook for a [tls.Config] that serves the current case.
func (s *Switch) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	now := s.current.Load()
	if now == nil {
		return nil, errors.New("certs: no case set")
	}
	if t, ok := hello.Conn.(*tap); ok {
		t.name, t.serverName = now.name, hello.ServerName
	}
	return &now.cert, nil
}

func (s *Switch) config() *tls.Config {
	protos := s.NextProtos
	if protos == nil {
		protos = []string{"http/1.1"}
	}
	return &tls.Config{GetCertificate: s.GetCertificate, NextProtos: protos, SessionTicketsDisabled: true}
}

// Listener takes over l. Accept returns *[tls.Conn] whose handshake is done, so that
// a peer that breaks off or stalls in it holds up nobody. Close ends handshakes
// under way and returns when all of them have been reported.
func (s *Switch) Listener(l net.Listener) net.Listener {
	ctx, cancel := context.WithCancel(context.Background())
	t := &listener{Listener: l, s: s, conf: s.config(), ready: make(chan accepted), ctx: ctx, cancel: cancel}
	t.loops.Go(t.loop)
	return t
}

type accepted struct {
	conn net.Conn
	err  error
}

type listener struct {
	net.Listener
	s      *Switch
	conf   *tls.Config
	ready  chan accepted
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	loops  sync.WaitGroup
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case a := <-l.ready:
		return a.conn, a.err
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.cancel()
	err := l.Listener.Close()
	l.loops.Wait()
	return err
}

func (l *listener) loop() {
	for l.ctx.Err() == nil {
		raw, err := l.Listener.Accept()
		if err != nil {
			l.hand(accepted{err: err})
			continue
		}
		l.loops.Go(func() { l.shake(raw) })
	}
}

// hand gives a connection or an error to Accept, or drops it if nobody will ask.
func (l *listener) hand(a accepted) {
	select {
	case l.ready <- a:
	case <-l.ctx.Done():
		if a.conn != nil {
			a.conn.Close()
		}
	}
}

func (l *listener) shake(raw net.Conn) {
	t := &tap{Conn: raw}
	conn := tls.Server(t, l.conf)
	ctx, cancel := context.WithTimeout(l.ctx, handshakeLimit)
	err := conn.HandshakeContext(ctx)
	cancel()
	t.done.Store(true)
	l.s.report(t, err)
	if err != nil {
		raw.Close()
		return
	}
	l.hand(accepted{conn: conn})
}

func (s *Switch) report(t *tap, err error) {
	if t.bytes == 0 {
		return
	}
	count := &s.ok
	if err != nil {
		count = &s.failed
	}
	count.Add(1)
	s.on(HandshakeEvent{RemoteAddr: t.RemoteAddr().String(), ServerName: t.serverName, Case: t.name,
		OK: err == nil, Alert: t.heard(err), Err: err})
}
