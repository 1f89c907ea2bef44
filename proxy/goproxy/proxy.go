package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// proxy forwards requests to the origin.
type proxy struct {
	c        config
	log      *slog.Logger
	conns    *conns
	metrics  *metrics
	reverse  *httputil.ReverseProxy
	tunnels  tunnels
	inFlight atomic.Int64
	draining atomic.Bool // from the signal on
}

func newProxy(c config, logger *slog.Logger) (*proxy, error) {
	back, err := c.backTLS()
	if err != nil {
		return nil, err
	}
	p := &proxy{c: c, log: logger, conns: newConns()}
	p.metrics = newMetrics(p.conns)
	p.reverse = &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      transport(c, back),
		FlushInterval:  -1, // each write at once: what the origin sends, the client gets
		ErrorHandler:   p.failed,
		ErrorLog:       log.New(io.Discard, "", 0), // failed and download have said it
		ModifyResponse: p.received,
	}
	return p, nil
}

// transport differs from the default one in that it takes no proxy from the
// environment, decompresses nothing, and gives up sooner.
func transport(c config, back *tls.Config) *http.Transport {
	return &http.Transport{
		DialContext:           dial(c.originConnectTimeout, c.streamIdle),
		TLSClientConfig:       back,
		TLSHandshakeTimeout:   c.originConnectTimeout,
		ResponseHeaderTimeout: c.originResponseHeaderTime,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
		MaxIdleConns:          c.maxIdleOrigin,
		MaxIdleConnsPerHost:   max(c.maxIdleOrigin, 1), // 0 would mean 2
		DisableKeepAlives:     c.maxIdleOrigin == 0,
		IdleConnTimeout:       30 * time.Second,
		WriteBufferSize:       32 << 10,
		ReadBufferSize:        32 << 10,
	}
}

func (p *proxy) rewrite(r *httputil.ProxyRequest) {
	r.SetURL(p.c.origin)
	r.Out.Host = r.In.Host
	r.Out.URL.RawQuery = r.In.URL.RawQuery // as it came, even where Go's parser would drop something
	r.Out.Trailer = r.In.Trailer           // net/http fills it in when the body has been read
	r.SetXForwarded()
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/healthz" && r.Method == http.MethodGet:
		p.health(w)
	case r.URL.Path == "/metrics" && r.Method == http.MethodGet:
		p.metrics.handler.ServeHTTP(w, r)
	case r.Method == http.MethodConnect:
		http.Error(w, "no CONNECT here", http.StatusMethodNotAllowed)
	case !ascii(r.RequestURI): // net/http lets it pass, and would pass it on (RFC 9112 §3.2)
		http.Error(w, "bad request target", http.StatusBadRequest)
	default:
		p.forward(w, r)
	}
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > '~' })
}

func (p *proxy) health(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain")
	if p.draining.Load() {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "draining\n")
		return
	}
	io.WriteString(w, "ok\n")
}

func (p *proxy) forward(w http.ResponseWriter, r *http.Request) {
	p.inFlight.Add(1)
	defer p.inFlight.Add(-1)
	p.metrics.inFlight.Inc()
	defer p.metrics.inFlight.Dec()
	x := p.exchange(w, r)
	defer x.close()
	if !r.ProtoAtLeast(1, 1) {
		defer resetOnPanic(r)
	}
	p.reverse.ServeHTTP(x, x.r)
	p.log.Debug("request", "method", r.Method, "path", r.URL.Path, "status", x.status)
}

type connKey struct{}

// resetOnPanic turns the end of an aborted response into RST: an HTTP/1.0 body
// may end where the connection does, so FIN would pass half of one for a whole.
func resetOnPanic(r *http.Request) {
	if v := recover(); v != nil {
		if c, ok := raw(r.Context().Value(connKey{}).(net.Conn)).(*conn); ok {
			c.reset()
		}
		panic(v)
	}
}

// received is called with each response's head.
func (p *proxy) received(r *http.Response) error {
	if r.StatusCode < 100 { // net/http would panic on it
		return fmt.Errorf("status %03d", r.StatusCode)
	}
	if r.StatusCode != http.StatusSwitchingProtocols {
		r.Body = exchangeOf(r.Request.Context()).download(r.Body)
	}
	return nil
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

// failed answers a request that got no response. There is none to write if it is
// the client that went away: an abort ends the connection, or the HTTP/2 stream.
func (p *proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	x := w.(*exchange)
	bad := x.upload.failure()
	switch {
	case errors.Is(bad, os.ErrDeadlineExceeded):
		x.fail(http.StatusRequestTimeout, "request body stalled")
	case bad != nil && r.Context().Err() == nil && !errors.Is(bad, io.ErrUnexpectedEOF) && !errors.Is(bad, syscall.ECONNRESET):
		x.fail(http.StatusBadRequest, "malformed request body")
	case bad != nil || r.Context().Err() != nil || x.tunnel != nil:
		panic(http.ErrAbortHandler)
	default:
		kind, code := classify(err)
		p.originError(kind, err)
		x.fail(code, kind)
	}
}

// fail answers with an error of our own.
func (x *exchange) fail(code int, why string) {
	http.Error(x, http.StatusText(code)+": "+why, code)
}

func (p *proxy) originError(kind string, err error) {
	p.metrics.errors.WithLabelValues(kind).Inc()
	p.log.Warn("origin", "kind", kind, "error", err.Error())
}

// classify names a failure of the back leg and the status that tells of it: 504
// if the origin was too slow, 502 for all else.
func classify(err error) (kind string, code int) {
	var op *net.OpError
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var timeout interface{ Timeout() bool }
	dialing := errors.As(err, &op) && op.Op == "dial"
	switch {
	case errors.As(err, &verify), errors.As(err, &record), op != nil && (op.Op == "remote error" || op.Op == "local error"): // TLS alerts
		return "tls", http.StatusBadGateway
	case errors.Is(err, os.ErrDeadlineExceeded) && !dialing:
		return "idle", http.StatusGatewayTimeout // it stopped reading the request
	case errors.As(err, &timeout) && timeout.Timeout():
		if dialing || err.Error() == "net/http: TLS handshake timeout" {
			return "connect_timeout", http.StatusGatewayTimeout
		}
		return "response_timeout", http.StatusGatewayTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused", http.StatusBadGateway
	case dialing:
		return "connect", http.StatusBadGateway
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset", http.StatusBadGateway
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), strings.Contains(err.Error(), "server closed idle connection"):
		return "closed", http.StatusBadGateway
	}
	return "bad_response", http.StatusBadGateway
}
