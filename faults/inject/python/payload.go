package python

import (
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What a request that is hit does.
const (
	Raise = "raise" // RuntimeError, before the handler
	Block = "block" // time.sleep, then the handler: the event loop stands still
	Hang  = "hang"  // asyncio.sleep, then the handler: nobody else notices
	Exit  = "exit"  // os._exit
)

// ExitCode is the exit code of [Exit].
const ExitCode = 70

// Spec is which requests are hit, and how.
type Spec struct {
	Act     string
	Path    string        // the path's begin
	Request string        // the begin of the path's last part
	Times   int           // at most so many; 0: no limit
	For     time.Duration // of Block and Hang
	Addr    string        // where a connection wakes the program, host:port
}

// ErrUnsupported is that this can't be had on this machine, or of this process.
var ErrUnsupported = errors.New("needs Linux on amd64, and a CPython program")

//go:embed payload.py
var payload string

// Offsets in the page that the program and the injector share. payload.py has them too.
const (
	atState   = 0
	atWrapped = 8  // how many handlers
	atFired   = 16 // how many requests were hit
	atWhy     = 64 // text, ends with NUL
	atRecords = 4096
	records   = 128 // a ring
	recordLen = 256 // ns of CLOCK_MONOTONIC, length of the path, path
	atInstall = 40960
	atRemove  = 61440
	pageLen   = 65536
)

// States of the program.
const (
	installed = 1
	removed   = 2
	failed    = 3
)

// install is the statement that wraps the handlers. It leaves no name behind in the
// program's __main__, and swallows whatever it raises: a pending call must not fail.
func (s Spec) install(page uint64) string {
	set := strings.NewReplacer("@PAGE@", fmt.Sprint(page), "@ACT@", s.Act, "@PATH@", strconv.QuoteToASCII(s.Path), "@REQUEST@", strconv.QuoteToASCII(s.Request),
		"@TIMES@", fmt.Sprint(s.Times), "@SECONDS@", fmt.Sprint(s.For.Seconds()), "@CODE@", fmt.Sprint(ExitCode))
	return fmt.Sprintf("exec(%s, {'__name__': '_faultbed'})\n", strconv.QuoteToASCII(set.Replace(payload)))
}

// remove is the statement that unwraps them.
func remove(page uint64) string {
	return fmt.Sprintf("exec(\"import sys\\nf = sys.modules.pop('_faultbed_%d', None)\\nif f: f.remove()\", {})\n", page)
}
