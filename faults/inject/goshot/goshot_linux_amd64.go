package goshot

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"faultbed/faults/inject/gobin"
	"faultbed/faults/inject/line"
	"faultbed/faults/inject/tracee"
	"faultbed/reports/history"
	"golang.org/x/sys/unix"
)

// handlers are where every request of net/http's server passes, HTTP/1 and HTTP/2:
// func (sh serverHandler) ServeHTTP(rw ResponseWriter, req *Request).
var handlers = []string{"net/http.serverHandler.ServeHTTP"}

// proxies have the same arguments, and one more behind them.
var proxies = []string{
	"net/http/httputil.(*ReverseProxy).ServeHTTP",
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy.(*Handler).ServeHTTP",
}

// copiers run in the goroutine of the request that they answer. The first register
// is the receiver, or the writer's type: nil is fatal to both.
var copiers = []string{
	"net/http/httputil.(*ReverseProxy).copyResponse",
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy.(*Handler).copyResponse",
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy.Handler.copyResponse",
}

// readers run in the goroutine of a connection to the origin (Transport), one call
// for each response: func (pc *persistConn) readResponse(rc requestAndChan, …).
var readers = []string{"net/http.(*persistConn).readResponse"}

// gun is a shot that is aimed at a process.
type gun struct {
	Shot
	pid     int
	say     func(line.Line)
	t       *tracee.Tracee
	names   map[uint64]string // of the armed functions
	seen    map[uint64]bool   // those that only tell which goroutine serves a request
	serving map[uint64]string // path of a matching request, by its goroutine
	sleep   uint64            // time.Sleep
	fired   int
}

// Fire hits requests of a process until so many were, or the context ends, and says
// what happened. It returns when it has let go. The error wraps [ErrUnsupported],
// [tracee.ErrEnded], or says what failed; the context's end is none.
func Fire(ctx context.Context, pid int, s Shot, say func(line.Line)) error {
	g := &gun{Shot: s, pid: pid, say: say, names: map[uint64]string{}, seen: map[uint64]bool{}, serving: map[uint64]string{}}
	if err := g.aim(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	end, err := tracee.WatchEnd(pid)
	if err != nil {
		return err
	}
	defer end.Close()
	if g.t, err = tracee.Attach(pid); err != nil {
		return err
	}
	err = g.shoot(ctx)
	return errors.Join(err, g.letGo(end))
}

// aim finds the functions.
func (g *gun) aim() error {
	p, err := gobin.Open(g.pid)
	if err != nil {
		return err
	}
	hit := handlers
	switch {
	case g.Do == Die:
		hit = readers
	case g.Point == Proxy:
		hit = proxies
	case g.Point == Response:
		hit = copiers
		if err := g.enter(p, g.seen, handlers...); err != nil {
			return err
		}
	}
	if g.Do == Hang {
		f, err := p.Find("time.Sleep")
		if err != nil {
			return err
		}
		g.sleep = f.Entry
	}
	return g.enter(p, nil, hit...)
}

// enter notes those of the functions that the program has.
func (g *gun) enter(p *gobin.Program, seen map[uint64]bool, names ...string) error {
	if _, err := p.Find(names...); err != nil {
		return err
	}
	for _, f := range p.All(names...) {
		g.names[f.Entry] = f.Name
		if seen != nil {
			seen[f.Entry] = true
		}
	}
	return nil
}

// shoot arms, and handles hits until enough requests were changed.
func (g *gun) shoot(ctx context.Context) error {
	var points []uint64
	for p := range g.names {
		points = append(points, p)
	}
	if err := g.t.Arm(ctx, points...); err != nil {
		return quiet(ctx, err)
	}
	g.say(line.Line{Event: line.Ready, T: history.Now(), PID: g.pid})
	for g.fired < g.Times {
		h, err := g.t.Next(ctx)
		if err != nil {
			return quiet(ctx, err)
		}
		if err := g.meet(h); err != nil {
			return err
		}
	}
	return nil
}

// quiet is the error, unless it is that time is up or that the process has ended.
func quiet(ctx context.Context, err error) error {
	if errors.Is(err, tracee.ErrEnded) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// meet looks at a thread at a breakpoint, changes it if it serves a request that is
// to be hit, and lets it go on.
func (g *gun) meet(h tracee.Hit) error {
	r, err := h.Thread.Regs()
	if err != nil {
		return err
	}
	path, hit := g.judge(h.At, r)
	if hit {
		g.change(&r)
		if err := h.Thread.SetRegs(r); err != nil {
			return err
		}
	}
	if err := g.t.Resume(h.Thread); err != nil || !hit {
		return err
	}
	g.fired++
	now := history.Now()
	g.say(line.Line{Event: line.Fired, T: now, PID: g.pid, TID: h.Thread.TID, Func: g.names[h.At], Path: path, Held: now - h.T})
	return nil
}

// judge reads which request a call is for, and whether it is to be hit. One whose
// receiver is nil was: a call begins anew when its stack has grown.
func (g *gun) judge(at uint64, r unix.PtraceRegs) (path string, hit bool) {
	if g.seen[at] {
		delete(g.serving, r.R14) // the goroutine: it serves one request after the other
		if path := g.path(r.Rdi); g.Match(path) {
			g.serving[r.R14] = path
		}
		return "", false
	}
	switch {
	case r.Rax == 0:
		return "", false
	case len(g.seen) > 0:
		path, hit = g.serving[r.R14]
		delete(g.serving, r.R14)
		return path, hit
	case g.Do == Die:
		path = g.upstream(r.Rbx)
	default:
		path = g.path(r.Rdi)
	}
	return path, g.Match(path)
}

func (g *gun) change(r *unix.PtraceRegs) {
	r.Rax = 0
	if g.Do == Hang {
		r.Rip, r.Rax = g.sleep, uint64(g.Sleep) // it returns to the handler's caller
	}
}

// Offsets of net/http.Request.URL and net/url.URL.Path, since Go 1.0 and 1.5.
const (
	requestURL = 16
	urlPath    = 56
	longest    = 4096 // bytes of a path that are worth reading
)

// path is the path of the *http.Request there; empty if that is none.
func (g *gun) path(request uint64) string {
	url, ok := g.word(request + requestURL)
	if !ok {
		return ""
	}
	at, ok := g.word(url + urlPath)
	n, ok2 := g.word(url + urlPath + 8)
	if !ok || !ok2 || n == 0 || n > longest {
		return ""
	}
	b := make([]byte, n)
	if g.t.Read(at, b) != nil || b[0] != '/' {
		return ""
	}
	return strings.ToValidUTF8(string(b), "\ufffd")
}

// upstream is the path of a request to the origin, by the first field of
// requestAndChan: a *transportRequest, which begins with its *Request (Go 1.23), or
// that itself.
func (g *gun) upstream(first uint64) string {
	if inner, ok := g.word(first); ok {
		if p := g.path(inner); p != "" {
			return p
		}
	}
	return g.path(first)
}

func (g *gun) word(at uint64) (uint64, bool) {
	var b [8]byte
	err := g.t.Read(at, b[:])
	return binary.NativeEndian.Uint64(b[:]), err == nil && at != 0
}

// dying is how long a process may take to print its goroutines and end.
const dying = 3 * time.Second

// letGo detaches and says so.
func (g *gun) letGo(end *tracee.End) error {
	err := g.t.Detach()
	held := g.t.Held()
	l := line.Line{Event: line.Detached, T: history.Now(), PID: g.pid, Held: held.Longest, Stops: held.Stops, Fired: g.fired}
	wait := time.Duration(0)
	if g.Do == Die && g.fired > 0 {
		wait = dying
	}
	if end.Within(wait) {
		l.Ended = "ended"
	} else if wait > 0 {
		err = errors.Join(err, errors.New("the process lives on"))
	}
	g.say(l)
	return err
}
