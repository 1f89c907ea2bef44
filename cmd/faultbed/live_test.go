package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"faultbed/reports"
	"faultbed/reports/history"
	"faultbed/reports/verdict"
)

// steady is a campaign of a few seconds of even load: one arrival each steadyGap.
const (
	steadyGap  = 20 * time.Millisecond
	steadyLoad = `name: mine/steady
description: Even load for a while.
requires: [http1]
duration: 4s
timeout: 5s
load:
  - {class: short, rate: 50, arrivals: uniform}
faults:
  - {fault: toxic.latency, leg: back, at: 1s, for: 2s, with: {latency: 50ms}}
`
)

// patience bounds the wait for something that must come. It asserts no time.
const patience = 2 * time.Minute

// live is a faultbed that runs.
type live struct {
	t   *testing.T
	cmd *exec.Cmd
	out string // run folder
	err string // file of its stderr
	run string // run id, once it has its lock
	end chan error
}

// faultbed is the command under test with a working directory from which subject
// go can be built.
func faultbed(args ...string) *exec.Cmd {
	cmd := exec.Command("faultbed", args...)
	cmd.Dir = module()
	return cmd
}

// begin starts a campaign of steady load and returns when it has its lock.
func begin(t *testing.T, runtime, subjects string) *live {
	t.Helper()
	file := filepath.Join(t.TempDir(), "steady.yaml")
	must(t, os.WriteFile(file, []byte(steadyLoad), 0o644))
	return beginWith(t, runtime, subjects, "2", file)
}

// beginWith starts a campaign of so many trials of one scenario.
func beginWith(t *testing.T, runtime, subjects, trials, scenario string) *live {
	t.Helper()
	dir := t.TempDir()
	l := &live{t: t, out: filepath.Join(dir, "run"), err: filepath.Join(dir, "stderr"), end: make(chan error, 1)}
	stderr, err := os.Create(l.err)
	must(t, err)
	defer stderr.Close()
	l.cmd = faultbed("run", "--runtime", runtime, "--subject", subjects, "--trials", trials, "--scenario", scenario, "--out", l.out)
	l.cmd.Stderr = stderr
	must(t, l.cmd.Start())
	go func() { l.end <- l.cmd.Wait() }()
	l.await("its lock", func() bool { l.run = lockedBy(l.cmd.Process.Pid); return l.run != "" })
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lockedBy is the run whose lock file a process has open.
func lockedBy(pid int) string {
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		to, _ := os.Readlink(fd)
		if id, ok := strings.CutPrefix(filepath.Base(to), "faultbed-"); ok && strings.HasSuffix(id, ".lock") {
			return strings.TrimSuffix(id, ".lock")
		}
	}
	return ""
}

// await polls until something holds, at most as long as patience lasts.
func (l *live) await(what string, holds func() bool) {
	l.t.Helper()
	for until := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(until) {
			l.cmd.Process.Kill()
			l.t.Fatalf("no sign of %s\n%s", what, l.stderr())
		}
	}
}

func (l *live) stderr() string {
	b, _ := os.ReadFile(l.err)
	return string(b)
}

func (l *live) says(text string) func() bool {
	return func() bool { return strings.Contains(l.stderr(), text) }
}

// loaded tells whether a first trial's client ledger has content.
func (l *live) loaded() bool {
	for _, f := range l.trials(history.ClientFile) {
		if st, err := os.Stat(f); err == nil && st.Size() > 0 {
			return true
		}
	}
	return false
}

// trials are the files of that name in all trial folders.
func (l *live) trials(name string) []string {
	fs, _ := filepath.Glob(filepath.Join(l.out, "trials", "mine", "steady", "*", "*", name))
	return fs
}

func (l *live) signal(s os.Signal) {
	l.t.Helper()
	if err := l.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		l.t.Fatal(err)
	}
}

// exit is the code with which it ends; -1 after SIGKILL.
func (l *live) exit() int {
	l.t.Helper()
	select {
	case err := <-l.end:
		return codeFrom(err)
	case <-time.After(patience):
		l.cmd.Process.Kill()
		l.t.Fatalf("it does not end\n%s", l.stderr())
		return 0
	}
}

// call runs faultbed to its end and returns its exit code, stdout and stderr.
func call(args ...string) (int, string, string) {
	cmd := faultbed(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	return codeFrom(err), out.String(), errs.String()
}

// left lists what is left of a run, without asking faultbed: files, processes
// that carry its mark or name its folder, and what the engine knows.
func left(t *testing.T, runtime, run string) []string {
	t.Helper()
	out, err := filepath.Glob("/tmp/faultbed-" + run + "*")
	must(t, err)
	out = append(out, processes(run)...)
	if runtime == "docker" {
		out = append(out, asked(t, "container", "ls", "-aq", "--filter", "label=faultbed.run="+run)...)
		out = append(out, asked(t, "network", "ls", "-q", "--filter", "label=faultbed.run="+run)...)
	}
	return out
}

func processes(run string) (out []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		env, _ := os.ReadFile(d + "/environ")
		args, _ := os.ReadFile(d + "/cmdline")
		if bytes.Contains(env, []byte("FAULTBED_RUN="+run)) || bytes.Contains(args, []byte("faultbed-"+run)) {
			out = append(out, fmt.Sprintf("process %s %s", filepath.Base(d), bytes.ReplaceAll(args, []byte{0}, []byte(" "))))
		}
	}
	return out
}

func asked(t *testing.T, args ...string) []string {
	t.Helper()
	b, err := exec.Command("docker", args...).Output()
	must(t, err)
	var out []string
	for id := range strings.FieldsSeq(string(b)) {
		out = append(out, args[0]+" "+id)
	}
	return out
}

// runtimes runs a test in each runtime that is here.
func runtimes(t *testing.T, test func(t *testing.T, runtime string)) {
	if testing.Short() {
		t.Skip("it runs campaigns: not with -short")
	}
	t.Run("process", func(t *testing.T) { test(t, "process") })
	t.Run("docker", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := exec.CommandContext(ctx, "docker", "info").Run(); err != nil {
			t.Skip("no Docker engine answers:", err)
		}
		test(t, "docker")
	})
}

func nothingLeft(t *testing.T, runtime, run string) {
	t.Helper()
	if ls := left(t, runtime, run); len(ls) > 0 {
		t.Errorf("left of run %s:\n%s", run, strings.Join(ls, "\n"))
	}
}

// judgement is what a run folder's verdict.json says.
func judgement(t *testing.T, dir string) (res verdict.Result) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, reports.VerdictFile))
	must(t, err)
	must(t, json.Unmarshal(b, &res))
	return res
}

func TestInterrupt(t *testing.T) {
	runtimes(t, func(t *testing.T, runtime string) {
		for _, c := range []struct {
			name    string
			signals []os.Signal
			says    string
		}{
			{"once", []os.Signal{os.Interrupt}, "interrupted: what was measured is reported"},
			// Two of the same might arrive as one.
			{"twice", []os.Signal{os.Interrupt, syscall.SIGTERM}, "still removing the bed: one more signal leaves it as it is"},
		} {
			t.Run(c.name, func(t *testing.T) {
				l := begin(t, runtime, "go")
				l.await("load", l.loaded)
				for _, s := range c.signals {
					l.signal(s)
				}
				if code := l.exit(); code != exitInterrupted {
					t.Errorf("exit code %d\n%s", code, l.stderr())
				}
				if !l.says(c.says)() {
					t.Errorf("it does not say %q\n%s", c.says, l.stderr())
				}
				marked(t, l)
				nothingLeft(t, runtime, l.run)
			})
		}
	})
}

// TestInterruptInSetup: before anything is measured there is nothing to report,
// and nothing may be left either.
func TestInterruptInSetup(t *testing.T) {
	runtimes(t, func(t *testing.T, runtime string) {
		l := begin(t, runtime, "go")
		l.await("the set-up", l.says("preparing subject go"))
		l.signal(os.Interrupt)
		if code := l.exit(); code != exitInterrupted {
			t.Errorf("exit code %d\n%s", code, l.stderr())
		}
		if !l.says("interrupted: ")() {
			t.Errorf("it does not say why it ended\n%s", l.stderr())
		}
		nothingLeft(t, runtime, l.run)
	})
}

// marked sees that an interrupted run is reported as such and listed nowhere.
func marked(t *testing.T, l *live) {
	t.Helper()
	html, err := os.ReadFile(filepath.Join(l.out, "report.html"))
	must(t, err)
	if !bytes.Contains(html, []byte("the trial is interrupted: the run was stopped")) {
		t.Error("report.html does not say that the run was interrupted")
	}
	res := judgement(t, l.out)
	if res.Manifest.Status != "interrupted" || res.Verdict != verdict.Inconclusive {
		t.Errorf("status %s, verdict %s", res.Manifest.Status, res.Verdict)
	}
	code, out, errs := call("clean", "--dry-run")
	if code != exitOK || strings.Contains(out, l.run) {
		t.Errorf("clean --dry-run: exit code %d: %s%s", code, out, errs)
	}
}

// TestThirdInterrupt is for who can't wait: the bed is left, but not in silence.
func TestThirdInterrupt(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs a campaign: not with -short")
	}
	// A child inherits what is ignored, as SIGHUP is under nohup, and not what is
	// handled.
	handled := make(chan os.Signal, 1)
	signal.Notify(handled, syscall.SIGHUP)
	defer signal.Stop(handled)
	l := begin(t, "process", "go")
	l.await("load", l.loaded)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		l.signal(s)
	}
	if code := l.exit(); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if !l.says("left as it was: run faultbed clean")() {
		t.Errorf("it does not say what to do\n%s", l.stderr())
	}
	if code, _, errs := call("clean"); code != exitOK {
		t.Errorf("clean: exit code %d: %s", code, errs)
	}
	nothingLeft(t, "process", l.run)
}
