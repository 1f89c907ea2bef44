package scenario

import (
	"os/exec"
	"testing"
)

// TestDiedCountsWhatIsGone: of two processes, one is a zombie and one lives.
func TestDiedCountsWhatIsGone(t *testing.T) {
	var pids []int
	var all []*exec.Cmd
	for range 2 {
		c := exec.Command("sleep", "60")
		if err := c.Start(); err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { c.Process.Kill(); c.Wait() })
		pids, all = append(pids, c.Process.Pid), append(all, c)
	}
	all[0].Process.Kill()
	if n := died(pids); n != 1 {
		t.Errorf("%d died, want 1", n)
	}
	all[1].Process.Kill()
	if n := died(pids); n != 2 {
		t.Errorf("%d died, want 2", n)
	}
	if n := died(nil); n != 0 {
		t.Errorf("%d of none", n)
	}
}
