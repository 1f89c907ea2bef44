package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a TCP connection whose writes fail with [os.ErrDeadlineExceeded] once
// the peer has taken no byte for stall. It works below TLS, so on both legs and
// for every protocol.
//
// What it embeds is an interface: a *net.TCPConn would bring ReadFrom along, which
// io.Copy prefers and which knows no stall.
type conn struct {
	net.Conn
	stall time.Duration
	limit atomic.Int64 // what SetWriteDeadline asked for, ns since 1970; 0: nothing
}

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	ns := int64(0)
	if !t.IsZero() {
		ns = t.UnixNano()
	}
	c.limit.Store(ns)
	return c.Conn.SetWriteDeadline(t)
}

// Write starts its patience anew with every byte that the kernel takes.
func (c *conn) Write(p []byte) (int, error) {
	for n := 0; ; {
		until, limited := c.until()
		if err := c.Conn.SetWriteDeadline(until); err != nil {
			return n, err
		}
		m, err := c.Conn.Write(p[n:])
		n += m
		if err == nil || m == 0 || limited || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
}

func (c *conn) until() (t time.Time, limited bool) {
	t = time.Now().Add(c.stall)
	if ns := c.limit.Load(); ns != 0 && ns < t.UnixNano() {
		return time.Unix(0, ns), true
	}
	return t, false
}

// CloseWrite sends FIN.
func (c *conn) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

// reset makes Close send RST, for when FIN would look like the end of a body.
func (c *conn) reset() { c.Conn.(*net.TCPConn).SetLinger(0) }

// listener accepts conns.
type listener struct {
	net.Listener
	stall time.Duration
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, stall: l.stall}, nil
}

// dial returns a function that connects to the origin.
func dial(timeout, stall time.Duration) func(context.Context, string, string) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout, KeepAlive: 15 * time.Second}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: c, stall: stall}, nil
	}
}

// raw is the TCP connection below: to close it needs no peer that reads.
func raw(c net.Conn) net.Conn {
	if t, ok := c.(*tls.Conn); ok {
		return t.NetConn()
	}
	return c
}

// conns are the open client connections, tunnels included. net/http's Shutdown
// alone does not do: to it a connection that has not sent a whole head is busy
// for 5 s (go.dev/issue/22682), and a hijacked one does not exist.
type conns struct {
	mu    sync.Mutex
	state map[net.Conn]http.ConnState
	gone  chan struct{} // has a value when one was removed
}

func newConns() *conns {
	return &conns{state: map[net.Conn]http.ConnState{}, gone: make(chan struct{}, 1)}
}

// set is the http.Server's ConnState hook. A hijacked connection stays until
// remove. HTTP/2 connections come here too, as active and idle.
func (c *conns) set(nc net.Conn, s http.ConnState) {
	if s == http.StateClosed {
		c.remove(nc)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state[nc] = s
}

func (c *conns) remove(nc net.Conn) {
	c.mu.Lock()
	delete(c.state, nc)
	c.mu.Unlock()
	select {
	case c.gone <- struct{}{}:
	default:
	}
}

func (c *conns) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.state)
}

// closeAll closes the connections that which accepts. The lock is held, so none
// of them can become active in between.
func (c *conns) closeAll(which func(http.ConnState) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for nc, s := range c.state {
		if which(s) {
			raw(nc).Close()
		}
	}
}

// wait returns when no connection is left, or with the context's error.
func (c *conns) wait(ctx context.Context) error {
	for c.len() > 0 {
		select {
		case <-c.gone:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
