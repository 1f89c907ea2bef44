package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the command line as a user does. A script that starts a
// campaign begins with "[short] skip".
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"json":  validJSON,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// module is the root of the source tree, from which subject go is built.
func module() string {
	root, _ := filepath.Abs("../..")
	return root
}

// setup hands scripts what a build needs; their HOME is none.
func setup(e *testscript.Env) error {
	e.Setenv("MODULE", module())
	if dir, err := os.UserCacheDir(); err == nil { // a script may have a cache of its own
		e.Setenv("GOCACHE", filepath.Join(dir, "go-build"))
	}
	for _, k := range []string{"HOME", "FAULTBED_LABNODE", "GOCACHE", "GOPATH", "GOMODCACHE", "GOFLAGS", "GOPROXY", "GOTOOLCHAIN", "DOCKER_HOST"} {
		if v, ok := os.LookupEnv(k); ok {
			e.Setenv(k, v)
		}
	}
	return nil
}

// exits runs a program and asserts its exit code: exits CODE PROGRAM ARGS...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := codeFrom(ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// codeFrom is the exit code of a finished program, -1 if it never ran.
func codeFrom(err error) int {
	var ee *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ee):
		return ee.ExitCode()
	}
	return -1
}

// validJSON asserts that a file, or stdout, is one JSON value.
func validJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: json FILE")
	}
	if ok := json.Valid([]byte(ts.ReadFile(args[0]))); ok == neg {
		ts.Fatalf("%s: valid JSON: %v", args[0], ok)
	}
}
