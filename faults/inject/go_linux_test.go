package inject_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"faultbed/faults/inject"
	"faultbed/faults/room"
	"faultbed/reports/history"
)

// goSubject is our Go proxy before an origin that answers with the path, and the
// injector beside it.
type goSubject struct {
	*exec.Cmd
	url, dir string
	mu       sync.Mutex
	noted    []history.Event
}

func goAddress() string {
	return fmt.Sprintf("127.%d.%d.%d:%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250), 10000+rand.IntN(20000))
}

// buildGo makes both programs.
func buildGo(t *testing.T) (dir string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds for seconds")
	}
	if os.Geteuid() != 0 || runtime.GOARCH != "amd64" {
		t.Skip("needs root on amd64")
	}
	dir = t.TempDir()
	for name, pkg := range map[string]string{"injector": "faultbed/cmd/injector", "goproxy": "faultbed/proxy/goproxy"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg).CombinedOutput(); err != nil {
			t.Fatal(err, string(out))
		}
	}
	return dir
}

func startGo(t *testing.T, dir string) *goSubject {
	t.Helper()
	t.Setenv("FAULTBED_INJECTOR", filepath.Join(dir, "injector"))
	ln, err := net.Listen("tcp", goAddress())
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	listen := goAddress()
	s := &goSubject{Cmd: exec.Command(filepath.Join(dir, "goproxy"), "--listen="+listen, "--origin=http://"+ln.Addr().String()), url: "http://" + listen, dir: dir}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Process.Kill(); s.Wait() })
	for until := time.Now().Add(10 * time.Second); s.get("/fb/short/0") != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the subject does not serve")
		}
	}
	return s
}

// get is an error unless the answer is the path.
func (s *goSubject) get(path string) error {
	c := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get(s.url + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && string(b) != path {
		err = fmt.Errorf("%d %q", resp.StatusCode, b)
	}
	return err
}

func (s *goSubject) target() room.Target {
	return room.Target{Fault: "f1", Run: "20261128-000000-00000000", Node: "subject-0", PID: s.Process.Pid, Note: func(e history.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.noted = append(s.noted, e)
	}}
}

func (s *goSubject) bites() (out []history.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.noted), func(e history.Event) bool { return e.Kind != history.Bite })
}

func kind(t *testing.T, name string) room.Kind {
	t.Helper()
	for _, k := range inject.Kinds() {
		if k.Name == name {
			return k
		}
	}
	t.Fatal("no fault ", name)
	return room.Kind{}
}

func with(s string) json.RawMessage { return json.RawMessage(s) }

// TestUnmodifiedGo injects into one process after the other.
func TestUnmodifiedGo(t *testing.T) {
	dir := buildGo(t)
	for name, f := range map[string]func(*testing.T, *goSubject){
		"GoPanicHitsTheRequestOfItsClassAndId": goPanicHitsTheRequestOfItsClassAndId,
		"GoLiftDisarms":                        goLiftDisarms,
		"GoLiftAfterTheSubjectDied":            goLiftAfterTheSubjectDied,
		"GoDieEndsTheProcess":                  goDieEndsTheProcess,
		"SegvEndsAGoProgram":                   segvEndsAGoProgram,
		"InjectSaysWhyNot":                     injectSaysWhyNot,
	} {
		t.Run(name, func(t *testing.T) { f(t, startGo(t, dir)) })
	}
}

const oneFresh = `{"class":"fresh","request":"v","times":1,"point":"handler"}`

// Only the chosen request fails, it is the one that the bite names, and the lift
// finds nothing to do.
func goPanicHitsTheRequestOfItsClassAndId(t *testing.T, s *goSubject) {
	active, err := kind(t, "go-panic").Inject(t.Context(), s.target(), with(oneFresh))
	if err != nil {
		t.Fatal(err)
	}
	for path, fails := range map[string]bool{"/fb/short/v1": false, "/fb/fresh/w1": false} {
		if err := s.get(path); (err != nil) != fails {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := s.get("/fb/fresh/v1"); err == nil {
		t.Error("the chosen request was answered")
	}
	if err := s.get("/fb/fresh/v2"); err != nil {
		t.Errorf("the request after it: %v", err)
	}
	if err := active.Lift(t.Context()); err != nil {
		t.Error(err)
	}
	if b := s.bites(); len(b) != 1 || !strings.HasPrefix(b[0].Detail, "/fb/fresh/v1 in net/http.serverHandler.ServeHTTP") || b[0].Via != "requests" {
		t.Errorf("bites %+v", b)
	}
}

// Lift before anything was hit disarms: what comes later is answered.
func goLiftDisarms(t *testing.T, s *goSubject) {
	active, err := kind(t, "go-panic").Inject(t.Context(), s.target(), with(oneFresh))
	if err != nil {
		t.Fatal(err)
	}
	if err := active.Lift(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.get("/fb/fresh/v1"); err != nil {
		t.Errorf("after the lift: %v", err)
	}
	if b := s.bites(); len(b) > 0 {
		t.Errorf("bites %+v", b)
	}
}

func goLiftAfterTheSubjectDied(t *testing.T, s *goSubject) {
	active, err := kind(t, "go-panic").Inject(t.Context(), s.target(), with(oneFresh))
	if err != nil {
		t.Fatal(err)
	}
	s.Process.Kill()
	s.Wait()
	if err := active.Lift(t.Context()); err != nil {
		t.Error(err)
	}
}

func goDieEndsTheProcess(t *testing.T, s *goSubject) {
	active, err := kind(t, "go-die").Inject(t.Context(), s.target(), with(`{"class":"any","request":""}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.get("/fb/short/1"); err == nil {
		t.Error("the request was answered")
	}
	s.Wait()
	if code := s.ProcessState.ExitCode(); code != 2 {
		t.Errorf("exit code %d, want 2, as of any panic", code)
	}
	if err := active.Lift(t.Context()); err != nil {
		t.Error(err)
	}
	if b := s.bites(); len(b) != 1 || !strings.Contains(b[0].Detail, "readResponse") {
		t.Errorf("bites %+v", b)
	}
}

// A native crash of a Go program is not recovered, and bites one process.
func segvEndsAGoProgram(t *testing.T, s *goSubject) {
	active, err := kind(t, "segv").Inject(t.Context(), s.target(), with(`{"whom":"own"}`))
	if err != nil || active != nil {
		t.Fatal(active, err)
	}
	s.Wait()
	if b := s.bites(); len(b) != 1 || b[0].Via != "processes" || s.ProcessState.ExitCode() == 0 {
		t.Errorf("%v, bites %+v", s.ProcessState, b)
	}
}

// What can't be had says so, and leaves the process as it was.
func injectSaysWhyNot(t *testing.T, s *goSubject) {
	sleep := exec.Command("sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { sleep.Process.Kill(); sleep.Wait() }()
	none, other, gone := s.target(), s.target(), s.target()
	none.PID, other.PID, gone.PID = 0, sleep.Process.Pid, 1<<22
	for _, c := range []struct {
		fault, with string
		t           room.Target
		why         string
	}{
		{"go-panic", oneFresh, none, "can't be seen"},
		{"go-panic", oneFresh, other, "no Go program"},
		{"go-hang", `{"class":"any","hang":1000000,"times":1}`, gone, "no such file"},
		{"segv", `{"whom":"own"}`, gone, "ended"},
		{"segv", `{"whom":"worker"}`, s.target(), "no worker"},
	} {
		if _, err := kind(t, c.fault).Inject(t.Context(), c.t, with(c.with)); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v, want %q", c.fault, err, c.why)
		}
	}
	t.Setenv("FAULTBED_INJECTOR", filepath.Join(s.dir, "goproxy")) // some other program
	if _, err := kind(t, "go-panic").Inject(t.Context(), s.target(), with(oneFresh)); err == nil || !strings.Contains(err.Error(), "injector: ") {
		t.Errorf("another program in the injector's place: %v", err)
	}
	if err := s.get("/fb/fresh/v1"); err != nil {
		t.Error(err)
	}
}
