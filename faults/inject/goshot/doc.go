// Package goshot makes an unmodified Go program fail in one request that is under
// way: a genuine panic in the request's goroutine, a panic in a goroutine that nobody
// recovers, or a sleep in place of the handler.
//
// It sets a hardware breakpoint on a function's entry, where the receiver and the
// arguments are in registers (Go's internal ABI, abi-internal.md), reads the path of
// the request, and changes one register of the thread that is to be hit: a nil
// receiver, whose first use is a nil dereference like any other; or the program
// counter, so that the goroutine calls time.Sleep instead. Nothing is written into
// the program's memory.
//
// It does not know when: that is the caller's. It needs Go 1.18 or later, amd64, and
// Linux's ptrace(2). A program whose names were obfuscated can't be hit.
//
// Start with [Fire].
package goshot

import (
	"errors"
	"time"
)

// ErrUnsupported is a program that can't be hit so; nothing was done to it.
var ErrUnsupported = errors.New("unsupported")

// Deeds.
const (
	Panic = "panic" // in the request's goroutine, which net/http recovers
	Die   = "die"   // in the goroutine of its connection to the origin, which nobody recovers
	Hang  = "hang"  // sleep in place of the handler
)

// Points of a panic.
const (
	Handler  = "handler"  // where net/http's server calls its handler
	Proxy    = "proxy"    // where the reverse proxy's own handler begins
	Response = "response" // where the proxy begins to copy the response's body
)

// Shot is what to do, and to which requests.
type Shot struct {
	Do    string
	Point string // of a panic; empty: Handler
	Match func(path string) bool
	Times int           // requests to be hit; then it lets go
	Sleep time.Duration // of Hang
}
