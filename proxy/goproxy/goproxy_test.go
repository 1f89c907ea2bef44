package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// TestFrames cuts a stream of frames at random and compares the boundaries found
// with those that are there.
func TestFrames(t *testing.T) {
	var stream []byte
	ends := map[int]bool{0: true}
	for _, n := range []int{0, 1, 125, 126, 127, 300, 0xffff, 0x10000, 0, 2} {
		stream = append(stream, ws.MustCompileFrame(ws.NewBinaryFrame(make([]byte, n)))...)
		ends[len(stream)] = true
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var f frames
		for at := 0; at < len(stream); {
			n := min(1+r.IntN(1<<r.IntN(17)), len(stream)-at)
			if took := f.scan(stream[at:at+n], false); took != n {
				t.Fatalf("took %d of %d", took, n)
			}
			if at += n; f.boundary() != ends[at] {
				t.Fatalf("at %d: boundary %v", at, f.boundary())
			}
		}
	}
	for start := range ends { // with stop, the next boundary and not a byte more
		for skip := 1; skip < 12 && start+skip <= len(stream) && !ends[start+skip]; skip++ {
			var f frames
			f.scan(stream[start:start+skip], false)
			if end := start + skip + f.scan(stream[start+skip:], true); !ends[end] {
				t.Errorf("from %d+%d: stopped at %d, inside a frame", start, skip, end)
			}
		}
	}
}

// pair is two ends of a TCP connection, the first with a stall limit.
func pair(t *testing.T, stall time.Duration) (*conn, net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := listener{l, stall}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near.(*conn), far
}

const much = 64 << 20 // more than the kernel buffers

func TestStalledWriteFails(t *testing.T) {
	near, _ := pair(t, 50*time.Millisecond)
	if n, err := near.Write(make([]byte, much)); n == much || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("wrote %d, %v", n, err)
	}
}

// TestSlowWriteDoesNotFail reads a bit per half the limit: the write as a whole
// takes several limits.
func TestSlowWriteDoesNotFail(t *testing.T) {
	near, far := pair(t, 400*time.Millisecond)
	go func() {
		for range 8 {
			time.Sleep(200 * time.Millisecond)
			io.CopyN(io.Discard, far, 6<<20)
		}
		io.Copy(io.Discard, far)
	}()
	if n, err := near.Write(make([]byte, much)); n != much || err != nil {
		t.Errorf("wrote %d of %d, %v", n, much, err)
	}
}

func TestExplicitDeadlineHolds(t *testing.T) {
	near, far := pair(t, time.Hour)
	go io.Copy(io.Discard, far)
	near.SetWriteDeadline(time.Now().Add(-time.Second))
	if _, err := near.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past deadline: %v", err)
	}
	near.SetDeadline(time.Time{})
	if _, err := near.Write([]byte("x")); err != nil {
		t.Errorf("no deadline: %v", err)
	}
}

// TestFlagsAreDocumented compares the package comment with the flags.
func TestFlagsAreDocumented(t *testing.T) {
	src, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	doc, _, _ := strings.Cut(string(src), "\npackage main")
	var usage bytes.Buffer
	parse([]string{"--help"}, &usage)
	flags := 0
	for line := range strings.Lines(usage.String()) {
		name, ok := strings.CutPrefix(line, "  -")
		if !ok {
			continue
		}
		flags++
		name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
		if !strings.Contains(doc, "--"+name) {
			t.Errorf("--%s is not in the package comment", name)
		}
	}
	if flags != 16 {
		t.Errorf("%d flags, want 16", flags)
	}
}
