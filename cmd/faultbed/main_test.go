package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// labnode is the instrument nodes' program, built once for all tests here.
var labnode string

// TestMain makes this test binary faultbed itself where it is called by that
// name: scripts run the real command line.
func TestMain(m *testing.M) {
	testscript.Main(building{m}, map[string]func(){"faultbed": func() { setDay(); main() }})
}

// setDay sets the clock to FAULTBED_TEST_DAY, if there is one, and lets it run.
func setDay() {
	day, err := time.Parse(time.DateOnly, os.Getenv("FAULTBED_TEST_DAY"))
	if err == nil {
		begun := time.Now()
		now = func() time.Time { return day.Add(time.Since(begun)) }
	}
}

type building struct{ m *testing.M }

// Run builds labnode before the tests, as the Makefile does.
func (b building) Run() int {
	dir, err := os.MkdirTemp("", "labnode")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	labnode = filepath.Join(dir, "labnode")
	build := exec.Command("go", "build", "-trimpath", "-o", labnode, "faultbed/cmd/labnode")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build labnode: %v\n%s", err, out)
		return 1
	}
	os.Setenv("FAULTBED_LABNODE", labnode)
	return b.m.Run()
}
