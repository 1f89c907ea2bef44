package native

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"faultbed/faults/inject/line"
)

// The tracer waits for any child, so it must not be the victim's parent: the test
// starts itself again to fire.
func TestMain(m *testing.M) {
	if args := strings.Fields(os.Getenv("NATIVE_FIRE")); len(args) == 2 {
		pid, _ := strconv.Atoi(args[1])
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := Fire(ctx, pid, args[0], func(l line.Line) { line.Write(os.Stdout, l) }); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// python waits in the kernel most of the time, as a proxy does, with no handler for
// any fatal signal; with PID 1 it is the first process of its namespace.
func python(t *testing.T, first bool) (cmd *exec.Cmd, pid int) {
	t.Helper()
	program, err := exec.LookPath("python3")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and python3")
	}
	cmd = exec.Command(program, "-c", "import time\nprint('up', flush=True)\nwhile True: time.sleep(0.005)")
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if first {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	}
	cmd.Dir = t.TempDir() // for a core file
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if _, err := out.Read(make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	return cmd, cmd.Process.Pid
}

func TestEndsAnyProcess(t *testing.T) {
	for _, c := range []struct {
		do    string
		first bool
		by    syscall.Signal
		why   string
	}{
		{Segv, false, syscall.SIGSEGV, ""},
		{Segv, true, syscall.SIGSEGV, "a fault of its own ends a PID 1 too"},
		{Abort, false, syscall.SIGABRT, ""},
		{Abort, true, syscall.SIGSEGV, "the kernel drops SIGABRT, and hlt faults, as in abort(3)"},
		{StackOverflow, false, syscall.SIGSEGV, ""},
		{StackOverflow, true, syscall.SIGSEGV, ""},
	} {
		cmd, pid := python(t, c.first)
		fire := exec.Command(os.Args[0])
		fire.Env = append(os.Environ(), "NATIVE_FIRE="+c.do+" "+strconv.Itoa(pid))
		out, err := fire.CombinedOutput()
		if err != nil || strings.Count(string(out), line.Fired) != 1 || !strings.Contains(string(out), `"ended":"ended"`) {
			t.Errorf("%s, PID 1 %v: %v: %s", c.do, c.first, err, out)
			continue
		}
		cmd.Wait()
		if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != c.by {
			t.Errorf("%s, PID 1 %v ended by %v, want %v: %s", c.do, c.first, cmd.ProcessState, c.by, c.why)
		}
	}
}

func TestBelow(t *testing.T) {
	const maps = `00400000-00500000 r-xp 00000000 08:01 1 /bin/x
c000000000-c000400000 rw-p 00000000 00:00 0
c000400000-c004000000 ---p 00000000 00:00 0
7f0000000000-7f0000001000 ---p 00000000 00:00 0
7f0000001000-7f0000801000 rw-p 00000000 00:00 0
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]
`
	for _, c := range []struct {
		sp, from, to uint64
		what         string
	}{
		{0x7f0000400000, 0x7f0000000000, 0x7f0000001000, "in the guard page of a thread's stack"},
		{0x7ffd00020000, 0x7f0000801000, 0x7ffd00000000 - 8<<20, "further below the first thread's than that grows"},
		{0xc000001000, 0x00500000, 0xc000000000, "below Go's heap"},
		{0x10, 0, 0, "no stack"},
	} {
		got, err := below(maps, c.sp)
		if c.from == 0 {
			if err == nil {
				t.Errorf("%s: %#x", c.what, got)
			}
			continue
		}
		if err != nil || got < c.from || got >= c.to || got%8 != 0 {
			t.Errorf("%s: %#x, %v, want within %#x to %#x", c.what, got, err, c.from, c.to)
		}
	}
}

func FuzzBelow(f *testing.F) {
	f.Add("00400000-00500000 r-xp 0 08:01 1 /bin/x\n", uint64(0x450000))
	f.Fuzz(func(t *testing.T, maps string, sp uint64) {
		if got, err := below(maps, sp); err == nil && got%8 != 0 {
			t.Errorf("%#x is not aligned", got)
		}
	})
}
