// Package native makes any process crash as native code does: by a fault of its own
// first thread, not by a signal that somebody sends and a PID 1 ignores.
//
//   - segv: the thread goes on at address 0, as after a call of a null pointer: SIGSEGV.
//   - abort: the thread sends itself SIGABRT, as abort(3) does, and if the process
//     lives on (a PID 1 without a handler) executes hlt, as abort(3) does then.
//   - stack-overflow: the thread's stack pointer leaves its stack downwards and is
//     used, as by a recursion without end: SIGSEGV with no stack to handle it on. A
//     handler on a stack of its own (sigaltstack(2)) still runs.
//
// It is not for failures that a language knows: those are goshot's, and Python's. A Go
// program turns a fault of a goroutine into a panic, which may be recovered; it is
// hit again then, a few times.
//
// Linux on amd64. Start with [Fire].
package native

import "errors"

// ErrUnsupported is a machine on which it can't be had.
var ErrUnsupported = errors.New("unsupported")

// Deeds.
const (
	Segv          = "segv"
	Abort         = "abort"
	StackOverflow = "stack-overflow"
)
