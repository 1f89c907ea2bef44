package resource

import (
	"fmt"
	"os"
	"syscall"

	"faultbed/faults/apart"
	"golang.org/x/sys/unix"
)

// softLimit is how many files a process may have open.
func softLimit(pid int) (uint64, error) {
	var l unix.Rlimit
	err := asOwner(pid, func() error { return unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &l) })
	if err != nil {
		return 0, fmt.Errorf("prlimit %d: %w", pid, err)
	}
	return l.Cur, nil
}

// setSoftLimit changes it and leaves the hard limit alone.
func setSoftLimit(pid int, n uint64) error {
	err := asOwner(pid, func() error {
		var l unix.Rlimit
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &l); err != nil {
			return err
		}
		l.Cur = n
		return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &l, nil)
	})
	if err != nil {
		return fmt.Errorf("prlimit %d: %w", pid, err)
	}
	return nil
}

// asOwner runs f on a thread whose real user and group are the process's, and which
// ends with these changed ids: without
// CAP_SYS_RESOURCE, which root in a container or a virtual machine may lack, the
// kernel lets only the same user change limits (prlimit(2)).
func asOwner(pid int, f func() error) error {
	st, err := os.Stat(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return err
	}
	owner := st.Sys().(*syscall.Stat_t)
	return apart.Run(func() error {
		const keep = ^uintptr(0) // the effective ids stay
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(owner.Gid), keep, keep); e != 0 {
			return fmt.Errorf("setresgid: %w", e)
		}
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(owner.Uid), keep, keep); e != 0 {
			return fmt.Errorf("setresuid: %w", e)
		}
		return f()
	})
}
