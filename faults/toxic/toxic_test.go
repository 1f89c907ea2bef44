package toxic_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"faultbed/faults"
	"faultbed/faults/toxic"
)

// patience bounds every wait for something that must happen.
const patience = 10 * time.Second

// labnode is the program that serves toxiproxy on a bed.
var labnode string

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "toxic")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(dir)
	labnode = filepath.Join(dir, "labnode")
	if out, err := exec.Command("go", "build", "-o", labnode, "faultbed/cmd/labnode").CombinedOutput(); err != nil {
		log.Printf("build labnode: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// free is an address on which nothing listens: a loopback address of its own,
// below the ports that the kernel gives to others meanwhile.
func free(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.%d.%d.%d:%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250), 10000+rand.IntN(20000))
}

// serve runs toxiproxy as a bed does; its API.
func serve(t *testing.T) string {
	t.Helper()
	api := free(t)
	cmd := exec.Command(labnode, "toxiproxy", "--api", api)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close() // the lease: it ends by itself
		if err := cmd.Wait(); err != nil {
			t.Errorf("toxiproxy ended: %v", err)
		}
	})
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if c, err := net.Dial("tcp", api); err == nil {
			c.Close()
			return api
		}
		if time.Now().After(end) {
			t.Fatal("toxiproxy does not listen")
		}
	}
}

// leg is a toxiproxy before an echo server.
type leg struct {
	*toxic.Proxy
	t    *testing.T
	addr string
}

func open(t *testing.T) *leg {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for c, err := ln.Accept(); err == nil; c, err = ln.Accept() {
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	l := &leg{t: t, addr: free(t)}
	if l.Proxy, err = toxic.Open(t.Context(), serve(t), l.addr, ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return l
}

// inject takes parameters as YAML gives them.
func (l *leg) inject(id, kind string, with map[string]any) json.RawMessage {
	l.t.Helper()
	raw, err := faults.Validate(kind, with)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := l.Inject(l.t.Context(), id, kind, raw, 1); err != nil {
		l.t.Fatal(err)
	}
	return raw
}

func (l *leg) lift(id, kind string, raw json.RawMessage) {
	l.t.Helper()
	if err := l.Lift(l.t.Context(), id, kind, raw); err != nil {
		l.t.Fatal(err)
	}
}

func (l *leg) dial() net.Conn {
	l.t.Helper()
	c, err := net.Dial("tcp", l.addr)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// echo sends n bytes and wants them back; how long that took.
func (l *leg) echo(n int) time.Duration {
	l.t.Helper()
	c, begin := l.dial(), time.Now()
	defer c.Close()
	want := bytes.Repeat([]byte("0123456"), n/7+1)[:n]
	go c.Write(want)
	got := make([]byte, n)
	if m, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		l.t.Errorf("%d of %d bytes, equal: %v; %v", m, n, bytes.Equal(got, want), err)
	}
	return time.Since(begin)
}

// TestLatency wants no byte early.
func TestLatency(t *testing.T) {
	t.Parallel()
	l := open(t)
	const delay = 150 * time.Millisecond
	for direction, times := range map[string]time.Duration{"down": 1, "up": 1, "both": 2} {
		raw := l.inject(direction, "toxic.latency", map[string]any{"latency": delay.String(), "direction": direction})
		if took := l.echo(10); took < times*delay {
			t.Errorf("%s: back after %v", direction, took)
		}
		l.lift(direction, "toxic.latency", raw)
	}
}

// TestLift takes a delay away that is longer than the test's patience.
func TestLift(t *testing.T) {
	t.Parallel()
	l := open(t)
	for _, direction := range []string{"down", "up", "both"} {
		raw := l.inject("f", "toxic.latency", map[string]any{"latency": "1m", "direction": direction})
		l.lift("f", "toxic.latency", raw)
		l.echo(10)
		if err := l.Lift(t.Context(), "f", "toxic.latency", raw); err == nil {
			t.Error("lifted twice")
		}
	}
}

// TestBandwidth compares with no toxic, generously.
func TestBandwidth(t *testing.T) {
	t.Parallel()
	l := open(t)
	const n = 300_000
	plain := l.echo(n)
	raw := l.inject("f", "toxic.bandwidth", map[string]any{"rate": 200, "direction": "down"})
	if slow := l.echo(n); slow < 3*plain {
		t.Errorf("%v at 200 kB/s, %v without a limit", slow, plain)
	}
	l.lift("f", "toxic.bandwidth", raw)
	l.echo(n)
}

func TestSlicerKeepsBytes(t *testing.T) {
	t.Parallel()
	l := open(t)
	l.inject("f", "toxic.slicer", map[string]any{"size": 1000, "variation": 999, "delay": "100us", "direction": "both"})
	l.echo(200_000)
}

func TestDown(t *testing.T) {
	t.Parallel()
	l := open(t)
	live := l.dial()
	live.Write([]byte("x"))
	if _, err := io.ReadFull(live, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	raw := l.inject("f", "toxic.down", nil)
	if c, err := net.Dial("tcp", l.addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("down, and the dial gives %v %v", c, err)
	}
	if n, err := live.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("down, and a live connection gives %d, %v", n, err)
	}
	l.lift("f", "toxic.down", raw)
	l.echo(10)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	l := open(t)
	if _, err := toxic.Open(t.Context(), free(t), free(t), free(t)); !errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, toxic.ErrHung) {
		t.Errorf("no API: %v", err)
	}
	if err := l.Inject(t.Context(), "f", "toxic.burn", []byte("{}"), 1); err == nil || !strings.Contains(err.Error(), "toxic.burn") {
		t.Errorf("unknown toxic: %v", err)
	}
	raw := l.inject("f", "toxic.latency", map[string]any{"latency": "1ms"})
	if err := l.Inject(t.Context(), "f", "toxic.latency", raw, 1); err == nil {
		t.Error("injected twice")
	}
}

// TestHungAPI has an API that accepts and never answers.
func TestHungAPI(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, c := range []struct {
		name string
		ctx  context.Context
		want error
	}{{"own deadline", t.Context(), toxic.ErrHung}, {"caller's deadline", short, toxic.ErrHung}, {"caller stopped", stopped, context.Canceled}} {
		if testing.Short() && c.ctx == t.Context() {
			continue // it takes 5 s
		}
		done := make(chan error, 1)
		go func() {
			_, err := toxic.Open(c.ctx, ln.Addr().String(), "127.0.0.1:0", "127.0.0.1:1")
			done <- err
		}()
		select {
		case err := <-done:
			if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), "create proxy") {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
		case <-time.After(patience):
			t.Fatalf("%s: no end", c.name)
		}
	}
}
