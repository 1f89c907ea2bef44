package tracee

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Syscall makes a stopped thread do one system call and puts its registers back; it
// stays stopped. The error is the call's own as [syscall.Errno], or what failed.
func (t *Tracee) Syscall(ctx context.Context, th *Thread, nr uintptr, args ...uint64) (uint64, error) {
	gate, err := t.gate()
	if err != nil {
		return 0, err
	}
	was, err := th.Regs()
	if err != nil {
		return 0, err
	}
	r := was
	r.Rip, r.Rax, r.Orig_rax = gate, uint64(nr), ^uint64(0) // -1: no system call to restart
	for i, into := range []*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10, &r.R8, &r.R9}[:len(args)] {
		*into = args[i]
	}
	got, err := t.excursion(ctx, th, was, r, unix.PTRACE_SINGLESTEP, func(r unix.PtraceRegs, sig syscall.Signal) bool {
		return sig == unix.SIGTRAP && r.Rip == gate+2
	})
	if n := int64(got); err == nil && n < 0 && n > -4096 {
		return got, syscall.Errno(-n)
	}
	return got, err
}

// redZone is what a leaf function may use below its stack pointer (System V ABI,
// AMD64, 3.2.2), and some more.
const redZone = 512

// Call makes a stopped thread call a C function of up to six whole numbers, and puts
// its registers back; it stays stopped, and gives what the function returned. Other
// threads run meanwhile. The function returns to address 0, and the fault there is
// its end; any other fault is an error, and the registers are put back too.
func (t *Tracee) Call(ctx context.Context, th *Thread, fn uint64, args ...uint64) (uint64, error) {
	was, err := th.Regs()
	if err != nil {
		return 0, err
	}
	r := was
	r.Rip, r.Rax, r.Orig_rax = fn, 0, ^uint64(0)
	r.Rsp = (was.Rsp-redZone)&^15 - 8 // as after a call instruction
	for i, into := range []*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.Rcx, &r.R8, &r.R9}[:len(args)] {
		*into = args[i]
	}
	if err := t.Write(r.Rsp, make([]byte, 8)); err != nil {
		return 0, err
	}
	return t.excursion(ctx, th, was, r, unix.PTRACE_CONT, func(r unix.PtraceRegs, sig syscall.Signal) bool {
		return sig == unix.SIGSEGV && r.Rip == 0
	})
}

// excursion lets a thread run from other registers until it is back, and gives RAX.
// Signals that it gets meanwhile it gets later. A fault of its own is an error.
func (t *Tracee) excursion(ctx context.Context, th *Thread, was, r unix.PtraceRegs, request int, back func(unix.PtraceRegs, syscall.Signal) bool) (uint64, error) {
	if th.sig != 0 {
		th.later, th.sig = append(th.later, th.sig), 0
	}
	if err := th.SetRegs(r); err != nil {
		return 0, err
	}
	for {
		since := th.since // the whole way counts as held: it is not the program's own
		if err := t.run(th, request); err != nil {
			return 0, err
		}
		th.since = since
		if err := t.awaitStop(ctx, th); err != nil {
			return 0, errors.Join(err, t.turnBack(th, was))
		}
		now, err := th.Regs()
		if err != nil {
			return 0, err
		}
		sig := th.sig
		if th.trap {
			sig = unix.SIGTRAP
		}
		th.sig = 0
		switch {
		case back(now, sig):
			return now.Rax, th.SetRegs(was)
		case (sig == unix.SIGSEGV || sig == unix.SIGBUS || sig == unix.SIGILL || sig == unix.SIGFPE) && kernels(th.TID):
			return 0, errors.Join(fmt.Errorf("the call in %d ended by %v at %#x", th.TID, sig, now.Rip), th.SetRegs(was))
		case sig != 0 && sig != unix.SIGTRAP:
			th.later = append(th.later, sig)
		}
	}
}

// awaitStop waits for a running thread to stop by itself.
func (t *Tracee) awaitStop(ctx context.Context, th *Thread) error {
	for !th.stopped {
		if t.ended || t.threads[th.TID] != th {
			return ErrEnded
		}
		if err := t.step(ctx, th); err != nil {
			return err
		}
	}
	return nil
}

// turnBack gives a thread that did not come back in time its registers again.
func (t *Tracee) turnBack(th *Thread, was unix.PtraceRegs) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := t.Stop(ctx, th); err != nil {
		return err
	}
	return th.SetRegs(was)
}

// gate is the address of a system call instruction in the process.
func (t *Tracee) gate() (uint64, error) {
	from, code, err := t.VDSO()
	if err != nil {
		return 0, err
	}
	i := bytes.Index(code, []byte{0x0f, 0x05})
	if i < 0 {
		return 0, errors.New("no system call instruction in the vDSO")
	}
	return from + uint64(i), nil
}

// VDSO is the code that the kernel maps into every process (vdso(7)), and where.
func (t *Tracee) VDSO() (from uint64, code []byte, err error) {
	from, to, err := mapping(t.PID, "[vdso]")
	if err != nil {
		return 0, nil, err
	}
	code = make([]byte, to-from)
	return from, code, t.Read(from, code)
}

// mapping is the first mapping of that name (proc(5), maps).
func mapping(pid int, name string) (from, to uint64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 5 && f[5] == name {
			_, err := fmt.Sscanf(f[0], "%x-%x", &from, &to)
			return from, to, err
		}
	}
	return 0, 0, fmt.Errorf("%d has no mapping %s", pid, name)
}
