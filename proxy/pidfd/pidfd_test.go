//go:build linux

package pidfd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"faultbed/proxy"
	"faultbed/reports/history"
)

const patience = 10 * time.Second

// child runs a shell script that prints a line once it is ready, and waits with
// "read" until its standard input ends.
type child struct {
	*exec.Cmd
	t   *testing.T
	in  io.Closer
	out *bufio.Reader
}

func start(t *testing.T, script string) *child {
	t.Helper()
	c := &child{Cmd: exec.Command("/bin/sh", "-c", script), t: t}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.in, c.out = in, bufio.NewReader(out)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, pid := range append(Descendants(c.Process.Pid), c.Process.Pid) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		c.Wait()
	})
	if line, err := c.out.ReadString('\n'); line != "ready\n" || err != nil {
		t.Fatalf("got %q, %v", line, err)
	}
	return c
}

func open(t *testing.T, pid int) *FD {
	t.Helper()
	f, err := Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func (f *FD) await(t *testing.T) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	at, err := f.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestSignalAndWait(t *testing.T) {
	c := start(t, "trap 'exit 5' TERM; echo ready; read x")
	f := open(t, c.Process.Pid)
	before := history.Now()
	sent, err := f.Signal(syscall.SIGTERM)
	if err != nil || sent.NoHandler || sent.Via != "pidfd" || sent.T < before {
		t.Errorf("sent %+v, %v", sent, err)
	}
	if at := f.await(t); at < sent.T || at > history.Now() {
		t.Errorf("ended at %d, sent at %d", at, sent.T)
	}
	// It is a zombie: the kernel would take the signal.
	if _, err := f.Signal(syscall.SIGTERM); !errors.Is(err, proxy.ErrEnded) {
		t.Errorf("to a zombie: %v", err)
	}
	if comm := Comm(c.Process.Pid); comm != "" {
		t.Errorf("a zombie is called %q", comm)
	}
	c.Wait()
	if code := c.ProcessState.ExitCode(); code != 5 {
		t.Errorf("code %d", code)
	}
	if _, err := f.Signal(syscall.SIGKILL); !errors.Is(err, proxy.ErrEnded) {
		t.Errorf("to nobody: %v", err)
	}
	if f.await(t) == 0 {
		t.Error("Wait after the end")
	}
}

func TestWaitStops(t *testing.T) {
	f := open(t, start(t, "echo ready; read x").Process.Pid)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if at, err := f.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%d, %v", at, err)
	}
}

func TestOpenNobody(t *testing.T) {
	c := start(t, "echo ready")
	c.Wait()
	if f, err := Open(c.Process.Pid); err == nil {
		f.Close()
		t.Error("opened a process that was waited for")
	}
}

// TestNoHandler: the signal's fate as the kernel's tables have it.
func TestNoHandler(t *testing.T) {
	for _, c := range []struct {
		script  string
		sig     syscall.Signal
		catches bool
	}{
		{"echo ready; read x", syscall.SIGTERM, false},
		{"trap 'x=1' TERM; echo ready; read x", syscall.SIGTERM, true},
		{"trap 'x=1' TERM; echo ready; read x", syscall.SIGQUIT, false},
		{"trap '' TERM; echo ready; read x", syscall.SIGTERM, false}, // ignored
		{"trap 'x=1' USR2; echo ready; read x", syscall.SIGUSR2, true},
		{"echo ready; read x", syscall.SIGKILL, true},
		{"echo ready; read x", syscall.SIGSTOP, true},
	} {
		got, err := catches(start(t, c.script).Process.Pid, c.sig)
		if got != c.catches || err != nil {
			t.Errorf("%s: %v: %v, %v", c.script, c.sig, got, err)
		}
	}
	if _, err := catches(1<<30, syscall.SIGTERM); err == nil {
		t.Error("nobody catches")
	}
}

// TestFamily has a child, a grandchild, and one that left for a session of its own.
func TestFamily(t *testing.T) {
	c := start(t, "(sleep 1000 & echo ready; wait) & setsid sleep 1000 & wait")
	pid := c.Process.Pid
	names := func(pids []int) []string {
		var out []string
		for _, p := range Living(append(pids, pids...)) {
			out = append(out, p.Comm)
		}
		slices.Sort(out)
		return out
	}
	eventually := func(what string, pids func(int) []int, want ...string) {
		t.Helper()
		for end := time.Now().Add(patience); !slices.Equal(names(pids(pid)), want); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %v, want %v", what, names(pids(pid)), want)
			}
		}
	}
	eventually("children", Children, "sh", "sleep")
	eventually("descendants", Descendants, "sh", "sleep", "sleep")
	eventually("session", Session, "sh", "sh", "sleep")
	var far []int
	for _, p := range Living(Descendants(pid)) {
		if !slices.Contains(Session(pid), p.PID) {
			far = append(far, p.PID)
		}
	}
	if len(far) != 1 {
		t.Fatalf("outside of the session: %v", far)
	}
	syscall.Kill(far[0], syscall.SIGKILL)
	eventually("descendants after one was killed", Descendants, "sh", "sleep")
}

// TestComm has names that a parser of /proc could stumble over.
func TestComm(t *testing.T) {
	for _, name := range []string{"plain", "with space", "a) R (b", "(((", ") Z 1 1 1"} {
		c := start(t, "printf '%s' '"+name+"' > /proc/$$/comm; echo ready; read x")
		if got := Comm(c.Process.Pid); got != name {
			t.Errorf("%q is called %q", name, got)
		}
		if !slices.Contains(Session(c.Process.Pid), c.Process.Pid) {
			t.Errorf("%q is not of its own session", name)
		}
	}
	if got := Comm(os.Getpid()); got == "" {
		t.Error("this process has no name")
	}
	if got := Comm(1 << 30); got != "" {
		t.Errorf("nobody is called %q", got)
	}
}

func TestNames(t *testing.T) {
	for name, sig := range names {
		plain, err := Number(name)
		long, err2 := Number("SIG" + name)
		if plain != sig || long != sig || err != nil || err2 != nil || Name(sig) != name {
			t.Errorf("%s: %v, %v, %s", name, plain, long, Name(sig))
		}
	}
	if _, err := Number("term"); err == nil {
		t.Error("term is a signal")
	}
	if got := Name(syscall.Signal(63)); got != "63" {
		t.Errorf("signal 63 is called %s", got)
	}
}
