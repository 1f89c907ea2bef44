package pidfd

import (
	"fmt"
	"strings"
	"syscall"
)

var names = map[string]syscall.Signal{
	"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "HUP": syscall.SIGHUP,
	"KILL": syscall.SIGKILL, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "ABRT": syscall.SIGABRT,
	"SEGV": syscall.SIGSEGV, "WINCH": syscall.SIGWINCH, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT,
	"BUS": syscall.SIGBUS, "FPE": syscall.SIGFPE, "PIPE": syscall.SIGPIPE, "ALRM": syscall.SIGALRM,
}

// Number is the signal of that name, with or without SIG.
func Number(name string) (syscall.Signal, error) {
	if s, ok := names[strings.TrimPrefix(name, "SIG")]; ok {
		return s, nil
	}
	return 0, fmt.Errorf("no signal %q", name)
}

// Name is the signal's name without SIG, or its number.
func Name(sig syscall.Signal) string {
	for n, s := range names {
		if s == sig {
			return n
		}
	}
	return fmt.Sprint(int(sig))
}
