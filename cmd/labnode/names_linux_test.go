package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestNames: the program sees the file in place of the machine's, which stays as
// it was.
func TestNames(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	const own = "/etc/resolv.conf"
	before, err := os.ReadFile(own)
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	labnode := filepath.Join(dir, "labnode")
	if out, err := exec.Command("go", "build", "-o", labnode, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	file := filepath.Join(dir, "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver 192.0.2.53\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(labnode, "names", file, "sh", "-c", "cat "+own+"; exit 7").Output()
	if x, ok := err.(*exec.ExitError); !ok || x.ExitCode() != 7 || string(out) != "nameserver 192.0.2.53\n" {
		t.Errorf("%v: %q", err, out)
	}
	if after, err := os.ReadFile(own); err != nil || string(after) != string(before) {
		t.Errorf("the machine's own file: %v, %q", err, after)
	}
	for _, args := range [][]string{nil, {file}, {file, "no-such-program"}} {
		if err := names(args); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
