// Package contract is the test that every driver must pass: what [proxy.Driver]
// and [proxy.Instance] promise, tried on a real program (contract/actor) that
// does as it is told.
//
// It is for drivers whose processes are on this machine, where the kernel can
// be asked whether they told the truth; it does not test how precise the API of
// a remote engine is. Start with [Run], from a driver's own test.
package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"faultbed/proxy"
	"faultbed/proxy/pidfd"
	"faultbed/reports/history"
)

// patience bounds every wait for something that must happen.
const patience = 20 * time.Second

// Config is one driver under test.
type Config struct {
	Driver  proxy.Driver
	Launch  proxy.Launch             // Run, Image, Net: what the driver needs
	Program string                   // the actor's path where it runs
	Dir     string                   // absolute, where it runs: for files
	Left    func() ([]string, error) // what there is of the driver's making
	NoPID1  string                   // why the driver can't make PID 1 here
}

// Build builds the actor, statically, for this machine.
func Build(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "actor")
	cmd := exec.Command("go", "build", "-o", file, "faultbed/proxy/contract/actor")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build actor: %v\n%s", err, out)
	}
	return file
}

// Run holds a driver to the contract.
func Run(t *testing.T, c Config) {
	for _, test := range []struct {
		name string
		run  func(*suite)
	}{
		{"start", (*suite).start},
		{"handled signal", (*suite).handled},
		{"signal without a handler", (*suite).unhandled},
		{"kill", (*suite).kill},
		{"end without a signal", (*suite).ownEnd},
		{"signal after the end", (*suite).afterEnd},
		{"unknown signal", (*suite).unknownSignal},
		{"close of a living one", (*suite).closeLiving},
		{"close after the caller was stopped", (*suite).closeStopped},
		{"orphans", (*suite).orphans},
		{"no such program", (*suite).noProgram},
		{"flood of output", (*suite).flood},
		{"started means executed", (*suite).executed},
	} {
		for _, pid1 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/pid1=%v", test.name, pid1), func(t *testing.T) {
				if pid1 && c.NoPID1 != "" {
					t.Skip(c.NoPID1)
				}
				s := &suite{T: t, Config: c, pid1: pid1}
				test.run(s)
				s.nothingLeft()
			})
		}
	}
}

// suite is one test of one variant.
type suite struct {
	*testing.T
	Config
	pid1 bool
}

// subject is a started actor.
type subject struct {
	s *suite
	proxy.Instance
	proxy.Started
}

func (s *suite) launch(args ...string) proxy.Launch {
	l := s.Launch
	l.Name, l.PID1, l.Command = "subject-0", s.pid1, append([]string{s.Program}, args...)
	return l
}

func (s *suite) begin(l proxy.Launch) *subject {
	s.Helper()
	before := history.Now()
	inst, st, err := s.Driver.Start(s.Context(), l)
	if err != nil {
		s.Fatal(err)
	}
	if now := history.Now(); st.PID <= 0 || st.T < before || st.T > now {
		s.Errorf("started %+v, between %d and %d", st, before, now)
	}
	x := &subject{s, inst, st}
	s.Cleanup(func() {
		if s.Failed() {
			log, _ := x.Close(context.Background())
			s.Logf("it said: %.2000s", log)
		}
	})
	return x
}

// ready begins and waits until the arguments are done.
func (s *suite) ready(args ...string) *subject {
	s.Helper()
	x := s.begin(s.launch(args...))
	x.await("ready", func() bool { return pidfd.Comm(x.PID) == "ready" })
	return x
}

func (x *subject) await(what string, ok func() bool) {
	x.s.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			x.s.Fatalf("never came: %s", what)
		}
	}
}

func (x *subject) signal(name string) proxy.Sent {
	x.s.Helper()
	sent, err := x.Signal(x.s.Context(), name)
	if err != nil {
		x.s.Fatal(err)
	}
	return sent
}

// exit waits for the end and wants that code and signal.
func (x *subject) exit(code int, signal string) proxy.Exit {
	x.s.Helper()
	select {
	case e, ok := <-x.Exited():
		if !ok || e.Code != code || e.Signal != signal || e.OOM {
			x.s.Errorf("exit %+v (delivered: %v), want code %d, signal %q", e, ok, code, signal)
		}
		return e
	case <-time.After(patience):
		x.s.Fatal("no exit")
	}
	return proxy.Exit{}
}

// end signals and wants the exit between the call and the notice.
func (x *subject) end(name string, code int, signal string) proxy.Exit {
	x.s.Helper()
	sent := x.signal(name)
	e := x.exit(code, signal)
	if now := history.Now(); sent.Via != "pidfd" || e.Via != "pidfd" || sent.T < x.T || e.T < sent.T || e.T > now {
		x.s.Errorf("started %d, sent %+v, exit %+v, now %d", x.T, sent, e, now)
	}
	return e
}

// close is the log; nothing may be alive or pending after.
func (x *subject) close() string {
	x.s.Helper()
	log, err := x.Close(x.s.Context())
	if err != nil {
		x.s.Error(err)
	}
	x.closed()
	return string(log)
}

func (x *subject) closed() {
	x.s.Helper()
	if comm := pidfd.Comm(x.PID); comm != "" {
		x.s.Errorf("%s lives after Close", comm)
	}
	for {
		select {
		case _, more := <-x.Exited():
			if !more {
				return
			}
		case <-time.After(patience):
			x.s.Fatal("Exited is open after Close")
		}
	}
}

func (s *suite) nothingLeft() {
	s.Helper()
	left, err := s.Left()
	if err != nil || len(left) > 0 {
		s.Errorf("left: %v, %v", left, err)
	}
}

func (s *suite) start() {
	l := s.launch("pid", "env=GREETING", "cat="+s.Dir+"/conf.d/a", "cat="+s.Dir+"/b", "say=last")
	l.Env = map[string]string{"GREETING": "good day"}
	l.Files = map[string][]byte{s.Dir + "/conf.d/a": []byte("text of a"), s.Dir + "/b": {}}
	x := s.begin(l)
	x.await("ready", func() bool { return pidfd.Comm(x.PID) == "ready" })
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", x.PID))
	if want := strings.Join(l.Command, "\x00") + "\x00"; string(cmdline) != want {
		s.Errorf("pid %d is %q, %v, want %q", x.PID, cmdline, err, want)
	}
	log := x.close()
	for _, want := range []string{"GREETING=good day\n", "text of a\n", "\nlast\n"} {
		if !strings.Contains(log, want) {
			s.Errorf("log %q lacks %q", log, want)
		}
	}
	if strings.Contains(log, "pid 1\n") != s.pid1 {
		s.Errorf("log %q, want PID 1: %v", log, s.pid1)
	}
}

func (s *suite) handled() {
	x := s.ready("on-term=7", "say=hello")
	if sent := x.signal("WINCH"); sent.NoHandler { // Go's runtime has one for all
		s.Error("WINCH: no handler")
	}
	x.end("TERM", 7, "")
	if log := x.close(); log != "hello\n" {
		s.Errorf("log %q", log)
	}
}

// unhandled: the kernel kills a process so, but drops the signal for PID 1.
func (s *suite) unhandled() {
	x := s.ready("default-term")
	if !s.pid1 {
		x.end("TERM", 143, "TERM")
		x.close()
		return
	}
	if sent := x.signal("TERM"); !sent.NoHandler {
		s.Errorf("sent %+v, want no handler", sent)
	}
	select {
	case e := <-x.Exited():
		s.Errorf("PID 1 ended by a signal without a handler: %+v", e)
	case <-time.After(100 * time.Millisecond):
	}
	x.end("KILL", 137, "KILL")
	x.close()
}

func (s *suite) kill() {
	x := s.ready("on-term=0")
	x.end("KILL", 137, "KILL")
	x.close()
}

func (s *suite) ownEnd() {
	inst, _, err := s.Driver.Start(s.Context(), s.launch("say=short", "exit=3")) // maybe before its pid was seen
	if err != nil {
		s.Fatal(err)
	}
	x := &subject{s: s, Instance: inst}
	x.exit(3, "")
	if log, err := x.Close(s.Context()); string(log) != "short\n" || err != nil {
		s.Errorf("log %q, %v", log, err)
	}
}

func (s *suite) afterEnd() {
	x := s.ready("on-term=0")
	x.end("TERM", 0, "")
	for _, name := range []string{"TERM", "KILL"} {
		if _, err := x.Signal(s.Context(), name); !errors.Is(err, proxy.ErrEnded) {
			s.Errorf("%s after the end: %v", name, err)
		}
	}
	x.close()
}

func (s *suite) unknownSignal() {
	x := s.ready()
	if _, err := x.Signal(s.Context(), "NONSENSE"); err == nil || errors.Is(err, proxy.ErrEnded) {
		s.Errorf("got %v", err)
	}
	x.close()
}

func (s *suite) closeLiving() {
	x := s.ready("child", "say=alive")
	if log := x.close(); log != "alive\n" {
		s.Errorf("log %q", log)
	}
}

func (s *suite) closeStopped() {
	x := s.ready()
	ctx, stop := context.WithCancel(s.Context())
	stop()
	if _, err := x.Close(ctx); err != nil {
		s.Error(err)
	}
	x.closed()
}

// orphans: PID 1 takes its namespace along, others leave it behind.
func (s *suite) orphans() {
	x := s.ready("child", "on-term=0")
	var kids []int
	x.await("a child named left", func() bool {
		kids = pidfd.Descendants(x.PID)
		return len(kids) == 1 && pidfd.Comm(kids[0]) == "left"
	})
	for range 3 {
		x.signal("WINCH")
	}
	want := []proxy.Process{{PID: kids[0], Comm: "left"}}
	if s.pid1 {
		want = nil
	}
	if e := x.end("TERM", 0, ""); !slices.Equal(e.Orphans, want) {
		s.Errorf("orphans %v, want %v", e.Orphans, want)
	}
	x.close()
	if comm := pidfd.Comm(kids[0]); comm != "" {
		s.Errorf("%s lives after Close", comm)
	}
}

func (s *suite) noProgram() {
	l := s.launch()
	l.Command = []string{"/nothing/here"}
	l.Files = map[string][]byte{s.Dir + "/a": []byte("x")}
	inst, _, err := s.Driver.Start(s.Context(), l)
	if err == nil || inst != nil || !strings.Contains(err.Error(), "/nothing/here") || !strings.Contains(err.Error(), "subject-0") {
		s.Errorf("started %v, %v", inst, err)
	}
}

// flood writes more than any buffer on the way, and must not wait for a reader.
func (s *suite) flood() {
	x := s.ready("flood=8388608", "on-term=0")
	x.end("TERM", 0, "")
	if log := x.close(); !bytes.HasPrefix([]byte(log), bytes.Repeat([]byte("x"), 1023)) || len(log) < 1<<19 {
		s.Errorf("%d bytes of log", len(log))
	}
}

// executed looks at the pid as soon as Start has returned: a signal sent to the
// engine's own set-up would be blamed on the subject.
func (s *suite) executed() {
	for range 3 {
		x := s.begin(s.launch("on-term=0"))
		if comm := pidfd.Comm(x.PID); comm != filepath.Base(s.Program) && comm != "ready" {
			s.Errorf("pid %d is %s", x.PID, comm)
		}
		x.close()
	}
}
