package process

import (
	"errors"
	"os"
	"syscall"
)

// attributes gives the subject a session of its own and, as PID 1, a PID
// namespace of its own.
func attributes(pid1 bool) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setsid: true}
	if pid1 {
		if os.Geteuid() != 0 {
			return nil, errors.New("variant pid1 needs root in the process runtime")
		}
		attr.Cloneflags = syscall.CLONE_NEWPID
	}
	return attr, nil
}
