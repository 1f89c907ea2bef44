package resource

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"faultbed/proxy/pidfd"
)

// TestSqueezeOfNobody: what takes memory must be in the cgroup, and take it.
func TestSqueezeOfNobody(t *testing.T) {
	c := start(t, "sleep 60", 0)
	b := newBed(t, memory, c.Process.Pid)
	s := &squeeze{was: map[int]string{}}
	dir := t.TempDir()
	if err := os.Symlink("/proc/filesystems", filepath.Join(dir, "cgroup.procs")); err != nil { // takes no write
		t.Fatal(err)
	}
	if err := s.begin(b.Target, dir); err == nil || !strings.Contains(err.Error(), "is not in") {
		t.Errorf("a write that is refused: %v", err)
	}
	if err := s.end(); err == nil || !strings.Contains(err.Error(), "code 2") {
		t.Errorf("its end: %v", err)
	}
	t.Setenv("PATH", t.TempDir()) // no tail: a plain folder is no cgroup and would limit nothing
	s = &squeeze{was: map[int]string{}}
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.begin(b.Target, dir); err != nil {
		t.Fatal(err)
	}
	b.await("the shell ends", func() bool { return pidfd.Comm(s.hog.Process.Pid) == "" })
	if err := s.end(); err == nil || !strings.Contains(err.Error(), "code 3") {
		t.Errorf("without tail: %v", err)
	}
	if is, err := readFile(fmt.Sprintf("/proc/%d", c.Process.Pid), "oom_score_adj"); is == "1000" || err != nil {
		t.Errorf("oom_score_adj is left at %s, %v", is, err)
	}
}

// TestSqueezeRestoresTheBorn: processes that began meanwhile inherited it.
func TestSqueezeRestoresTheBorn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "go")
	c := start(t, fmt.Sprintf("until [ -e %s ]; do sleep 0.02; done; sleep 60 & wait", file), 0)
	proc := fmt.Sprintf("/proc/%d", c.Process.Pid)
	was, err := readFile(proc, "oom_score_adj")
	if err != nil {
		t.Skip(err)
	}
	s := &squeeze{subject: c.Process.Pid, was: map[int]string{c.Process.Pid: was}}
	if err := write(proc, "oom_score_adj", "1000"); err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBed(t, memory, c.Process.Pid)
	var born string
	b.await("a child", func() bool {
		for _, pid := range pidfd.Descendants(c.Process.Pid) {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			born = fmt.Sprintf("/proc/%d", pid)
			if is, _ := readFile(born, "oom_score_adj"); string(line) == "sleep\x0060\x00" && is == "1000" {
				return true
			}
		}
		return false
	})
	if err := s.end(); err != nil {
		t.Error(err)
	}
	for _, dir := range []string{proc, born} {
		if is, err := readFile(dir, "oom_score_adj"); is != was || err != nil {
			t.Errorf("%s has %s, %v, want %s", dir, is, err, was)
		}
	}
}
