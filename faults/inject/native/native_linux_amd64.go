package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"faultbed/faults/inject/line"
	"faultbed/faults/inject/tracee"
	"faultbed/reports/history"
	"golang.org/x/sys/unix"
)

// tries is how often a process is hit that does not end: Go turns a fault in a
// goroutine's own code into a panic, which may be recovered.
const tries = 5

// dying is how long a process may take to end, with all that it prints.
const dying = time.Second

// Fire makes a process fault, lets go, and says whether it ended. The error is
// [tracee.ErrEnded] if it had ended before, or says that it lives on.
func Fire(ctx context.Context, pid int, do string, say func(line.Line)) error {
	end, err := tracee.WatchEnd(pid)
	if err != nil {
		return err
	}
	defer end.Close()
	held := tracee.Held{}
	for n := 1; n <= tries && ctx.Err() == nil; n++ {
		if err := once(ctx, pid, do, n, &held, say); err != nil {
			return err
		}
		if end.Within(dying) {
			say(line.Line{Event: line.Detached, T: history.Now(), PID: pid, Fired: n, Stops: held.Stops, Held: held.Longest, Ended: "ended"})
			return nil
		}
	}
	return fmt.Errorf("the process lives on after %d times %s", tries, do)
}

// once is one try; it adds to how long threads were held.
func once(ctx context.Context, pid int, do string, n int, held *tracee.Held, say func(line.Line)) error {
	t, err := tracee.Attach(pid)
	if err != nil {
		return err
	}
	if n == 1 {
		say(line.Line{Event: line.Ready, T: history.Now(), PID: pid})
	}
	err = errors.Join(spoil(ctx, t, t.Main(), do, n), t.Detach())
	h := t.Held()
	held.Stops, held.Longest = held.Stops+h.Stops, max(held.Longest, h.Longest)
	if err == nil {
		say(line.Line{Event: line.Fired, T: history.Now(), PID: pid, TID: pid, Held: h.Longest})
	}
	return err
}

// spoil changes the first thread so that it faults as soon as it goes on. It must
// do so untraced: the kernel spares a traced PID 1 that has no handler.
func spoil(ctx context.Context, t *tracee.Tracee, th *tracee.Thread, do string, n int) error {
	if th == nil {
		return tracee.ErrEnded
	}
	if err := t.Stop(ctx, th); err != nil {
		return err
	}
	if do == Abort && n == 1 {
		if err := raise(ctx, t, th, unix.SIGABRT); err != nil || !ignores(t.PID) {
			return err
		}
	}
	r, err := th.Regs()
	if err != nil {
		return err
	}
	r.Orig_rax = ^uint64(0) // no system call to restart
	switch do {
	case Segv:
		r.Rip = 0
	case Abort:
		if r.Rip, err = find(t, hlt); err != nil {
			return err
		}
	case StackOverflow:
		if r.Rip, err = find(t, ret); err != nil {
			return err
		}
		if r.Rsp, err = guard(t.PID, r.Rsp); err != nil {
			return err
		}
	}
	return th.SetRegs(r)
}

// raise is raise(3): it asks the process what its own ids are, for a container counts
// otherwise.
func raise(ctx context.Context, t *tracee.Tracee, th *tracee.Thread, sig syscall.Signal) error {
	pid, err := t.Syscall(ctx, th, unix.SYS_GETPID)
	if err != nil {
		return err
	}
	tid, err := t.Syscall(ctx, th, unix.SYS_GETTID)
	if err != nil {
		return err
	}
	_, err = t.Syscall(ctx, th, unix.SYS_TGKILL, pid, tid, uint64(sig))
	return err
}

// ignores tells whether a process is PID 1 of its namespace: SIGABRT ends it only if
// it has a handler (pid_namespaces(7)).
func ignores(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	first, handled := false, false
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		switch f := strings.Fields(value); {
		case name == "NSpid" && len(f) > 0:
			first = f[len(f)-1] == "1"
		case name == "SigCgt" && len(f) > 0:
			mask, err := strconv.ParseUint(f[0], 16, 64)
			handled = err == nil && mask&(1<<(unix.SIGABRT-1)) != 0
		}
	}
	return first && !handled
}

// Instructions, one byte each.
const (
	hlt = 0xf4 // privileged: a fault in a program
	ret = 0xc3 // reads the stack
)

// find is the address of such a byte in the vDSO, which every process can execute.
func find(t *tracee.Tracee, b byte) (uint64, error) {
	from, code, err := t.VDSO()
	if err != nil {
		return 0, err
	}
	i := bytes.IndexByte(code, b)
	if i < 0 {
		return 0, fmt.Errorf("the vDSO has no byte %#x", b)
	}
	return from + uint64(i), nil
}

// guard is an address that can't be used, as near as can be below the mapping that a
// stack pointer is in: in its guard page, or in the middle of the next hole, for the
// first thread's stack grows by itself.
func guard(pid int, sp uint64) (uint64, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, err
	}
	return below(string(maps), sp)
}

// below reads the mappings (proc(5), maps), which come in the order of their addresses.
func below(maps string, sp uint64) (uint64, error) {
	var hole, end uint64
	for line := range strings.Lines(maps) {
		var from, to uint64
		var rights string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights); err != nil {
			return 0, fmt.Errorf("mapping %q: %w", line, err)
		}
		if from > end {
			hole = (end + (from-end)/2) &^ 15
		}
		if sp >= from && sp < to {
			return hole, nil
		}
		if strings.HasPrefix(rights, "---") {
			hole = (to - 64) &^ 15
		}
		end = to
	}
	return 0, errors.New("its stack is not among its mappings")
}
