// Command server is the one server that all peers of the bench are measured
// against. It answers every GET with 13 bytes: a path of faultbed's own
// (/fb/CLASS/ID?size=N…) with the N bytes that name the request, as the origin
// does, any other path with "Hello, World!".
//
// One thread reads, logs the instant, and writes: what it costs is two socket
// calls a request, so that a client on the other core is the bottleneck. It is
// no general server: GET without a body, no TLS, no chunks. Linux only (epoll).
//
// Its control address tells what came in: GET /stats, GET /arrivals, and POST
// /reset, which may plan one stall in which requests are read but not answered.
// Start with [loop.turn].
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:8080", "address to serve, IPv4 host:port")
	control := flag.String("control", "127.0.0.1:8081", "address that tells what came in")
	flag.Parse()
	ln, err := net.Listen("tcp", *control)
	if err != nil {
		return err
	}
	l, err := newLoop(*listen)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- http.Serve(ln, l.control()) }()
	go func() { failed <- l.run() }()
	return <-failed
}

// stats is the answer of GET /stats. Times are CLOCK_MONOTONIC ns.
type stats struct {
	Requests int64 `json:"requests"`
	Conns    int64 `json:"conns"` // accepted since the reset
	First    int64 `json:"first"` // arrival of the first and of the last request
	Last     int64 `json:"last"`
	Stall    int64 `json:"stall"` // when the stall began; 0 if it did not
}

func (l *loop) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(l.stats()) })
	mux.HandleFunc("GET /arrivals", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(l.log()) })
	mux.HandleFunc("POST /reset", func(w http.ResponseWriter, r *http.Request) {
		after, err := time.ParseDuration(or(r.FormValue("after"), "0s"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		lasts, err := time.ParseDuration(or(r.FormValue("stall"), "0s"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		l.reset(after, lasts)
	})
	return mux
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
