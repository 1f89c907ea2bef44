package inject

import (
	"errors"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// apart gives the injector a session of its own: a terminal's Ctrl-C does not reach it,
// and it may be given a turn before others.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// canTrace says why nothing can be traced here.
func canTrace() error {
	if runtime.GOARCH != "amd64" {
		return errors.New("needs amd64")
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return err
	}
	if data[0].Effective&(1<<unix.CAP_SYS_PTRACE) == 0 {
		return errors.New("needs the right to trace any process (CAP_SYS_PTRACE)")
	}
	_, err := Program()
	return err
}
