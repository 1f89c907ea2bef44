package inject

import (
	"context"
	"net/netip"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"faultbed/faults/inject/notify"
	"faultbed/faults/room"
	"faultbed/proxy/pidfd"
	"golang.org/x/sys/unix"
)

// TestFilterInPartOnly: a process has the filter and its child can't have it, for it
// has another's. The supervisor must live on with the process; the fault fails at once.
func TestFilterInPartOnly(t *testing.T) {
	if testing.Short() {
		t.Skip("builds for seconds")
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64")
	}
	program := filepath.Join(t.TempDir(), "injector")
	if out, err := exec.Command("go", "build", "-o", program, "faultbed/cmd/injector").CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	t.Setenv("FAULTBED_INJECTOR", program)
	if err := canTrace(); err != nil {
		t.Skip(err)
	}
	parent := exec.Command("/bin/sh", "-c", "sleep 60 & wait")
	parent.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := parent.Start(); err != nil {
		t.Skip(err)
	}
	end := func() { unix.Kill(-parent.Process.Pid, unix.SIGKILL) } // both of them
	t.Cleanup(func() { end(); parent.Wait() })
	for begun := time.Now(); len(pidfd.Children(parent.Process.Pid)) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > 5*time.Second {
			t.Fatal("it has no child")
		}
	}
	spec := notify.Spec{Dest: netip.MustParseAddrPort("127.0.0.1:9"), Errno: "EPERM"}
	begin := func(pid int) (room.Active, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		target := self(&ledger{}, "")
		target.PID = pid
		return supervise(ctx, target, spec)
	}
	first, err := begin(pidfd.Children(parent.Process.Pid)[0])
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds the supervisor that has failed
		begun := time.Now()
		if _, err := begin(parent.Process.Pid); err == nil || !strings.Contains(err.Error(), "busy") || time.Since(begun) > 10*time.Second {
			t.Errorf("it failed after %v with: %v", time.Since(begun), err)
		}
	}
	supervisors.Lock()
	s := supervisors.of[parent.Process.Pid]
	supervisors.Unlock()
	if s == nil {
		t.Fatal("the supervisor has left a process that has its filter")
	}
	if err := first.Lift(t.Context()); err != nil {
		t.Error(err)
	}
	end()
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		t.Error("the supervisor outlives its process")
	}
}
