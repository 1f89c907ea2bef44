package apart

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRunIsNeverOnTheFirstThread: with one processor a goroutine that is begun is
// sooner or later on the first thread, as the test's own is.
func TestRunIsNeverOnTheFirstThread(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	met := 0
	for range 300 {
		begun := make(chan bool)
		go func() { begun <- unix.Gettid() == unix.Getpid() }()
		if <-begun {
			met++
		}
		var on int
		failed := errors.New("as f says")
		if err := Run(func() error { on = unix.Gettid(); return failed }); err != failed {
			t.Fatal(err)
		}
		if on == unix.Getpid() {
			t.Fatal("it ran on the process's first thread")
		}
	}
	t.Logf("%d of 300 other goroutines were on the first thread", met)
}

func TestRunLeavesNothing(t *testing.T) {
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := Run(func() error { return unix.Unshare(unix.CLONE_NEWNET) }); err != nil {
			t.Skip(err)
		}
		for _, of := range []string{"self", "thread-self"} {
			if now, _ := os.Readlink("/proc/" + of + "/ns/net"); now != ours {
				t.Fatalf("%s is in %s, and was in %s", of, now, ours)
			}
		}
	}
}

func TestNamespaceOfAContainerIsNotOurs(t *testing.T) {
	for _, kind := range []string{"net", "mnt"} {
		if ns, err := Namespace(os.Getpid(), kind, true); err == nil {
			ns.Close()
			t.Errorf("our own %s namespace passed for a container's", kind)
		}
		ns, err := Namespace(os.Getpid(), kind, false)
		if err != nil {
			t.Fatal(err)
		}
		ns.Close()
	}
	c := exec.Command("sleep", "60")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	defer func() {
		c.Process.Kill()
		c.Wait()
		if _, err := Namespace(c.Process.Pid, "net", true); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("of a process that is no more: %v", err)
		}
	}()
	for _, kind := range []string{"net", "mnt"} {
		ns, err := Namespace(c.Process.Pid, kind, true)
		if err != nil {
			t.Fatal(err)
		}
		ns.Close()
	}
}
