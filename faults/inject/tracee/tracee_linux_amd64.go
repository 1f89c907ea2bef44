package tracee

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"faultbed/reports/history"
	"golang.org/x/sys/unix"
)

// Tracee is a process whose threads are all seized.
type Tracee struct {
	PID int

	mem     *os.File
	chld    chan os.Signal
	threads map[int]*Thread
	points  [4]uint64 // addresses of the armed hardware breakpoints; 0: none
	hits    []Hit     // seen while something else was waited for
	held    Held
	status  unix.WaitStatus
	ended   bool
}

// Thread is one of its threads.
type Thread struct {
	TID int

	stopped bool
	since   int64            // instant of its stop, or of the request to stop
	later   []syscall.Signal // to be sent when it goes on
	sig     syscall.Signal   // that it stopped for and is still to get; 0: none
	trap    bool             // it stopped at a breakpoint or after a step
}

// Held is for how long threads were stopped, in ns, as the tracer saw it: from the
// request to stop, or from the news of the stop, to its end.
type Held struct {
	Longest int64
	Total   int64
	Stops   int64
}

// Hit is a thread that stopped just before the instruction at an armed address.
type Hit struct {
	Thread *Thread
	At     uint64
	T      int64 // when the tracer saw it, CLOCK_MONOTONIC ns
}

// Attach seizes every thread of a process and lets them run on. The error wraps
// [ErrEnded], or says what ptrace(2) refused.
func Attach(pid int) (*Tracee, error) {
	runtime.LockOSThread()
	t := &Tracee{PID: pid, threads: map[int]*Thread{}, chld: make(chan os.Signal, 1)}
	signal.Notify(t.chld, unix.SIGCHLD)
	hurry(-20)
	err := t.seizeAll()
	if err == nil {
		t.mem, err = os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("attach to %d: %w", pid, err), t.Detach())
	}
	return t, nil
}

// hurry sets this thread's nice value: on a busy machine a stopped thread would wait
// for the tracer's turn. With autogroups (sched(7)) that counts only among a session's
// own processes; so the session's is set too, if it is this process's. Without the
// right to it all works the same, later.
func hurry(nice int) {
	unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), nice)
	if sid, err := unix.Getsid(0); err == nil && sid == os.Getpid() {
		os.WriteFile("/proc/self/autogroup", []byte(strconv.Itoa(nice)), 0)
	}
}

// seizeAll seizes until a listing shows no thread that isn't: one may have been made
// by a thread that was not seized yet.
func (t *Tracee) seizeAll() error {
	for {
		tids, err := Threads(t.PID)
		if err != nil {
			return err
		}
		fresh := slices.DeleteFunc(tids, func(tid int) bool { return t.threads[tid] != nil })
		if len(fresh) == 0 {
			return nil
		}
		for _, tid := range fresh {
			if err := t.seize(tid); err != nil {
				return err
			}
		}
	}
}

func (t *Tracee) seize(tid int) error {
	err := ptrace(unix.PTRACE_SEIZE, tid, 0, unix.PTRACE_O_TRACECLONE)
	switch {
	case errors.Is(err, unix.ESRCH) && tid != t.PID:
		return nil // it ended meanwhile
	case errors.Is(err, unix.EPERM) && tracer(t.PID, tid) == unix.Gettid():
		// It is a child of a seized thread, which came with it.
	case errors.Is(err, unix.EPERM) && tracer(t.PID, tid) > 0:
		return fmt.Errorf("seize %d: thread %d traces it already", tid, tracer(t.PID, tid))
	case err != nil:
		return fmt.Errorf("seize %d: %w", tid, err)
	}
	t.threads[tid] = &Thread{TID: tid}
	return nil
}

// Threads lists the threads of a process.
func Threads(pid int) ([]int, error) {
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(names) == 0 {
		return nil, ErrEnded
	}
	var out []int
	for _, n := range names {
		if tid, err := strconv.Atoi(filepath.Base(n)); err == nil {
			out = append(out, tid)
		}
	}
	return out, nil
}

// Main is the process's first thread; nil if it has ended.
func (t *Tracee) Main() *Thread { return t.threads[t.PID] }

// Held is for how long threads were stopped so far.
func (t *Tracee) Held() Held { return t.held }

// Status is how the process ended; false while it lives.
func (t *Tracee) Status() (unix.WaitStatus, bool) { return t.status, t.ended }

// Arm sets hardware breakpoints, four at most, in every thread and in those to come.
func (t *Tracee) Arm(ctx context.Context, points ...uint64) error {
	if len(points) > len(t.points) {
		return fmt.Errorf("%d breakpoints: the processor has %d", len(points), len(t.points))
	}
	t.points = [4]uint64{}
	copy(t.points[:], points)
	for _, th := range t.all() {
		if err := t.Stop(ctx, th); errors.Is(err, ErrEnded) && !t.ended {
			continue // that thread alone
		} else if err != nil {
			return err
		}
		if err := t.poke(th); err != nil {
			return err
		}
		if t.queued(th) { // it met an earlier breakpoint: Next gives it
			continue
		}
		if err := t.Resume(th); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tracee) queued(th *Thread) bool {
	return slices.ContainsFunc(t.hits, func(h Hit) bool { return h.Thread == th })
}

// all lists the threads, the first one first, without those that end later.
func (t *Tracee) all() []*Thread {
	var out []*Thread
	for _, th := range t.threads {
		out = append(out, th)
	}
	slices.SortFunc(out, func(a, b *Thread) int { return a.TID - b.TID })
	return out
}

// Stop stops a thread. The error is [ErrEnded] if it, or the process, has ended.
func (t *Tracee) Stop(ctx context.Context, th *Thread) error {
	if th.stopped {
		return nil
	}
	if t.threads[th.TID] != th {
		return ErrEnded
	}
	th.since = history.Now()
	if err := ptrace(unix.PTRACE_INTERRUPT, th.TID, 0, 0); errors.Is(err, unix.ESRCH) && field(t.PID, th.TID, "Tgid:") == "" {
		delete(t.threads, th.TID) // it ended before its maker's news of it came
		return ErrEnded
	} else if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("interrupt %d: %w", th.TID, err)
	}
	for !th.stopped {
		if t.ended || t.threads[th.TID] != th {
			return ErrEnded
		}
		if err := t.step(ctx, th); err != nil {
			return fmt.Errorf("stop %d: %w", th.TID, err)
		}
	}
	return nil
}

// Resume lets a stopped thread go on.
func (t *Tracee) Resume(th *Thread) error {
	for _, s := range th.later {
		unix.Tgkill(t.PID, th.TID, s) // if it fails the thread has ended
	}
	th.later = nil
	return t.run(th, unix.PTRACE_CONT)
}

// run ends a stop by a request, and passes on the signal that it stopped for.
func (t *Tracee) run(th *Thread, request int) error {
	sig := th.sig
	t.account(th)
	th.stopped, th.sig, th.trap = false, 0, false
	if err := ptrace(request, th.TID, 0, uintptr(sig)); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("continue %d: %w", th.TID, err)
	}
	return nil
}

func (t *Tracee) account(th *Thread) {
	if !th.stopped {
		return
	}
	d := history.Now() - th.since
	t.held.Longest, t.held.Total, t.held.Stops = max(t.held.Longest, d), t.held.Total+d, t.held.Stops+1
}

// Next waits until a thread stops at a breakpoint; it stays stopped. Everything
// else that happens to threads goes on as if nobody watched. The error is
// [ErrEnded], or the context's.
func (t *Tracee) Next(ctx context.Context) (Hit, error) {
	for len(t.hits) == 0 {
		if t.ended {
			return Hit{}, ErrEnded
		}
		if err := t.step(ctx, nil); err != nil {
			return Hit{}, err
		}
	}
	h := t.hits[0]
	t.hits = t.hits[1:]
	return h, nil
}

// spin is how often a change is asked for before the tracer sleeps until the next
// SIGCHLD: a stop that was asked for comes within microseconds.
const spin = 200

// step handles one change of one thread. want is a thread whose stop is waited for:
// it stays stopped, any other goes on.
func (t *Tracee) step(ctx context.Context, want *Thread) error {
	for n := 0; ; n++ {
		var ws unix.WaitStatus
		// Any thread: once the process ends, one that waits for a certain thread may
		// wait for ever, because the first is reaped last (ptrace(2), "Death under ptrace").
		tid, err := unix.Wait4(-1, &ws, unix.WNOHANG|unix.WALL, nil)
		switch {
		case errors.Is(err, unix.ECHILD):
			t.ended = true
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("wait: %w", err)
		case err == nil && tid > 0:
			return t.handle(tid, ws, want)
		}
		if want != nil && n < spin {
			unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.chld:
		case <-time.After(20 * time.Millisecond): // a SIGCHLD may have come for two
		}
	}
}

// handle takes note of a change and lets the thread go on, unless it is the wanted
// one or stopped at a breakpoint.
func (t *Tracee) handle(tid int, ws unix.WaitStatus, want *Thread) error {
	if ws.Exited() || ws.Signaled() {
		delete(t.threads, tid)
		if tid == t.PID {
			t.status, t.ended = ws, true
		}
		return nil
	}
	th := t.threads[tid]
	fresh := th == nil
	if fresh { // its first stop may be seen before its maker's
		th = &Thread{TID: tid}
		t.threads[tid] = th
	}
	if th != want {
		th.since = history.Now()
	}
	th.stopped = true
	event := int(ws) >> 16
	switch {
	case event == unix.PTRACE_EVENT_CLONE:
		return t.cloned(th, want)
	case event == unix.PTRACE_EVENT_STOP && groupStop(ws.StopSignal()):
		if th == want {
			return nil
		}
		return t.run(th, unix.PTRACE_LISTEN) // it stays stopped, as without a tracer
	case event != 0:
		return t.eventStop(th, want)
	}
	return t.signalled(th, ws.StopSignal(), want)
}

// cloned enters the new thread, which will stop by itself, and continues its maker.
func (t *Tracee) cloned(th, want *Thread) error {
	if msg, err := unix.PtraceGetEventMsg(th.TID); err == nil && t.threads[int(msg)] == nil {
		t.threads[int(msg)] = &Thread{TID: int(msg)}
	}
	if th == want {
		return nil
	}
	return t.run(th, unix.PTRACE_CONT)
}

// eventStop is the stop that was asked for, or the first one of a new thread.
func (t *Tracee) eventStop(th, want *Thread) error {
	if err := t.poke(th); err != nil {
		return err
	}
	if th == want {
		return nil
	}
	return t.run(th, unix.PTRACE_CONT)
}

// signalled is a thread that is about to get a signal.
func (t *Tracee) signalled(th *Thread, sig syscall.Signal, want *Thread) error {
	if sig == unix.SIGTRAP && kernels(th.TID) {
		th.trap = true
		if hit, ok := t.hit(th); ok {
			t.hits = append(t.hits, hit)
			return nil
		}
		if th == want {
			return nil
		}
		return t.run(th, unix.PTRACE_CONT) // of a breakpoint that is no longer armed
	}
	th.sig = sig
	if th == want {
		return nil
	}
	return t.run(th, unix.PTRACE_CONT)
}

func (t *Tracee) hit(th *Thread) (Hit, bool) {
	var regs unix.PtraceRegs
	if unix.PtraceGetRegs(th.TID, &regs) != nil || regs.Rip == 0 || !slices.Contains(t.points[:], regs.Rip) {
		return Hit{}, false
	}
	return Hit{Thread: th, At: regs.Rip, T: th.since}, true
}

// Offsets of <sys/user.h> struct user, amd64.
const (
	debugRegs = 848
	dr7       = debugRegs + 7*8
)

// poke writes the armed breakpoints into a stopped thread: instruction breakpoints
// of length 1 (Intel SDM vol. 3, 18.2.4), locally enabled.
func (t *Tracee) poke(th *Thread) error {
	var enable uintptr
	if err := pokeUser(th.TID, dr7, 0); err != nil { // else the kernel refuses changes of the addresses
		return err
	}
	for i, p := range t.points {
		if p == 0 {
			continue
		}
		if err := pokeUser(th.TID, debugRegs+uintptr(i)*8, uintptr(p)); err != nil {
			return err
		}
		enable |= 1 << (2 * i)
	}
	if enable == 0 {
		return nil
	}
	return pokeUser(th.TID, dr7, enable)
}

func pokeUser(tid int, offset, v uintptr) error {
	if err := ptrace(unix.PTRACE_POKEUSR, tid, offset, v); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("debug register of %d: %w", tid, err)
	}
	return nil
}

func groupStop(s syscall.Signal) bool {
	return s == unix.SIGSTOP || s == unix.SIGTSTP || s == unix.SIGTTIN || s == unix.SIGTTOU
}

// Regs are a stopped thread's registers.
func (th *Thread) Regs() (unix.PtraceRegs, error) {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(th.TID, &r); err != nil {
		return r, fmt.Errorf("registers of %d: %w", th.TID, err)
	}
	return r, nil
}

// SetRegs sets a stopped thread's registers.
func (th *Thread) SetRegs(r unix.PtraceRegs) error {
	if err := unix.PtraceSetRegs(th.TID, &r); err != nil {
		return fmt.Errorf("set registers of %d: %w", th.TID, err)
	}
	return nil
}

// Read fills buf from the process's memory.
func (t *Tracee) Read(addr uint64, buf []byte) error {
	if _, err := t.mem.ReadAt(buf, int64(addr)); err != nil {
		return fmt.Errorf("read %#x of %d: %w", addr, t.PID, err)
	}
	return nil
}

// Write writes into the process's memory, also where that is read-only to itself
// (a private copy of the page is made).
func (t *Tracee) Write(addr uint64, buf []byte) error {
	if _, err := t.mem.WriteAt(buf, int64(addr)); err != nil {
		return fmt.Errorf("write %#x of %d: %w", addr, t.PID, err)
	}
	return nil
}

// kernels tells whether the signal that a thread stopped for came from the kernel
// (a trap), not from a process.
func kernels(tid int) bool {
	code, err := siCode(tid)
	return err == nil && code > 0
}

// tracer is the thread that traces a thread; 0: none.
func tracer(pid, tid int) int {
	n, _ := strconv.Atoi(field(pid, tid, "TracerPid:"))
	return n
}

func ptrace(request, tid int, addr, data uintptr) error {
	if _, _, e := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data, 0, 0); e != 0 {
		return e
	}
	return nil
}
