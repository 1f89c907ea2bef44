// Package tracee holds another process by ptrace(2) for a moment: it seizes all of
// its threads, also those that it makes meanwhile, reads and writes their memory
// and registers, sets hardware breakpoints, makes them do a system call or a call,
// and lets go of them without a trace.
//
// It knows no language and no fault. Threads run except while they are looked at:
// one that is held stops the whole program at its next garbage collection.
//
// A tracer must not be killed while a breakpoint is armed: the kernel would let go
// of the threads with it still set, and the next hit would end the process by
// SIGTRAP. So whoever uses this is a short-lived process of its own, which ends by
// its deadline or when it is told to, always through [Tracee.Detach].
//
// Linux on amd64. Every call must come from the goroutine that called [Attach],
// which it ties to its thread (ptrace(2): the tracer is a thread). Start there.
package tracee

import "errors"

// ErrEnded is that the process has ended.
var ErrEnded = errors.New("the process has ended")
