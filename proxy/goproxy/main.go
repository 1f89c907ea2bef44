// Command goproxy is faultbed's reference reverse proxy in Go: net/http in front,
// httputil.ReverseProxy behind, configured as for production. It forwards to one
// origin, streams bodies both ways, tunnels WebSockets and speaks HTTP/1.1 on the
// plain listener, HTTP/1.1 and HTTP/2 on the TLS one. It does not balance, cache,
// compress or route. Program pyproxy takes the same settings and keeps the same
// promises; proxy/reference tests both. Start with [main], then [server].
//
// Settings are flags, --name=value; durations as in "1.5s" or "500ms".
//
//	--listen                          host:port of the plain listener
//	--listen-tls                      host:port of the TLS listener; none by default
//	--tls-cert, --tls-key             PEM files for it: chain and private key
//	--origin                          http://host:port or https://host:port; required
//	--origin-ca                       PEM file of roots to verify an https origin by; the system's by default
//	--origin-server-name              name to verify and to send as SNI; the origin's host by default
//	--graceful-shutdown-timeout  10s  a drain ends after so long, whatever is left
//	--shutdown-delay             0s   goes on accepting so long after the signal, /healthz says 503, then drains
//	--read-header-timeout        5s   to receive a request's head (and a TLS handshake); ends silent connections
//	--stream-idle-timeout        60s  ends a body or a tunnel that moves no byte for so long, on either leg
//	--origin-connect-timeout     2s   to connect to the origin, TLS included; then 504
//	--origin-response-header-timeout 10s  from the request's end to the response's head; then 504
//	--keepalive-timeout          75s  an idle client connection is closed after so long
//	--max-idle-origin-connections 64  connections to the origin that are kept for reuse
//	--log-level                  info debug, info, warn or error; JSON on stderr
//
// Answers of its own: GET /healthz (200 ok, 503 draining) and GET /metrics. Errors:
// 502 the origin refused, reset or sent nonsense; 504 it was too slow; 408 and 400
// for a request body that stalled or was malformed. Once a response has begun an
// error cuts the connection, so that nobody takes half a body for a whole one.
// http.Transport repeats idempotent requests when a reused connection turns out
// dead; others never, unless not a byte of them was sent.
//
// SIGTERM and SIGINT drain. /healthz fails and responses carry Connection: close at
// once; 20 ms after the delay, for what is on its way, listeners close, and after 20
// more idle connections; HTTP/2 clients get GOAWAY, WebSocket clients a close frame
// 1001 at the next frame boundary and 1 s to answer it. Connections without a whole
// request head follow 100 ms later. Further signals change nothing.
//
// Exit codes: 0 drained; 1 work was cut at the limit (a request, or a tunnel that
// could not be told), or the proxy could not start; 2 wrong settings.
//
// With FAULTBED_CRASH_HOOKS=1 in the environment the request header X-Faultbed-Crash
// crashes it on purpose; crash.go lists how.
package main

import (
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// First of all: a signal that arrives from here on ends in a drain.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	os.Exit(run(os.Args[1:], signals))
}

// run proxies until the first signal, then drains. Later signals stay in the
// channel, or are dropped.
func run(args []string, signals <-chan os.Signal) int {
	c, err := parse(args, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: c.logLevel}))
	if err != nil {
		log.Error("wrong settings", "error", err.Error())
		return 2
	}
	s, err := newServer(c, log)
	if err != nil {
		log.Error("start", "error", err.Error())
		return 1
	}
	s.start()
	select {
	case sig := <-signals:
		log.Info("draining", "signal", sig.String(), "delay", c.shutdownDelay.String(), "limit", c.gracefulTimeout.String())
	case err := <-s.failed:
		log.Error("serve", "error", err.Error())
		return 1
	}
	if cut := s.drain(); cut > 0 {
		log.Warn("stopped, work was cut", "cut", cut)
		return 1
	}
	log.Info("stopped")
	return 0
}
