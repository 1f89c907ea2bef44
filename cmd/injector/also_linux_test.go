package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"faultbed/faults/inject/line"
	"faultbed/faults/inject/notify"
	"faultbed/faults/inject/python"
)

// pyproxy is our own proxy, as a program that the injector does not know.
var pyproxy = stranger{"pyproxy", func(t *testing.T, dir, listen, origin string) []string {
	if err := exec.Command("/usr/bin/python3", "-c", "import aiohttp").Run(); err != nil {
		t.Skip("no python3 with aiohttp here")
	}
	src, err := os.ReadFile("../../proxy/pyproxy/pyproxy.py")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pyproxy.py")
	if err := os.WriteFile(file, src, 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{"/usr/bin/python3", file, "--listen=" + listen, "--origin=http://" + origin, "--log-level=ERROR"}
}}

// both runs a test for the Python proxy, as a process and in a container.
func both(t *testing.T, f func(t *testing.T, name string, start starter)) {
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64")
	}
	t.Run("process", func(t *testing.T) { f(t, "pyproxy", processes(t, pyproxy)) })
	t.Run("container", func(t *testing.T) {
		if testing.Short() {
			t.Skip("takes seconds")
		}
		f(t, "pyproxy in a container", containers(t, pyproxy))
	})
}

// TestPythonFires hits one request after the other of one process, with a crowd
// beside. With FAULTBED_SHOTS=100 and -v it prints the rows of docs/injector.md.
func TestPythonFires(t *testing.T) {
	both(t, func(t *testing.T, name string, start starter) {
		s := start(t)
		addr := "--addr=" + strings.TrimPrefix(s.url, "http://")
		for _, deed := range []struct {
			name    string
			args    []string
			timeout time.Duration
			ends    bool // the request itself ends well
		}{
			{"raise", []string{"pyraise"}, 5 * time.Second, false},
			{"hang", []string{"pyhang", "--seconds=3s"}, 400 * time.Millisecond, false},
			{"block 50 ms", []string{"pyblock", "--seconds=50ms"}, 5 * time.Second, true},
		} {
			var shots []shot
			c := gather(s)
			for n := range rounds(4) {
				time.Sleep(60 * time.Millisecond)
				path := fmt.Sprintf("/fb/fresh/v%d", n)
				x := fire(t, s, oneShot(deed.timeout), path, append(deed.args, addr, "--path=/fb/fresh/")...)
				if deed.ends != (x.outcome == nil) {
					t.Errorf("%s: the request ended %v", deed.name, x.outcome)
				}
				x.outcome = nil
				shots = append(shots, x)
			}
			time.Sleep(60 * time.Millisecond)
			pyRow(t, name, deed.name, shots, c.end())
			if !s.alive() {
				t.Fatalf("%s: the process has ended", deed.name)
			}
		}
	})
}

func pyRow(t *testing.T, subject, deed string, shots []shot, crowd []sample) {
	t.Helper()
	with, without := feel(crowd, shots)
	fired := 0
	var armed, longest []time.Duration
	for _, x := range shots {
		if x.fired == 1 && x.code == 0 {
			fired++
		} else {
			t.Errorf("%s: fired %d times, code %d: %v", deed, x.fired, x.code, x.lines)
		}
		armed, longest = append(armed, x.armed), append(longest, x.longest)
	}
	if n := failures(with) + failures(without); n > 0 {
		t.Errorf("%s: %d bystanders failed: %v", deed, n, slices.DeleteFunc(slices.Concat(with, without), func(s sample) bool { return s.err == nil })[0].err)
	}
	t.Logf("| %s | %s | %d of %d | %d of %d | %s | %s | %s | %s |", subject, deed, fired, len(shots), failures(with), len(with),
		quantiles(took(with)), quantiles(took(without)), quantiles(armed), quantiles(longest))
}

// TestPythonExits ends one process after the other.
func TestPythonExits(t *testing.T) {
	both(t, func(t *testing.T, name string, start starter) {
		var shots []shot
		for range rounds(2) {
			s := start(t)
			x := fire(t, s, oneShot(5*time.Second), "/fb/short/v", "pyexit", "--path=/fb/short/v", "--addr="+strings.TrimPrefix(s.url, "http://"))
			if x.ended == "" || x.outcome == nil {
				t.Errorf("the process lives: %v, the request ended %v", x.lines, x.outcome)
			}
			shots = append(shots, x)
			s.stop()
		}
		pyRow(t, name, fmt.Sprintf("exit %d", python.ExitCode), shots, nil)
	})
}

// TestPythonSoak wraps and unwraps the handlers of one busy process many times.
func TestPythonSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	s := processes(t, pyproxy)(t)
	c := gather(s)
	defer c.end()
	client := oneShot(5 * time.Second)
	for n := range rounds(10) {
		ctx, stop := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for ctx.Err() == nil {
					get(client, s.url+"/fb/fresh/s")
				}
			})
		}
		x := fire(t, s, client, "/fb/fresh/s", "pyraise", "--path=/fb/fresh/", "--times=10", "--addr="+strings.TrimPrefix(s.url, "http://"))
		stop()
		wg.Wait()
		if x.fired < 10 || x.code != 0 || !s.alive() {
			t.Fatalf("injector %d fired %d of 10, code %d, the process lives: %v: %s", n, x.fired, x.code, s.alive(), x.why)
		}
	}
	if err := get(oneShot(5*time.Second), s.url+"/fb/short/after"); err != nil {
		t.Error(err)
	}
}

// TestConnectOutlivesItsLease: when whoever started it is gone it lifts, stays, and
// ends with the process.
func TestConnectOutlivesItsLease(t *testing.T) {
	if os.Geteuid() != 0 || runtime.GOARCH != "amd64" {
		t.Skip("needs root on amd64")
	}
	dir, listen, to := t.TempDir(), address(), origin(t)
	argv := goproxy(t, dir, listen, to)
	subj := exec.Command(argv[0], argv[1:]...)
	if err := subj.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { subj.Wait(); close(ended) }()
	s := &subject{pid: subj.Process.Pid, url: "http://" + listen, stop: func() { subj.Process.Kill(); <-ended }}
	waitUp(t, s)
	t.Cleanup(s.stop)
	cmd := exec.Command(os.Args[0], "connect", "--pid="+strconv.Itoa(s.pid))
	cmd.Env = append(os.Environ(), "INJECTOR_MAIN=1")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(in).Encode(notify.Order{Fault: "a", Spec: notify.Spec{Dest: netip.MustParseAddrPort(to), Errno: "ECONNREFUSED"}}); err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(out)
	expect := func(events ...string) {
		t.Helper()
		var l line.Line
		if err := lines.Decode(&l); err != nil || !slices.Contains(events, l.Event) {
			t.Fatal(l, err)
		}
	}
	expect(line.Ready)
	if got := status(s.url); got != 502 {
		t.Errorf("status %d with connections refused", got)
	}
	expect(line.Fired)
	in.Close()
	expect(line.Detached)
	if got := status(s.url); got != 200 {
		t.Errorf("status %d once it is lifted", got)
	}
	s.stop()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// waitUp waits until the subject answers by itself: /healthz needs no origin.
func waitUp(t *testing.T, s *subject) {
	t.Helper()
	for range 1000 {
		if resp, err := http.Get(s.url + "/healthz"); err == nil {
			resp.Body.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the subject does not serve")
}

func status(url string) int {
	resp, err := oneShot(5 * time.Second).Get(url + "/fb/short/1")
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
