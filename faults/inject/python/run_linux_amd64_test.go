package python

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"faultbed/faults/inject/line"
	"golang.org/x/sys/unix"
)

// programs are unmodified aiohttp programs: an application with a sub-application
// and a class as a handler, and a bare server.
var programs = map[string]string{
	"application": `
import sys
from aiohttp import web
async def plain(request): return web.Response(text="served")
class View(web.View):
    async def get(self): return web.Response(text="served")
sub = web.Application()
sub.router.add_route("*", "/{tail:.*}", plain)
app = web.Application()
app.router.add_view("/view", View)
app.add_subapp("/fb/", sub)
app.router.add_route("*", "/{tail:.*}", plain)
host, port = sys.argv[1].split(":")
web.run_app(app, host=host, port=int(port), print=None)
`,
	"server": `
import asyncio, sys
from aiohttp import web
async def plain(request): return web.Response(text="served")
async def main():
    global half, other # an object that is being made, and a class below
    half = web.RequestHandler.__new__(web.RequestHandler)
    class Other(web.Server): pass
    other = Other(plain)
    runner = web.ServerRunner(web.Server(plain))
    await runner.setup()
    host, port = sys.argv[1].split(":")
    await web.TCPSite(runner, host, int(port)).start()
    await asyncio.Event().wait()
asyncio.run(main())
`,
}

const interpreter = "/usr/bin/python3"

// start runs a program on an address of its own until it answers.
func start(t testing.TB, program string) (cmd *exec.Cmd, addr string) {
	t.Helper()
	if err := exec.Command(interpreter, "-c", "import aiohttp").Run(); err != nil {
		t.Skip("no python3 with aiohttp here")
	}
	file := filepath.Join(t.TempDir(), "program.py")
	if err := os.WriteFile(file, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	addr = fmt.Sprintf("127.%d.%d.%d:%d", 1+rand.N(250), rand.N(250), 1+rand.N(250), 10000+rand.N(20000))
	cmd = exec.Command(interpreter, file, addr)
	cmd.Stderr = io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 500 {
		if _, _, err := get(addr, "/"); err == nil {
			return cmd, addr
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("it does not answer")
	return nil, ""
}

// get asks on a connection of its own.
func get(addr, path string) (status int, took time.Duration, err error) {
	begun := time.Now()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + addr + path)
	if err != nil {
		return 0, time.Since(begun), err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, time.Since(begun), err
}

// said collects an injection's lines.
type said struct {
	mu    sync.Mutex
	lines []line.Line
	ready chan struct{}
	once  sync.Once
}

func (s *said) say(l line.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, l)
	if l.Event == line.Ready {
		s.once.Do(func() { close(s.ready) })
	}
}

func (s *said) fired() (paths []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		if l.Event == line.Fired {
			paths = append(paths, l.Path)
		}
	}
	return paths
}

// during injects, calls do once the program is ready for it, and lifts.
func during(t *testing.T, pid int, s Spec, do func()) *said {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := &said{ready: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, pid, s, out.say) }()
	select {
	case <-out.ready:
		do()
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	case err := <-ended:
		if errors.Is(err, unix.EPERM) {
			t.Skip(err)
		}
		t.Fatalf("it ended at once: %v", err)
	}
	return out
}

func TestRun(t *testing.T) {
	for name, program := range programs {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "application" {
				t.Skip("takes seconds")
			}
			cmd, addr := start(t, program)
			want := func(path string, status int) time.Duration {
				t.Helper()
				got, took, err := get(addr, path)
				if err != nil || got != status {
					t.Errorf("%s: status %d, %v; want %d", path, got, err, status)
				}
				return took
			}
			s := Spec{Act: Raise, Path: "/fb/short/", Request: "00", Times: 2, Addr: addr}
			out := during(t, cmd.Process.Pid, s, func() {
				want("/fb/short/1001-x", 200)
				want("/fb/short/0001-x", 500)
				want("/fb/fresh/0001-x", 200)
				want("/fb/short/0002-x", 500)
				want("/fb/short/0003-x", 200) // two were enough
			})
			if got := strings.Join(out.fired(), " "); got != "/fb/short/0001-x /fb/short/0002-x" {
				t.Errorf("fired for %q", got)
			}
			want("/fb/short/0001-x", 200)
			out = during(t, cmd.Process.Pid, Spec{Act: Raise, Addr: addr}, func() { want("/", 500) })
			if len(out.fired()) != 1 {
				t.Errorf("fired for %q", out.fired())
			}
			out = during(t, cmd.Process.Pid, Spec{Act: Block, Path: "/fb/short/", Times: 1, For: 300 * time.Millisecond, Addr: addr}, func() {
				if took := want("/fb/short/0001-x", 200); took < 300*time.Millisecond {
					t.Errorf("blocked for %v", took)
				}
			})
			if len(out.fired()) != 1 {
				t.Errorf("fired for %q", out.fired())
			}
			out = during(t, cmd.Process.Pid, Spec{Act: Exit, Path: "/fb/short/", Addr: addr}, func() {
				if got, _, err := get(addr, "/fb/short/0001-x"); err == nil {
					t.Errorf("status %d of a program that ended", got)
				}
			})
			if len(out.fired()) != 1 {
				t.Errorf("the last words: %q", out.fired())
			}
		})
	}
}

// TestNests: of two at once each is unwrapped alone.
func TestNests(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	cmd, addr := start(t, programs["application"])
	status := func() int { s, _, _ := get(addr, "/fb/short/0001-x"); return s }
	during(t, cmd.Process.Pid, Spec{Act: Hang, For: time.Millisecond, Path: "/fb/fresh/", Addr: addr}, func() {
		during(t, cmd.Process.Pid, Spec{Act: Raise, Path: "/fb/short/", Addr: addr}, func() {
			if s := status(); s != 500 {
				t.Errorf("status %d while the inner one acts", s)
			}
		})
		if s := status(); s != 200 {
			t.Errorf("status %d after the inner one", s)
		}
	})
	if s := status(); s != 200 {
		t.Errorf("status %d after both", s)
	}
}

func TestNoPython(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	if err := Run(context.Background(), cmd.Process.Pid, Spec{Act: Raise}, func(line.Line) {}); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}

func TestNoAiohttp(t *testing.T) {
	cmd := exec.Command(interpreter, "-c", "import asyncio\nasync def main():\n while True: await asyncio.sleep(0.01)\nasyncio.run(main())")
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	time.Sleep(300 * time.Millisecond)
	err := Run(context.Background(), cmd.Process.Pid, Spec{Act: Raise, Addr: "127.0.0.1:1"}, func(line.Line) {})
	if err == nil || !strings.Contains(err.Error(), "aiohttp") && !errors.Is(err, unix.EPERM) {
		t.Error(err)
	}
}

// TestLate: a program that stands still runs what was queued only after it was given
// up, and is left as it was.
func TestLate(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const stands = patience + time.Second
	cmd, addr := start(t, strings.Replace(programs["application"], "async def plain(request):", fmt.Sprintf(`import time
async def plain(request):
    if request.path == "/stand": time.sleep(%v)
   `, stands.Seconds()), 1))
	stood := make(chan error, 1)
	go func() {
		_, _, err := get(addr, "/stand")
		stood <- err
	}()
	time.Sleep(100 * time.Millisecond)
	out := &said{ready: make(chan struct{})}
	err := Run(context.Background(), cmd.Process.Pid, Spec{Act: Raise, Addr: addr}, out.say)
	if errors.Is(err, unix.EPERM) {
		t.Skip(err)
	}
	if err == nil || len(out.lines) != 1 || out.lines[0].Event != line.Detached {
		t.Errorf("it said %+v, and ended with %v; want an error, and that it let go once the program had confirmed", out.lines, err)
	}
	if err := <-stood; err != nil {
		t.Error(err)
	}
	if status, _, err := get(addr, "/"); status != 200 {
		t.Errorf("status %d, %v afterwards", status, err)
	}
}
