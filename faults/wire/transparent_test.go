package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"faultbed/faults/wire"
	"faultbed/reports/history"
)

// TestTransparent does the same with and without the relay.
func TestTransparent(t *testing.T) {
	for name, f := range map[string]func(t *testing.T, client, server *net.TCPConn){
		"client half-closes":          func(t *testing.T, client, server *net.TCPConn) { halfCloses(t, client, server) },
		"server half-closes":          func(t *testing.T, client, server *net.TCPConn) { halfCloses(t, server, client) },
		"client resets":               func(t *testing.T, client, server *net.TCPConn) { resets(t, client, server) },
		"server resets":               func(t *testing.T, client, server *net.TCPConn) { resets(t, server, client) },
		"client resets after its FIN": func(t *testing.T, client, server *net.TCPConn) { resetsAfterFIN(t, client, server) },
		"server resets after its FIN": func(t *testing.T, client, server *net.TCPConn) { resetsAfterFIN(t, server, client) },
		"reset after the peer's FIN": func(t *testing.T, client, server *net.TCPConn) {
			server.CloseWrite()
			gets(t, client, nil, nil)
			resets(t, client, server)
		},
		"upload":        func(t *testing.T, client, server *net.TCPConn) { transfers(t, client, server) },
		"download":      func(t *testing.T, client, server *net.TCPConn) { transfers(t, server, client) },
		"both at once":  func(t *testing.T, client, server *net.TCPConn) { exchanges(t, client, server) },
		"mute server":   func(t *testing.T, client, server *net.TCPConn) { blocks(t, client, server) },
		"mute client":   func(t *testing.T, client, server *net.TCPConn) { blocks(t, server, client) },
		"ping and pong": func(t *testing.T, client, server *net.TCPConn) { works(t, client, server) },
	} {
		t.Run(name, func(t *testing.T) {
			for via, direct := range map[string]bool{"direct": true, "relay": false} {
				t.Run(via, func(t *testing.T) {
					b := newBed(t, direct)
					client, server := b.dial()
					f(t, client, server)
				})
			}
		})
	}
}

func halfCloses(t *testing.T, near, far *net.TCPConn) {
	send(far, []byte("before "))
	next(t, near, []byte("before "))
	near.Write([]byte("last words"))
	near.CloseWrite()
	gets(t, far, []byte("last words"), nil)
	far.Write([]byte("after"))
	far.Close()
	gets(t, near, []byte("after"), nil)
}

func resets(t *testing.T, near, far *net.TCPConn) {
	reset(near)
	gets(t, far, nil, syscall.ECONNRESET)
}

func resetsAfterFIN(t *testing.T, near, far *net.TCPConn) {
	near.CloseWrite()
	gets(t, far, nil, nil)
	reset(near)
	hangsUp(t, far)
}

func transfers(t *testing.T, near, far *net.TCPConn) {
	want := pattern(8 << 20)
	go func() { near.Write(want); near.CloseWrite() }()
	gets(t, far, want, nil)
}

func exchanges(t *testing.T, near, far *net.TCPConn) {
	var wg sync.WaitGroup
	wg.Go(func() { transfers(t, near, far) })
	wg.Go(func() { transfers(t, far, near) })
	wg.Wait()
}

// blocks writes to a peer that does not read until nothing more is taken; then
// it reads, and gets it all.
func blocks(t *testing.T, near, far *net.TCPConn) {
	const most = 256 << 20
	took, chunk := 0, pattern(251<<8)
	var err error
	for err == nil && took < most {
		near.SetWriteDeadline(time.Now().Add(silence))
		var n int
		n, err = near.Write(chunk)
		took += n
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes for a peer that reads none: %v", took, err)
	}
	near.CloseWrite()
	gets(t, far, bytes.Repeat(chunk, took/len(chunk)+1)[:took], nil)
}

// TestRefusedTarget is the documented difference: without the relay the dial fails.
func TestRefusedTarget(t *testing.T) {
	b := newBed(t, true)
	b.ln.Close()
	if _, err := net.Dial("tcp", b.ln.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("direct: %v", err)
	}
	r := listen(t, b.ln.Addr().String(), &b.log)
	if c := dial(t, r.Addr()); c != nil {
		gets(t, c, nil, syscall.ECONNRESET)
	}
	b.log.await(t, history.Shown, 1)
	if e := b.log.of(history.Shown, "")[0]; !strings.HasPrefix(e.Detail, "dial-failed: ") {
		t.Errorf("%+v", e)
	}
}

func TestManyConnections(t *testing.T) {
	b := newBed(t, false)
	const many = 200
	go func() {
		for range many {
			c := <-b.accepted
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	var wg sync.WaitGroup
	for i := range many {
		c := dial(t, b.Addr())
		wg.Go(func() {
			want := bytes.Repeat([]byte(fmt.Sprintf("%04d", i)), 5000)
			go func() { c.Write(want); c.CloseWrite() }()
			gets(t, c, want, nil)
		})
	}
	wg.Wait()
	b.log.await(t, history.ConnClose, many)
	for _, e := range b.log.of(history.ConnClose, "") {
		if e.Bytes != 20000 || e.Want != 20000 || e.AgeNs <= 0 {
			t.Errorf("%+v", e)
		}
	}
}

// TestCloseLeavesNothing closes a relay with connections in every state.
func TestCloseLeavesNothing(t *testing.T) {
	b := newBed(t, true)
	before := runtime.NumGoroutine()
	r := listen(t, b.ln.Addr().String(), &b.log)
	b.Relay = r
	c, s := b.dial()
	works(t, c, s)
	half, _ := b.dial()
	half.CloseWrite()
	blocked, _ := b.dial()
	blocked.SetWriteDeadline(time.Now().Add(silence))
	blocked.Write(pattern(64 << 20))
	b.inject(wire.Fault{ID: "cut", Kind: wire.Cut, Direction: "up", Match: "new", Limit: 1})
	cut, _ := b.dial()
	cut.Write([]byte("x"))
	eventually(t, "cut", func() bool { return len(b.log.of(history.Bite, "cut")) > 0 })
	b.inject(wire.Fault{ID: "half", Kind: wire.HalfClose, Direction: "down", Match: "new", Limit: 1})
	_, shut := b.dial()
	shut.Write([]byte("x"))
	eventually(t, "half-close", func() bool { return len(b.log.of(history.Bite, "half")) > 0 })
	b.inject(wire.Fault{ID: "hole", Kind: wire.BlackHole, Direction: "both"})
	held, _ := b.dial()
	held.Write([]byte("x"))
	eventually(t, "hole", func() bool { return len(b.log.of(history.Bite, "hole")) > 0 })
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if open, closed := len(b.log.of(history.ConnOpen, "")), len(b.log.of(history.ConnClose, "")); open != closed {
		t.Errorf("%d connections opened, %d closed when Close returned", open, closed)
	}
	gets(t, c, nil, syscall.ECONNRESET)
	eventually(t, "end of every goroutine", func() bool { return runtime.NumGoroutine() <= before })
}

// TestCloseWhileDialling lets connections arrive while the relay closes: it
// waits for none of them.
func TestCloseWhileDialling(t *testing.T) {
	b := newBed(t, true)
	for range 100 {
		var l ledger
		r := listen(t, b.ln.Addr().String(), &l)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for c, err := net.Dial("tcp", r.Addr()); err == nil; c, err = net.Dial("tcp", r.Addr()) {
					defer c.Close()
				}
			})
		}
		l.await(t, history.ConnOpen, 1)
		closed := make(chan error, 1)
		go func() { closed <- r.Close() }()
		select {
		case <-closed:
		case <-time.After(patience):
			t.Fatal("Close hangs")
		}
		wg.Wait()
	}
}
