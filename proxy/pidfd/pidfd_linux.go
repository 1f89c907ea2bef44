package pidfd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"faultbed/proxy"
	"faultbed/reports/history"
	"golang.org/x/sys/unix"
)

// FD refers to one process.
type FD struct {
	fd  int
	pid int
}

// Open refers to the process that has pid now.
func Open(pid int) (*FD, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ENOSYS) {
		return nil, ErrUnsupported
	}
	if err != nil {
		return nil, fmt.Errorf("pidfd of %d: %w", pid, err)
	}
	return &FD{fd, pid}, nil
}

// Signal sends sig. The error wraps [proxy.ErrEnded] if the process has ended.
func (f *FD) Signal(sig syscall.Signal) (proxy.Sent, error) {
	caught, err := catches(f.pid, sig)
	s := proxy.Sent{Via: "pidfd", NoHandler: err == nil && !caught, T: history.Now()}
	if ended, _ := f.poll(0); ended { // the kernel takes signals for a zombie
		return s, fmt.Errorf("signal %d: %w", f.pid, proxy.ErrEnded)
	}
	switch err := unix.PidfdSendSignal(f.fd, sig, nil, 0); {
	case errors.Is(err, unix.ESRCH):
		return s, fmt.Errorf("signal %d: %w", f.pid, proxy.ErrEnded)
	case err != nil:
		return s, fmt.Errorf("signal %d: %w", f.pid, err)
	}
	return s, nil
}

// Wait returns the instant at which the process was seen to have exited.
func (f *FD) Wait(ctx context.Context) (int64, error) {
	for ctx.Err() == nil {
		ended, err := f.poll(100 * time.Millisecond)
		if ended {
			return history.Now(), nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, ctx.Err()
}

// poll tells whether the process has ended, waiting for it so long.
func (f *FD) poll(wait time.Duration) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(wait.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return false, fmt.Errorf("poll pidfd of %d: %w", f.pid, err)
	}
	return n > 0, nil
}

// Close gives the descriptor up; the process is left as it is.
func (f *FD) Close() error { return unix.Close(f.fd) }

// Children lists the direct children of a process.
func Children(pid int) []int {
	var out []int
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, t := range tasks {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		for _, s := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(s); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// Descendants lists all processes below pid.
func Descendants(pid int) []int {
	var out []int
	for _, c := range Children(pid) {
		out = append(append(out, c), Descendants(c)...)
	}
	return out
}

// Comm is the process's short name, empty if it is gone or a zombie.
func Comm(pid int) string {
	comm, _ := stat(pid)
	return comm
}

// Session lists the living processes of a session.
func Session(id int) []int {
	var out []int
	procs, _ := os.ReadDir("/proc")
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		if comm, session := stat(pid); comm != "" && session == id {
			out = append(out, pid)
		}
	}
	return out
}

// stat is the name and the session of a process; none if it is gone or a zombie.
func stat(pid int) (comm string, session int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	s := string(b)
	open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if open < 0 || end < open {
		return "", 0
	}
	f := strings.Fields(s[end+1:]) // state, ppid, pgrp, session
	if len(f) < 4 || f[0] == "Z" || f[0] == "X" {
		return "", 0
	}
	session, _ = strconv.Atoi(f[3])
	return s[open+1 : end], session
}

// catches tells whether the process has a handler for the signal: a PID 1
// without one never gets it. KILL and STOP need none.
func catches(pid int, sig syscall.Signal) (bool, error) {
	if sig == syscall.SIGKILL || sig == syscall.SIGSTOP {
		return true, nil
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(b)) {
		hex, ok := strings.CutPrefix(line, "SigCgt:")
		if !ok {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		return mask&(1<<(uint(sig)-1)) != 0, err
	}
	return false, errors.New("no SigCgt")
}
