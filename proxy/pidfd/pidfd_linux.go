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
		fds := []unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int((100 * time.Millisecond).Milliseconds()))
		if n > 0 {
			return history.Now(), nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("poll pidfd of %d: %w", f.pid, err)
		}
	}
	return 0, ctx.Err()
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
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	s := string(b)
	open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if open < 0 || end < open || len(s) < end+3 || s[end+2] == 'Z' || s[end+2] == 'X' {
		return ""
	}
	return s[open+1 : end]
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
