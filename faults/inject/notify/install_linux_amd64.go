package notify

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"faultbed/faults/inject/tracee"
	"golang.org/x/sys/unix"
)

// installTime bounds the installation.
const installTime = 5 * time.Second

// filter sends connect(2) of amd64 programs to the supervisor and allows the rest
// (seccomp(2), struct seccomp_data: number at 0, architecture at 4).
var filter = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 4},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 3, K: unix.AUDIT_ARCH_X86_64},
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_CONNECT},
	{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
	{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
}

// flags: all threads get the filter or none; and a thread whose call was received
// is interrupted by a fatal signal only, so that no call is answered twice.
const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV

// install makes a process install the filter and gives the listener, which the
// process itself then has no more; and for how long its threads were stopped.
func install(pid int) (listener int, held tracee.Held, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), installTime)
	defer cancel()
	t, err := tracee.TakeTurn(ctx, pid)
	if err != nil {
		return -1, held, err
	}
	listener, err = installIn(ctx, t.Tracee)
	err = errors.Join(err, t.Detach())
	return listener, t.Held(), err
}

func installIn(ctx context.Context, t *tracee.Tracee) (listener int, err error) {
	th := t.Main()
	if th == nil {
		return -1, tracee.ErrEnded
	}
	if err := t.Stop(ctx, th); err != nil {
		return -1, err
	}
	mem, err := t.Map(ctx, th, 4096)
	if err != nil {
		return -1, fmt.Errorf("memory in %d: %w", t.PID, err)
	}
	defer func() { err = errors.Join(err, t.Unmap(ctx, th, mem, 4096)) }()
	if err := t.Write(mem, program(mem)); err != nil {
		return -1, err
	}
	if _, err := t.Syscall(ctx, th, unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, fmt.Errorf("no_new_privs in %d: %w", t.PID, err)
	}
	fd, err := t.Syscall(ctx, th, unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, mem)
	if err != nil {
		return -1, fmt.Errorf("seccomp in %d: %w", t.PID, err)
	}
	listener, err = fetch(t.PID, int(fd))
	_, e := t.Syscall(ctx, th, unix.SYS_CLOSE, fd)
	return listener, errors.Join(err, e)
}

// program is a struct sock_fprog that is to lie at an address, and its filter.
func program(at uint64) []byte {
	out := binary.NativeEndian.AppendUint64(nil, uint64(len(filter))) // a short, and padding
	out = binary.NativeEndian.AppendUint64(out, at+16)
	var b bytes.Buffer
	binary.Write(&b, binary.NativeEndian, filter)
	return append(out, b.Bytes()...)
}

// fetch is a copy of another process's descriptor.
func fetch(pid, fd int) (int, error) {
	ref, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1, fmt.Errorf("pidfd of %d: %w", pid, err)
	}
	defer unix.Close(ref)
	own, err := unix.PidfdGetfd(ref, fd, 0)
	if err != nil {
		return -1, fmt.Errorf("pidfd_getfd of %d: %w", pid, err)
	}
	return own, nil
}
