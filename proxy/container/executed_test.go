//go:build linux

package container

import (
	"os/exec"
	"syscall"
	"testing"

	"faultbed/proxy/pidfd"
)

// TestExecuted has a process that is called as the engine's own are, until it
// executes something else, or ends.
func TestExecuted(t *testing.T) {
	for _, c := range []struct {
		comm, then string
		init, want bool
		after      string
	}{
		{"runc:[2:INIT]", "exec sleep 100", false, true, "sleep"},
		{"runc:[2:INIT]", "exec sleep 100", true, true, "sleep"},
		{"docker-init", "exec sleep 100", true, true, "sleep"},
		{"tini", "exec sleep 100", true, true, "sleep"},
		{"tini", "sleep 100", false, true, "tini"}, // a subject of that name
		{"docker-init", "exit 127", true, false, ""},
	} {
		cmd := exec.Command("/bin/sh", "-c", "printf '%s' '"+c.comm+"' > /proc/$$/comm; echo; read x; sleep 0.05; "+c.then)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out.Read(make([]byte, 1)) // it has its name
		in.Write([]byte("\n"))
		if got := executed(cmd.Process.Pid, c.init); got != c.want || pidfd.Comm(cmd.Process.Pid) != c.after {
			t.Errorf("%+v: %v, and it is called %q", c, got, pidfd.Comm(cmd.Process.Pid))
		}
		for _, pid := range append(pidfd.Descendants(cmd.Process.Pid), cmd.Process.Pid) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		cmd.Wait()
	}
}
