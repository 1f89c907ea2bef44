package main

import (
	"context"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// settle is for what is on the wire: when the signal comes it is still
	// accepted, and when the listeners have closed it is still read and answered,
	// with Connection: close.
	settle = 20 * time.Millisecond
	// headTime is what connections without a whole request head get after that.
	headTime = 100 * time.Millisecond
)

// server is the proxy with its listeners.
type server struct {
	*proxy
	http       http.Server
	plain, tls net.Listener // nil if not wanted
	failed     chan error   // of a listener, for ever
}

// newServer listens. Connections queue until start.
func newServer(c config, logger *slog.Logger) (*server, error) {
	p, err := newProxy(c, logger)
	if err != nil {
		return nil, err
	}
	s := &server{proxy: p, failed: make(chan error, 2)}
	s.http = http.Server{
		Handler:                      p,
		ReadHeaderTimeout:            c.readHeaderTimeout,
		IdleTimeout:                  c.keepalive,
		MaxHeaderBytes:               64 << 10,
		ConnState:                    p.conns.set,
		ConnContext:                  func(ctx context.Context, nc net.Conn) context.Context { return context.WithValue(ctx, connKey{}, nc) },
		ErrorLog:                     log.New(httpLog{logger}, "", 0),
		DisableGeneralOptionsHandler: true,
	}
	if c.crashHooks {
		s.http.Handler = crashing(p)
	}
	if s.http.TLSConfig, err = c.frontTLS(); err != nil {
		return nil, err
	}
	if s.plain, err = listen(c.listen, c.streamIdle); err != nil {
		return nil, err
	}
	s.tls, err = listen(c.listenTLS, c.streamIdle)
	return s, err
}

func listen(addr string, stall time.Duration) (net.Listener, error) {
	if addr == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return listener{l, stall}, nil
}

// start serves in the background and says so.
func (s *server) start() {
	ready := []any{"origin", s.c.origin.String()}
	if s.plain != nil {
		ready = append(ready, "listen", s.plain.Addr().String())
		go func() { s.report(s.http.Serve(s.plain)) }()
	}
	if s.tls != nil {
		ready = append(ready, "listen_tls", s.tls.Addr().String())
		go func() { s.report(s.http.ServeTLS(s.tls, "", "")) }()
	}
	s.log.Info("ready", ready...)
}

func (s *server) report(err error) {
	if !s.draining.Load() {
		s.failed <- err
	}
}

// drain ends the server and returns how much work it had to cut.
func (s *server) drain() (cut int) {
	s.draining.Store(true)
	time.Sleep(s.c.shutdownDelay)
	ctx, cancel := context.WithTimeout(context.Background(), s.c.gracefulTimeout)
	defer cancel()
	time.Sleep(min(settle, s.c.gracefulTimeout/4))
	s.closeListeners() // first alone: net/http drops a request that it reads while it shuts down
	time.Sleep(min(settle, s.c.gracefulTimeout/4))
	go s.http.Shutdown(ctx) // idle connections, GOAWAY
	s.tunnels.tell()
	defer time.AfterFunc(headTime, s.closeHeadless).Stop()
	if s.conns.wait(ctx) == nil {
		return 0
	}
	cut = max(int(s.inFlight.Load())-s.tunnels.toldOpen(), 0)
	s.conns.closeAll(func(http.ConnState) bool { return true })
	return cut
}

func (s *server) closeListeners() {
	for _, l := range []net.Listener{s.plain, s.tls} {
		if l != nil {
			l.Close()
		}
	}
}

// closeHeadless closes connections whose first request has not wholly arrived.
// On later requests of a connection net/http calls that idle, and closes it too.
func (s *server) closeHeadless() {
	s.conns.closeAll(func(state http.ConnState) bool { return state == http.StateNew })
}

// httpLog takes net/http's words: a panic matters, what clients do wrong hardly.
type httpLog struct{ log *slog.Logger }

func (l httpLog) Write(p []byte) (int, error) {
	level := slog.LevelDebug
	if s := string(p); strings.Contains(s, "panic serving") || strings.Contains(s, "Accept error") {
		level = slog.LevelError
	}
	l.log.Log(context.Background(), level, strings.TrimSpace(string(p)))
	return len(p), nil
}
