package main

import (
	"net/http"
	"strings"
	"time"
)

// crashing crashes on request; only in the chain when the hooks are armed.
func crashing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Faultbed-Crash") {
		case "panic":
			panic("crash hook: panic")
		case "panic-after-flush":
			panicAfterFlush(w)
		case "goroutine-panic":
			go func() { panic("crash hook: goroutine-panic") }()
			<-r.Context().Done() // until the process dies
		case "map-writes":
			mapWrites()
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// panicAfterFlush promises more than it sends, in a body that starts well.
func panicAfterFlush(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain")
	w.Write([]byte(strings.Repeat("x", 1024)))
	http.NewResponseController(w).Flush()
	time.Sleep(20 * time.Millisecond) // let the client see it before the end
	panic("crash hook: panic-after-flush")
}

// mapWrites writes one map from many goroutines until the runtime notices and
// ends the process with a fatal error, which no recover stops.
func mapWrites() {
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
