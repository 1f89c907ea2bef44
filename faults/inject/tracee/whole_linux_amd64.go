package tracee

import (
	"context"
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// StopAll stops every thread, also those that are made meanwhile, and lists them;
// they stay stopped until [Tracee.Detach] or [Tracee.ResumeAll].
func (t *Tracee) StopAll(ctx context.Context) ([]*Thread, error) {
	for {
		running := 0
		for _, th := range t.all() {
			if th.stopped {
				continue
			}
			running++
			if err := t.Stop(ctx, th); errors.Is(err, ErrEnded) && !t.ended {
				continue // that thread alone
			} else if err != nil {
				return nil, err
			}
		}
		if running == 0 {
			return t.all(), nil
		}
	}
}

// ResumeAll lets every stopped thread go on.
func (t *Tracee) ResumeAll() error {
	var errs []error
	for _, th := range t.all() {
		if th.stopped {
			errs = append(errs, t.Resume(th))
		}
	}
	return errors.Join(errs...)
}

// CallOn is [Tracee.Call] on a stack that ends at top, for threads whose own stack
// is small, as a goroutine's may be.
func (t *Tracee) CallOn(ctx context.Context, th *Thread, top, fn uint64, args ...uint64) (uint64, error) {
	was, err := th.Regs()
	if err != nil {
		return 0, err
	}
	r := was
	r.Rip, r.Rax, r.Orig_rax = fn, 0, ^uint64(0)
	r.Rsp = top&^15 - 8 // as after a call instruction
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

// Map makes a stopped thread map so many bytes of fresh memory, readable and writable.
func (t *Tracee) Map(ctx context.Context, th *Thread, size uint64) (uint64, error) {
	return t.Syscall(ctx, th, unix.SYS_MMAP, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uint64(0), 0)
}

// Unmap makes a stopped thread give memory back.
func (t *Tracee) Unmap(ctx context.Context, th *Thread, addr, size uint64) error {
	_, err := t.Syscall(ctx, th, unix.SYS_MUNMAP, addr, size)
	return err
}

// Mapping is the process's first mapping of that name (proc(5), maps).
func (t *Tracee) Mapping(name string) (from, to uint64, err error) { return mapping(t.PID, name) }
