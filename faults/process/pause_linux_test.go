package process

import (
	"bufio"
	"context"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"faultbed/faults/room"
	"faultbed/proxy/pidfd"
	"faultbed/reports/history"
)

// tree is a shell that starts processes all the time, the last of which is a zombie
// while the shell is stopped, and one that stays.
func tree(t *testing.T) *exec.Cmd {
	t.Helper()
	c := exec.Command("/bin/sh", "-c", "sleep 60 & echo ready; while :; do /bin/true; done")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		c.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	return c
}

// TestPauseStopsTheTree counts those that the kernel says are stopped, and no other.
func TestPauseStopsTheTree(t *testing.T) {
	for range 10 {
		c := tree(t)
		var bites []history.Event
		lift, err := pause.Inject(t.Context(), room.Target{PID: c.Process.Pid, Note: func(e history.Event) { bites = append(bites, e) }}, nil)
		if err != nil {
			t.Fatal(err)
		}
		all := append([]int{c.Process.Pid}, pidfd.Descendants(c.Process.Pid)...)
		alive := slices.DeleteFunc(all, func(pid int) bool { return pidfd.Comm(pid) == "" })
		if i := slices.IndexFunc(alive, func(pid int) bool { return !stopped(pid) }); i >= 0 {
			t.Errorf("%d runs", alive[i])
		}
		if len(bites) != 1 || bites[0].Count != int64(len(alive)) || len(alive) < 2 || bites[0].Via != "processes" {
			t.Errorf("%+v, want %d of %v", bites, len(alive), alive)
		}
		if err := lift.Lift(context.Background()); err != nil {
			t.Error(err)
		}
		for limit := time.Now().Add(5 * time.Second); slices.ContainsFunc(alive, stopped); time.Sleep(time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatal("they are stopped still")
			}
		}
	}
}

// TestPauseOfTheDead bites nothing: a zombie takes the signal and stops nobody.
func TestPauseOfTheDead(t *testing.T) {
	c := exec.Command("/bin/sh", "-c", "exit")
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	defer c.Wait()
	for limit := time.Now().Add(5 * time.Second); pidfd.Comm(c.Process.Pid) != "" && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	lift, err := pause.Inject(t.Context(), room.Target{PID: c.Process.Pid, Note: func(e history.Event) { t.Errorf("%+v", e) }}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := lift.Lift(context.Background()); err != nil {
		t.Error(err)
	}
}
