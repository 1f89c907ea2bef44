package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// errIdle is why a response body was given up.
var errIdle = errors.New("origin moved no byte within --stream-idle-timeout")

// exchange is one request on its way, and the ResponseWriter of it.
type exchange struct {
	http.ResponseWriter
	p      *proxy
	ctl    *http.ResponseController
	r      *http.Request
	cancel context.CancelCauseFunc
	upload *upload // nil without a body
	status int     // of the response's head; 0 before
	tunnel *tunnel // nil unless upgraded
}

// exchange wraps a request that is to be forwarded, and its ResponseWriter.
func (p *proxy) exchange(w http.ResponseWriter, r *http.Request) *exchange {
	ctx, cancel := context.WithCancelCause(r.Context())
	x := &exchange{ResponseWriter: w, p: p, ctl: http.NewResponseController(w), cancel: cancel}
	x.r = r.WithContext(context.WithValue(ctx, exchangeKey{}, x))
	if r.ContentLength != 0 {
		x.upload = &upload{ReadCloser: r.Body, x: x}
		x.r.Body = x.upload
	}
	// Without it an HTTP/1.1 response cannot begin before the request has ended.
	x.ctl.EnableFullDuplex()
	return x
}

// close must run when the exchange is over, however it ended.
func (x *exchange) close() {
	x.cancel(nil)
	if x.upload != nil && !x.upload.ended.Load() {
		// net/http now reads what is left of the body: not for long.
		x.ctl.SetReadDeadline(time.Now().Add(min(time.Second, x.p.c.streamIdle)))
	}
	x.p.metrics.count(x.status)
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader adds what a drain demands. It drops the origin's 100: net/http sends
// one itself once the body is read, which is once the origin has sent it.
func (x *exchange) WriteHeader(code int) {
	if code == http.StatusContinue {
		return
	}
	h := x.Header()
	if code >= 200 {
		x.status = code
		if x.p.draining.Load() || x.earlyAnswer() {
			h.Set("Connection", "close") // to HTTP/2, net/http makes GOAWAY of it
		}
		if _, ok := h["Content-Type"]; !ok {
			h["Content-Type"] = nil // or net/http would guess one
		}
	}
	x.ResponseWriter.WriteHeader(code)
}

// earlyAnswer tells whether a response begins before an HTTP/1.1 request has ended.
// The rest of that request must then not be waited for, nor taken for the next.
func (x *exchange) earlyAnswer() bool {
	return x.r.ProtoMajor == 1 && x.upload != nil && !x.upload.ended.Load()
}

// Write bounds how long an HTTP/2 client may withhold flow control; [conn]
// does the same for TCP's.
func (x *exchange) Write(p []byte) (int, error) {
	if x.r.ProtoMajor == 2 {
		x.ctl.SetWriteDeadline(time.Now().Add(x.p.c.streamIdle))
	}
	return x.ResponseWriter.Write(p)
}

// Hijack makes the connection a tunnel.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := x.ctl.Hijack()
	if err != nil {
		return nil, nil, err
	}
	x.status = http.StatusSwitchingProtocols
	x.tunnel = x.p.tunnel(nc, rw.Reader, strings.EqualFold(x.r.Header.Get("Upgrade"), "websocket"))
	return x.tunnel, rw, nil
}

// upload is a request's body. A Read fails once the client has sent no byte for
// the idle timeout.
type upload struct {
	io.ReadCloser
	x     *exchange
	ended atomic.Bool // read to its end
	err   atomic.Value
}

type bodyError struct{ error }

func (u *upload) Read(p []byte) (int, error) {
	u.x.ctl.SetReadDeadline(time.Now().Add(u.x.p.c.streamIdle))
	n, err := u.ReadCloser.Read(p)
	switch {
	case err == io.EOF:
		u.ended.Store(true)
		// net/http now waits in the background for the client to hang up.
		u.x.ctl.SetReadDeadline(time.Time{})
	case err != nil:
		u.err.Store(bodyError{err})
	}
	return n, err
}

// failure is why the client's body could not be read; nil if it could.
func (u *upload) failure() error {
	if u == nil || u.err.Load() == nil {
		return nil
	}
	return u.err.Load().(bodyError).error
}

// download is a response's body. The exchange is given up once the origin has
// sent no byte for the idle timeout.
type download struct {
	io.ReadCloser
	idle  *time.Timer
	limit time.Duration
}

func (x *exchange) download(body io.ReadCloser) *download {
	d := &download{ReadCloser: body, limit: x.p.c.streamIdle}
	d.idle = time.AfterFunc(d.limit, func() {
		x.p.originError("idle", errIdle)
		x.cancel(errIdle)
	})
	d.idle.Stop()
	return d
}

func (d *download) Read(p []byte) (int, error) {
	d.idle.Reset(d.limit)
	defer d.idle.Stop()
	return d.ReadCloser.Read(p)
}
