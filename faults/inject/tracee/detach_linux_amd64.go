package tracee

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// patience bounds the wait for one thread to stop so that it can be let go: one in
// an uninterruptible sleep takes as long as its disk.
const patience = 2 * time.Second

// Detach takes the breakpoints out of every thread and lets go of the process, which
// runs on as if nothing had been. It takes no context: whatever happens, this must
// be done. The error names what could not be; a process that has ended is none.
func (t *Tracee) Detach() error {
	defer t.release()
	t.points = [4]uint64{}
	var errs []error
	for !t.ended && len(t.threads) > 0 {
		for _, th := range t.all() {
			if err := t.letGo(th); err != nil {
				errs = append(errs, err)
			}
			delete(t.threads, th.TID)
		}
		t.stragglers()
	}
	return errors.Join(errs...)
}

// stragglers enters threads that came while others were let go.
func (t *Tracee) stragglers() {
	tids, _ := Threads(t.PID)
	for _, tid := range tids {
		if tracer(t.PID, tid) == unix.Gettid() && t.threads[tid] == nil {
			t.threads[tid] = &Thread{TID: tid}
		}
	}
}

func (t *Tracee) letGo(th *Thread) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := t.Stop(ctx, th); errors.Is(err, ErrEnded) {
		return nil
	} else if err != nil {
		return err
	}
	if err := t.poke(th); err != nil {
		return err
	}
	if err := t.drain(ctx, th); err != nil || !th.stopped {
		return err
	}
	for _, s := range th.later {
		unix.Tgkill(t.PID, th.TID, s)
	}
	return t.run(th, unix.PTRACE_DETACH)
}

// drain lets a stopped thread take a SIGTRAP that a breakpoint has queued for it
// already: without a tracer it would end the process.
func (t *Tracee) drain(ctx context.Context, th *Thread) error {
	for th.stopped && pending(t.PID, th.TID, unix.SIGTRAP) {
		if th.sig != 0 { // it may have stopped for another one
			th.later, th.sig = append(th.later, th.sig), 0
		}
		if err := t.run(th, unix.PTRACE_CONT); err != nil {
			return err
		}
		for !th.stopped && !t.ended && t.threads[th.TID] == th {
			if err := t.step(ctx, th); err != nil {
				return fmt.Errorf("drain %d: %w", th.TID, err)
			}
		}
	}
	return nil
}

// pending tells whether a signal waits for a thread (proc(5), SigPnd).
func pending(pid, tid int, sig syscall.Signal) bool {
	mask, err := strconv.ParseUint(field(pid, tid, "SigPnd:"), 16, 64)
	return err == nil && mask&(1<<(uint(sig)-1)) != 0
}

// field is a line of a thread's status in proc(5).
func field(pid, tid int, name string) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/status", pid, tid))
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// siCode is si_code of the signal that a thread stopped for (sigaction(2)).
func siCode(tid int) (int32, error) {
	var info [128]byte
	// The pointer becomes a number in the call itself (package unsafe, rule 4): through
	// ptrace, which moves the stack where it grows, it might be an old one.
	if _, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GETSIGINFO, uintptr(tid), 0, uintptr(unsafe.Pointer(&info)), 0, 0); e != 0 {
		return 0, e
	}
	return int32(binary.NativeEndian.Uint32(info[8:])), nil
}

// release gives up what the tracer itself holds.
func (t *Tracee) release() {
	signal.Stop(t.chld)
	if t.mem != nil {
		t.mem.Close()
	}
	hurry(0)
	runtime.UnlockOSThread()
}
