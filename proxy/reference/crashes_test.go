package reference_test

import (
	"fmt"
	"strings"
)

// crashRow is one row of the two tables: what becomes of the faulty request, of
// one in flight beside it, and of the process.
type crashRow struct {
	lang, scenario string // of fixtures/catalogue: crash/SCENARIO
	fault          string // in words
	hook           string // "" is SIGSEGV from outside
	plain          [3]string
	here           [3]string
	why            string // where the two differ
	seconds        string // how long it takes, where it does
	over           string // kept: a connection that was used before; h2: HTTP/2
	then           string // a second hook after it
	says           string // what the process's log must contain
	silent         bool   // its log must tell of no error
	quick          bool   // also in short runs
}

var (
	eofLives  = [3]string{"EOF", "200", "alive"}
	eofDies   = [3]string{"EOF", "EOF", "exit 2"}
	okLives   = [3]string{"200", "200", "alive"}
	fiveLives = [3]string{"500", "200", "alive"}
)

var crashes = []crashRow{
	{lang: golang, scenario: "go-panic", fault: "handler panic", hook: "panic", plain: eofLives, here: eofLives, says: "panic serving", quick: true},
	{lang: golang, scenario: "go-panic-h2", fault: "handler panic, HTTP/2", hook: "panic", over: "h2", plain: [3]string{"RST_STREAM INTERNAL_ERROR", "200", "alive"},
		here: [3]string{"INTERNAL_ERROR; received from peer", "200", "alive"}, says: "panic serving",
		why: "the same: the words are Go's client's. All on one connection, which lives on."},
	{lang: golang, scenario: "go-nil-map", fault: "nil-map write", hook: "nil-map", plain: eofLives, here: eofLives, says: "assignment to entry in nil map"},
	{lang: golang, scenario: "go-waitgroup", fault: "negative WaitGroup", hook: "waitgroup", plain: eofLives, here: eofLives, says: "negative WaitGroup counter"},
	{lang: golang, scenario: "go-panic-after-flush", fault: "panic after flush", hook: "panic-after-flush", plain: [3]string{"truncated", "200", "alive"}, here: [3]string{"truncated", "200", "alive"}, says: "panic serving"},
	{lang: golang, scenario: "go-abort", fault: "`ErrAbortHandler`", hook: "abort", plain: [3]string{"EOF", "200", "alive, no log"}, here: eofLives, silent: true,
		why: "the same: the log is looked at, and tells of no error."},
	{lang: golang, scenario: "go-panic-locked", fault: "panic holding a mutex", hook: "panic-locked", then: "lock", plain: [3]string{"EOF", "200", "alive; later lock users hang"},
		here: [3]string{"EOF", "200", "alive; lock: hang"}, says: "panic serving", why: "the same: `lock` is a second request that takes the mutex."},
	{lang: golang, scenario: "go-goroutine-panic", fault: "panic in spawned goroutine", hook: "goroutine-panic", plain: eofDies, here: eofDies, says: "panic: crash hook: goroutine-panic", quick: true},
	{lang: golang, scenario: "go-after-panic", fault: "panic in `context.AfterFunc`", hook: "after-panic", plain: [3]string{"200, then death", "EOF", "exit 2"}, here: [3]string{"200", "EOF", "exit 2"}, says: "panic: crash hook: after-panic",
		why: "the same. The context ends before net/http has flushed what is left of the answer; the proxy had flushed all of it, since it passes on each piece at once."},
	{lang: golang, scenario: "go-recovered-panic", fault: "the same with own `recover`", hook: "recovered-panic", plain: okLives, here: okLives, says: "recovered: crash hook: recovered-panic"},
	{lang: golang, scenario: "go-map-writes", fault: "concurrent map writes", hook: "map-writes", plain: eofDies, here: eofDies, says: "fatal error: concurrent map writes", quick: true},
	{lang: golang, scenario: "go-unlock", fault: "unlock of unlocked mutex", hook: "unlock", plain: eofDies, here: eofDies, says: "fatal error: sync: unlock of unlocked mutex"},
	{lang: golang, scenario: "go-threads", fault: "thread limit", hook: "threads", plain: eofDies, here: eofDies, says: "fatal error: thread exhaustion", why: "the same, with the limit lowered to 40 (`debug.SetMaxThreads`)."},
	{lang: golang, scenario: "go-stack-overflow", fault: "endless recursion", hook: "stack-overflow", plain: [3]string{"EOF after 1.3 s", "EOF", "exit 2 (1 GB stack limit)"}, here: eofDies, says: "fatal error: stack overflow",
		why: "the same and sooner: the limit is lowered to 16 MiB (`debug.SetMaxStack`), so that no machine runs out of memory."},
	{lang: golang, scenario: "go-heap", fault: "memory hog", hook: "heap", plain: [3]string{"EOF", "200 if done first", "137, OOM-killed, at a container's 400 MB"}, here: eofDies, says: "out of memory",
		why: "another limit, another death: the hook limits its own address space (RLIMIT_AS, 128 MiB more than it has), at which the runtime gives up, a fatal error with exit code 2 and a stack. Under a container's limit the kernel kills, 137, and the log says nothing. `GOMEMLIMIT` is set by the hook too and helps in neither."},
	{lang: golang, scenario: "go-os-exit", fault: "`os.Exit(3)`", hook: "os-exit", plain: [3]string{"EOF", "EOF", "exit 3"}, here: [3]string{"EOF", "EOF", "exit 3"}},
	{lang: golang, scenario: "go-outside-segv", fault: "outside SIGSEGV", plain: eofDies, here: [3]string{"–", "EOF", "exit 2"}, says: "SIGSEGV", why: "the same: a signal needs no hook, so there is no faulty request."},
	{lang: golang, scenario: "go-spin", fault: "spin", hook: "spin", seconds: "1", plain: [3]string{"200", "200 on time", "alive"}, here: okLives, why: "the same, for 1 s instead of 3."},

	{lang: python, scenario: "python-exception", fault: "exception", hook: "exception", plain: fiveLives, here: fiveLives, says: "crash hook: exception", quick: true},
	{lang: python, scenario: "python-recursion-error", fault: "`RecursionError`", hook: "recursion-error", plain: fiveLives, here: fiveLives, says: "RecursionError"},
	{lang: python, scenario: "python-stop-iteration", fault: "`StopIteration`", hook: "stop-iteration", plain: fiveLives, here: fiveLives, says: "coroutine raised StopIteration"},
	{lang: python, scenario: "python-cancelled", fault: "`CancelledError` raised", hook: "cancelled", plain: eofLives, here: eofLives},
	{lang: python, scenario: "python-base-exception", fault: "other `BaseException` raised", hook: "base-exception", plain: eofLives, here: eofLives,
		why: "the same, as long as it is a connection's first request."},
	{lang: python, scenario: "python-base-exception-kept", fault: "the same on a kept connection", hook: "base-exception", over: "kept", plain: eofLives, here: [3]string{"hang", "200", "alive"},
		why: "**differs**: aiohttp 3.8 (`web_protocol.start`) decides in its `finally` by the keep-alive of the request *before*. If there was one it does not leave its loop, so the exception ends the task that reads the connection, which stays open: no answer, no end, no timeout, until the client gives up."},
	{lang: python, scenario: "python-task-exception", fault: "background-task exception", hook: "task-exception", plain: [3]string{"200", "200", "alive, log when collected"}, here: okLives, says: "crash hook: task-exception"},
	{lang: python, scenario: "python-del-exception", fault: "exception in `__del__`", hook: "del-exception", plain: [3]string{"200", "200", "alive, log only"}, here: okLives, says: "crash hook: del-exception"},
	{lang: python, scenario: "python-thread-exception", fault: "thread exception", hook: "thread-exception", plain: [3]string{"200", "200", "alive, log only"}, here: okLives, says: "crash hook: thread-exception"},
	{lang: python, scenario: "python-system-exit", fault: "`SystemExit` in handler", hook: "system-exit", plain: [3]string{"EOF", "200", "listener closes, drain runs, exit 3"}, here: [3]string{"EOF", "EOF or 500", "exit 3"},
		why: "**differs**: it is `web.run_app` that drains when the loop is stopped by an exception. A proxy that runs its loop itself, as this one, does not: SystemExit leaves `run_until_complete`, and everything in flight is lost. As the interpreter ends it closes the handlers' coroutines, and of a few the transport still takes the 500 that aiohttp answers to that."},
	{lang: python, scenario: "python-task-system-exit", fault: "`SystemExit` in task", hook: "task-system-exit", plain: [3]string{"200", "200", "listener closes, drain runs, exit 3"}, here: [3]string{"EOF", "EOF or 500", "exit 3"},
		why: "**differs** for the same reason; even the request that started the task is lost."},
	{lang: python, scenario: "python-keyboard-interrupt", fault: "`KeyboardInterrupt` raised", hook: "keyboard-interrupt", plain: [3]string{"EOF", "200", "exit 0"}, here: [3]string{"EOF", "EOF or 500", "exit 130"},
		why: "**differs**: `web.run_app` takes it for Ctrl-C and drains. Here it leaves the loop, and the interpreter ends by sending itself SIGINT. As PID 1 it can't, and exits with 130 itself: the same number for a supervisor."},
	{lang: python, scenario: "python-segfault", fault: "C-level segfault", hook: "segfault", plain: [3]string{"EOF", "EOF", "exit 139"}, here: [3]string{"EOF", "EOF", "exit 139"}},
	{lang: python, scenario: "python-exit", fault: "`os._exit(3)`", hook: "exit", plain: [3]string{"EOF", "EOF", "exit 3"}, here: [3]string{"EOF", "EOF", "exit 3"}, quick: true},
	{lang: python, scenario: "python-block-loop", fault: "blocking call", hook: "block-loop", seconds: "1", plain: [3]string{"200", "3.3 s instead of 1.5", "alive"}, here: [3]string{"200", "200, late", "alive"}, why: "the same, for 1 s instead of 3: the concurrent answer waits for the call's end."},
	{lang: python, scenario: "python-busy-thread", fault: "CPU in a thread", hook: "busy-thread", seconds: "1.5", plain: [3]string{"200", "200 on time", "alive"}, here: okLives, why: "the same, for 1.5 s instead of 3 (1 s in the scenario)."},
	{lang: python, scenario: "python-recursion-unlimited", fault: "recursion, limit raised", hook: "recursion-unlimited", seconds: "3", plain: [3]string{"timeout", "timeout", "alive, frozen, memory grows"}, here: [3]string{"hang", "hang", "alive"},
		why: "the same, bounded: 200,000 calls deep, down and up again until its time is over, and then it thaws. Frames of Python 3.11 lie on the heap."},
	{lang: python, scenario: "python-memory", fault: "memory hog", hook: "memory", plain: [3]string{"EOF", "EOF", "137, OOM-killed, at a container's 300 MB"}, here: fiveLives, says: "MemoryError",
		why: "another limit, another outcome: the hook limits its own address space (RLIMIT_AS, 64 MiB more than it has), at which the interpreter raises MemoryError, an exception like any other. Under a container's limit the kernel kills, 137."},
}

const crashIntro = `# What a crash does

Made by ` + "`make crash`" + `, which executes each row %d times in both reference proxies (package ` + "`proxy/reference`" + `) and writes this page if every row held
every time. Each row is also a scenario, ` + "`crash/…`" + ` of ` + "`fixtures/catalogue`" + `, which asserts it under load, in both runtimes:

    faultbed run --subject go,python --scenario 'crash/*'

*Plain* is what the same fault does to a small server that is no proxy, ` + "`net/http`" + ` or ` + "`aiohttp.web.run_app`" + `; *here* is what was measured with
` + "`proxy/goproxy`" + ` (Go 1.26) and ` + "`proxy/pyproxy`" + ` (CPython 3.11, aiohttp 3.8 of Debian bookworm). *Concurrent* is a request that the origin has and has
not answered when the crash strikes. EOF: the connection ends before a byte of an answer. 139 is 128 + SIGSEGV.

The rule behind the Go table: a crash stays with its request only if it is a panic (not a fatal error of the runtime), in the goroutine that net/http
started for the connection or stream, and leaves no lock or shared state behind. Then an HTTP/1.1 client still gets no status: its connection ends.

Hooks run only with ` + "`FAULTBED_CRASH_HOOKS=1`" + `, which the bed sets for scenarios that crash, and only for a request that names one in
` + "`X-Faultbed-Crash`" + `. Those that take memory, stack or time are bounded by themselves.

**What is a race.** Concurrent map writes are noticed by luck: with 16 writers that do nothing else, in the first request
each time (100 of 100; the process was gone after 10 to 240 ms, median 20, on a busy machine). The answer before a panic in ` + "`context.AfterFunc`" + `
was complete 100 of 100 times: see its row.
`

// crashText is docs/crashes.md.
func crashText() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, crashIntro, crashTimes)
	for _, lang := range []struct{ name, title string }{{golang, "Go"}, {python, "Python"}} {
		fmt.Fprintf(&b, "\n## %s\n\n| fault | faulty: plain | here | concurrent: plain | here | process: plain | here | held |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n", lang.title)
		for _, c := range crashes {
			if c.lang == lang.name {
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %d of %[8]d |\n", c.fault, c.plain[0], c.here[0], c.plain[1], c.here[1], c.plain[2], c.here[2], crashTimes)
			}
		}
		b.WriteString("\n")
		for _, c := range crashes {
			if c.lang == lang.name && c.why != "" {
				fmt.Fprintf(&b, "- %s (`crash/%s`): %s\n", c.fault, c.scenario, c.why)
			}
		}
	}
	return []byte(b.String())
}
