package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// start runs a loop on a loopback address of its own until the process ends.
func start(t *testing.T) (*loop, string) {
	t.Helper()
	addr := fmt.Sprintf("127.%d.%d.%d:%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250), 10000+rand.IntN(20000))
	l, err := newLoop(addr)
	if err != nil {
		t.Fatal(err)
	}
	go l.run()
	return l, addr
}

func get(t *testing.T, c net.Conn, path string) (string, http.Header) {
	t.Helper()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), resp.Header
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestAnswers(t *testing.T) {
	l, addr := start(t)
	c := dial(t, addr)
	if b, _ := get(t, c, "/"); b != "Hello, World!" {
		t.Errorf("body %q", b)
	}
	// The body is what faultbed's package fixtures/body gives for this id.
	b, h := get(t, c, "/fb/short/0001-abc?size=33&hold=0")
	if b != "eea0ce1102dad233:00000000000000\ne" || h.Get("X-Faultbed-Id") != "0001-abc" {
		t.Errorf("body %q, header %v", b, h)
	}
	if _, h := get(t, c, "/fb/short?size=x"); h.Get("Content-Length") != "0" {
		t.Errorf("a bad path: %v", h)
	}
	if st := l.stats(); st.Requests != 3 || st.Conns != 1 || st.First == 0 || st.Last <= st.First || len(l.log()) != 3 {
		t.Errorf("%+v, log %v", st, l.log())
	}
}

// TestPieces sends two requests in odd pieces over one connection.
func TestPieces(t *testing.T) {
	l, addr := start(t)
	c := dial(t, addr)
	for _, piece := range []string{"GET / HT", "TP/1.1\r\nHost: x\r\n\r", "\nGET / HTTP/1.1\r\n", "\r\n"} {
		io.WriteString(c, piece)
		time.Sleep(5 * time.Millisecond)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, 2*len(hello))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, bytes.Repeat(hello, 2)) {
		t.Errorf("%q, %v", got, err)
	}
	if n := l.stats().Requests; n != 2 {
		t.Errorf("%d requests", n)
	}
}

// TestStall wants requests of the stall read at once and answered after it.
func TestStall(t *testing.T) {
	l, addr := start(t)
	const lasts = 300 * time.Millisecond
	l.reset(0, lasts)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var answered []int64
	for range 8 {
		c := dial(t, addr)
		wg.Go(func() {
			get(t, c, "/")
			mu.Lock()
			answered = append(answered, clock())
			mu.Unlock()
		})
	}
	wg.Wait()
	st := l.stats()
	if st.Stall == 0 || st.Requests != 8 {
		t.Fatalf("%+v", st)
	}
	end := st.Stall + int64(lasts)
	if last := slices.Max(l.log()); last < end && slices.Min(answered) < end {
		t.Errorf("all requests came %v before the stall's end, one was answered %v before it",
			time.Duration(end-last), time.Duration(end-slices.Min(answered)))
	}
}

func TestControl(t *testing.T) {
	l, addr := start(t)
	srv := httptest.NewServer(l.control())
	defer srv.Close()
	get(t, dial(t, addr), "/")
	resp, err := http.Get(srv.URL + "/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var st stats
	if err := json.NewDecoder(resp.Body).Decode(&st); err != nil || st.Requests != 1 {
		t.Errorf("%+v, %v", st, err)
	}
	for path, want := range map[string]int{"/reset?after=1s&stall=2s": 200, "/reset?after=x": 400, "/reset?stall=x": 400} {
		resp, err := http.Post(srv.URL+path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	if l.stats().Requests != 0 || l.after != time.Second || l.lasts != 2*time.Second {
		t.Errorf("after the reset: %+v, %v, %v", l.stats(), l.after, l.lasts)
	}
}

func FuzzRespond(f *testing.F) {
	f.Add([]byte("GET /fb/short/0001-abc?size=33&hold=0 HTTP/1.1\r\nHost: x"))
	f.Add([]byte("GET / HTTP/1.1"))
	f.Add([]byte("GET /fb/short/?size=4096"))
	f.Fuzz(func(t *testing.T, head []byte) {
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(respond(head))), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || int64(len(b)) != resp.ContentLength || len(b) > maxSize {
			t.Errorf("%d bytes, %v, Content-Length %d", len(b), err, resp.ContentLength)
		}
	})
}
