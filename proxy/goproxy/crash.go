package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A crashRequest carries the hook that it names. serve forwards it like any other.
type crashRequest struct {
	w     http.ResponseWriter
	r     *http.Request
	serve func()
}

// hooks are the ways to crash. One whose request is forwarded all the same calls
// serve; the others never come to it. docs/crashes.md says what becomes of each.
var hooks = map[string]func(crashRequest){
	"panic": func(crashRequest) { panic("crash hook: panic") },
	//lint:ignore SA5000 this is the crash
	"nil-map":           func(crashRequest) { var m map[string]bool; m["crash hook: nil-map"] = true },
	"waitgroup":         func(crashRequest) { new(sync.WaitGroup).Done() },
	"panic-after-flush": panicAfterFlush,
	"abort":             func(crashRequest) { panic(http.ErrAbortHandler) }, // net/http logs none of these
	"panic-locked":      func(crashRequest) { crashLock.Lock(); panic("crash hook: panic-locked") },
	"lock":              func(c crashRequest) { crashLock.Lock(); defer crashLock.Unlock(); c.serve() },
	"goroutine-panic":   goroutinePanic,
	"after-panic":       afterPanic,
	"recovered-panic":   recoveredPanic,
	"map-writes":        mapWrites,
	"unlock":            func(crashRequest) { new(sync.Mutex).Unlock() },
	"threads":           manyThreads,
	"stack-overflow":    func(crashRequest) { debug.SetMaxStack(crashStack); deeper([1024]byte{}) },
	"heap":              func(crashRequest) { fillHeap() },
	"os-exit":           func(crashRequest) { os.Exit(3) },
	"spin":              spin,
}

const (
	crashStack   = 16 << 20  // bytes; Go's own limit is 1 GB, which takes seconds to fill
	crashThreads = 40        // Go's own limit is 10,000
	crashHeap    = 128 << 20 // bytes on top of what the process has
)

// crashLock is what a panic leaves locked.
var crashLock sync.Mutex

// crashing crashes on request; only in the chain when the hooks are armed.
func crashing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve := func() { next.ServeHTTP(w, r) }
		if hook := hooks[r.Header.Get("X-Faultbed-Crash")]; hook != nil {
			hook(crashRequest{w, r, serve})
			return
		}
		serve()
	})
}

// panicAfterFlush promises more than it sends, in a body that starts well.
func panicAfterFlush(c crashRequest) {
	c.w.Header().Set("Content-Type", "text/plain")
	c.w.Write([]byte(strings.Repeat("x", 1024)))
	http.NewResponseController(c.w).Flush()
	time.Sleep(20 * time.Millisecond) // let the client see it before the end
	panic("crash hook: panic-after-flush")
}

func goroutinePanic(c crashRequest) {
	go func() { panic("crash hook: goroutine-panic") }()
	<-c.r.Context().Done() // until the process dies
}

// afterPanic panics when the request's context ends, which is when its handler
// returns: the answer is out by then, the connection's goroutine is not to blame,
// and nobody recovers.
func afterPanic(c crashRequest) {
	context.AfterFunc(c.r.Context(), func() { panic("crash hook: after-panic") })
	c.serve()
}

// recoveredPanic is a goroutine that takes care of itself.
func recoveredPanic(c crashRequest) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { log.Print("recovered: ", recover()) }()
		panic("crash hook: recovered-panic")
	}()
	<-done
	c.serve()
}

// mapWrites writes one map from many goroutines until the runtime notices and
// ends the process with a fatal error, which no recover stops.
func mapWrites(crashRequest) {
	m := map[int]int{}
	for range 16 {
		go func() {
			for i := 0; ; i++ {
				m[i&1023] = i
			}
		}()
	}
	select {}
}

// manyThreads has more goroutines that hold a thread each than the runtime may
// start threads.
func manyThreads(crashRequest) {
	debug.SetMaxThreads(crashThreads)
	for range 2 * crashThreads {
		go func() { runtime.LockOSThread(); select {} }()
	}
	select {}
}

// deeper never returns. Its frames are large, for what takes time when a stack
// overflows is to walk them.
//
//lint:ignore SA5007 this is the crash
func deeper(frame [1024]byte) byte { frame[0]++; return deeper(frame) + frame[0] }

// fillHeap allocates and touches memory until the process has crashHeap more than
// before. What ends it sooner is a limit of the machine's or the container's; if
// there is none, the kernel refuses address space beyond that by RLIMIT_AS, so
// that no machine is hurt. The soft limit, GOMEMLIMIT, is set too: it helps nobody
// whose memory is in use.
func fillHeap() {
	debug.SetMemoryLimit(crashHeap / 2)
	limitMemory(crashHeap)
	var kept [][]byte
	for range 2 * crashHeap >> 20 {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		kept = append(kept, b)
	}
	panic("crash hook: heap: nothing limits it, " + strconv.Itoa(len(kept)) + " MiB")
}

// spin keeps one CPU busy for X-Faultbed-Crash-Seconds, 1 if missing.
func spin(c crashRequest) {
	s, err := strconv.ParseFloat(c.r.Header.Get("X-Faultbed-Crash-Seconds"), 64)
	if err != nil {
		s = 1
	}
	for end := time.Now().Add(time.Duration(s * float64(time.Second))); time.Now().Before(end); {
	}
	c.serve()
}
