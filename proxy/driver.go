package proxy

import (
	"context"
	"errors"
)

// Launch is one start of a subject on one node of a bed.
type Launch struct {
	Name    string            // node name, "subject-0"
	Run     string            // run id, for the label
	Image   string            // container driver: what to run
	Net     string            // container driver: id of the container whose network namespace it joins
	Dir     string            // process driver: its working directory, by which clean knows it; it exists
	Command []string          // exec form; the process that it starts is the subject
	Env     map[string]string // added to the driver's minimal environment
	Files   map[string][]byte // absolute path → content, written before the start
	Resolv  string            // container driver: file of this machine that is its /etc/resolv.conf; "": the engine's
	PID1    bool              // the subject is PID 1 of its PID namespace; otherwise it has an init above it
}

// Started is what is known at the start of a subject. T is CLOCK_MONOTONIC ns.
type Started struct {
	PID int // of the subject itself, in the host's PID namespace; 0 if the engine is remote
	T   int64
	Ref string // container id, if there is one
}

// Sent is one signal that was sent.
type Sent struct {
	T         int64  // ns, just before the system call
	Via       string // pidfd, kill or api
	NoHandler bool   // the process had no handler for it just before: as PID 1 it never gets it
}

// ErrEnded is a signal to a process that has ended.
var ErrEnded = errors.New("the process has ended")

// Exit is the end of a subject's process.
type Exit struct {
	T       int64  // ns
	Code    int    // exit code, or 128+signal
	Signal  string // name without SIG if a signal ended it
	Via     string // pidfd (about 1 ms late), wait, or api (up to 300 ms late)
	OOM     bool
	Orphans []Process // its descendants that were still alive at that instant
}

// Process names a process for the record.
type Process struct {
	PID  int
	Comm string
}

// Driver starts subjects in one runtime. Package proxy/contract tests what is said
// here.
type Driver interface {
	// Start returns when the subject's own program is being executed: a signal sent
	// from then on is the subject's. After an error nothing is left.
	Start(ctx context.Context, l Launch) (Instance, Started, error)
}

// Instance is a running subject.
type Instance interface {
	// Signal sends a signal, named without SIG, to the subject's own process. The
	// error wraps ErrEnded if it has ended.
	Signal(ctx context.Context, name string) (Sent, error)
	// Exited delivers the exit, once, and is closed then, or when the instance was
	// closed before it ended. It is closed when Close has returned.
	Exited() <-chan Exit
	// Close kills the subject if it lives, removes what the driver made for it
	// and returns its log.
	Close(ctx context.Context) ([]byte, error)
}
