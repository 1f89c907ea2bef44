package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"faultbed/faults/inject/line"
)

func TestMain(m *testing.M) {
	if os.Getenv("INJECTOR_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// rounds is how many shots a test makes: few, or as many as FAULTBED_SHOTS says, for
// docs/injector.md.
func rounds(few int) int {
	if n, err := strconv.Atoi(os.Getenv("FAULTBED_SHOTS")); err == nil {
		return n
	}
	if testing.Short() {
		return min(few, 3)
	}
	return few
}

func address() string {
	return fmt.Sprintf("127.%d.%d.%d:%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250), 10000+rand.IntN(20000))
}

// origin answers every request with its path, /fb/slow/ after 30 ms.
func origin(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", address())
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/fb/slow/") {
			time.Sleep(30 * time.Millisecond)
		}
		io.WriteString(w, r.URL.Path)
	})}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	return ln.Addr().String()
}

// stranger is a Go proxy under test: its files and how it is started.
type stranger struct {
	name string
	make func(t *testing.T, dir, listen, origin string) []string
}

var strangers = []stranger{{"goproxy", goproxy}, {"caddy", caddy}}

// goproxy is our own, stripped: with names it would be too easy.
func goproxy(t *testing.T, dir, listen, origin string) []string {
	t.Helper()
	bin := filepath.Join(dir, "goproxy")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "faultbed/proxy/goproxy")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	return []string{bin, "--listen=" + listen, "--origin=http://" + origin}
}

func caddy(t *testing.T, dir, listen, origin string) []string {
	t.Helper()
	bin, err := exec.LookPath("caddy")
	if err != nil {
		t.Skip("caddy is not installed")
	}
	file := filepath.Join(dir, "Caddyfile")
	host, port, _ := net.SplitHostPort(listen)
	text := fmt.Sprintf("{\n admin off\n auto_https off\n}\nhttp://:%s {\n bind %s\n reverse_proxy %s\n}\n", port, host, origin)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{bin, "run", "--config", file}
}

// subject is a running one.
type subject struct {
	pid   int
	url   string
	stop  func()
	alive func() bool
}

// starter starts the same subject again and again.
type starter func(t *testing.T) *subject

func processes(t *testing.T, s stranger) starter {
	dir, listen := t.TempDir(), address()
	argv := s.make(t, dir, listen, origin(t))
	return func(t *testing.T) *subject {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), "HOME="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { cmd.Wait(); close(ended) }()
		sub := &subject{pid: cmd.Process.Pid, url: "http://" + listen}
		sub.alive = func() bool {
			select {
			case <-ended:
				return false
			default:
				return true
			}
		}
		sub.stop = func() { cmd.Process.Kill(); <-ended }
		return sub.serving(t)
	}
}

// containers starts it with no capability, as nobody and as PID 1, in the host's
// network. An image of nothing but the folder holds it; a program that needs a
// library finds this machine's.
func containers(t *testing.T, s stranger) starter {
	if out, err := exec.Command("docker", "version").CombinedOutput(); err != nil {
		t.Skip("no docker: ", string(out))
	}
	dir, listen := t.TempDir(), address()
	os.Chmod(dir, 0o755)
	argv := s.make(t, dir, listen, origin(t))
	tag := fmt.Sprintf("faultbed-injector-test:%d", rand.Uint32())
	load := exec.Command("docker", "import", "-", tag)
	load.Stdin = bytes.NewReader(empty(t))
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	t.Cleanup(func() { exec.Command("docker", "rmi", "-f", tag).Run() })
	run := []string{"run", "-d", "--network=host", "--cap-drop=ALL", "--user=65534:65534", "--env=HOME=/tmp", "--tmpfs=/tmp", "--volume=" + dir + ":" + dir + ":ro"}
	for _, lib := range []string{"/usr", "/lib", "/lib64", "/etc"} {
		run = append(run, "--volume="+lib+":"+lib+":ro")
	}
	run = append(append(run, tag), argv...)
	return func(t *testing.T) *subject {
		out, err := exec.Command("docker", run...).Output()
		if err != nil {
			t.Fatal(err, string(out))
		}
		id := strings.TrimSpace(string(out))
		sub := &subject{url: "http://" + listen, stop: func() { exec.Command("docker", "rm", "-f", id).Run() }}
		t.Cleanup(sub.stop)
		sub.alive = func() bool { return inspect(id, "{{.State.Running}}") == "true" }
		sub.pid, _ = strconv.Atoi(inspect(id, "{{.State.Pid}}"))
		return sub.serving(t)
	}
}

func inspect(id, format string) string {
	out, _ := exec.Command("docker", "inspect", "--format", format, id).Output()
	return strings.TrimSpace(string(out))
}

func empty(t *testing.T) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (s *subject) serving(t *testing.T) *subject {
	t.Helper()
	t.Cleanup(s.stop)
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if resp, err := http.Get(s.url + "/fb/short/0"); err == nil {
			resp.Body.Close()
			return s
		}
	}
	t.Fatal("the subject does not serve")
	return nil
}

// shot is one run of the injector.
type shot struct {
	from, to      time.Time
	armed, victim time.Duration // start to READY; how long the victim's thread was held
	longest       time.Duration // stop of any thread
	fired, code   int
	ended, why    string
	lines         []line.Line
	outcome       error // of the victim's request
}

// fire starts an injector, sends the request that it waits for, and sees it end.
func fire(t *testing.T, s *subject, client *http.Client, path string, args ...string) shot {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	cmd := exec.Command(os.Args[0], append(args, "--pid="+strconv.Itoa(s.pid), "--deadline=20s")...)
	cmd.Env = append(os.Environ(), "INJECTOR_MAIN=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // as the room does
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	r := shot{from: time.Now()}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var wg sync.WaitGroup
	err := line.Read(out, func(l line.Line) bool {
		r.lines = append(r.lines, l)
		switch l.Event {
		case line.Ready:
			r.armed = time.Since(r.from)
			wg.Go(func() { r.outcome = get(client, s.url+path) })
		case line.Fired:
			r.fired, r.victim = r.fired+1, time.Duration(l.Held)
		case line.Detached:
			r.to, r.longest, r.ended = time.Now(), time.Duration(l.Held), l.Ended
		case line.Unsupported, line.Failed:
			r.why = l.Why
		}
		return true
	})
	wg.Wait()
	cmd.Wait()
	r.code = cmd.ProcessState.ExitCode()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// get asks once; an answer that is not the path, whole, is an error.
func get(c *http.Client, url string) error {
	resp, err := c.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && !strings.HasSuffix(url, string(b)) || len(b) == 0 {
		err = fmt.Errorf("answered %d %q", resp.StatusCode, b)
	}
	return err
}

// oneShot is a client with a connection of its own for each request.
func oneShot(timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true}}
}

// crowd sends requests all the time, beside the victims, each timed.
type crowd struct {
	mu   sync.Mutex
	sent []sample
	stop context.CancelFunc
	wg   sync.WaitGroup
}

type sample struct {
	at   time.Time
	took time.Duration
	err  error
}

// gather sends about 300 requests a second on six connections.
func gather(s *subject) *crowd {
	ctx, stop := context.WithCancel(context.Background())
	c := &crowd{stop: stop}
	for n := range 6 {
		c.wg.Go(func() {
			client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
			path := [...]string{"/fb/short/c", "/fb/short/c", "/fb/slow/c"}[n%3]
			for tick := time.NewTicker(20 * time.Millisecond); ctx.Err() == nil; <-tick.C {
				at := time.Now()
				err := get(client, s.url+path)
				c.mu.Lock()
				c.sent = append(c.sent, sample{at, time.Since(at) - time.Duration(n%3/2)*30*time.Millisecond, err})
				c.mu.Unlock()
			}
		})
	}
	return c
}

func (c *crowd) end() []sample { c.stop(); c.wg.Wait(); return c.sent }

// feel parts samples into those that overlap a shot and the others.
func feel(all []sample, shots []shot) (with, without []sample) {
	for _, s := range all {
		if slices.ContainsFunc(shots, func(x shot) bool { return s.at.Before(x.to) && s.at.Add(s.took).After(x.from) }) {
			with = append(with, s)
		} else {
			without = append(without, s)
		}
	}
	return with, without
}

func quantiles(ds []time.Duration) string {
	if len(ds) == 0 {
		return "none"
	}
	slices.Sort(ds)
	q := func(p float64) string {
		return fmt.Sprintf("%.1f", float64(ds[int(p*float64(len(ds)-1))].Microseconds())/1000)
	}
	return q(0.5) + " / " + q(0.99) + " / " + q(1)
}

func took(ss []sample) (ds []time.Duration) {
	for _, s := range ss {
		ds = append(ds, s.took)
	}
	return ds
}

func failures(ss []sample) (n int) {
	for _, s := range ss {
		if s.err != nil {
			n++
		}
	}
	return n
}

// each runs a test for every stranger, as a process and in a container.
func each(t *testing.T, f func(t *testing.T, name string, start starter)) {
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64")
	}
	for _, s := range strangers {
		t.Run(s.name, func(t *testing.T) { f(t, s.name, processes(t, s)) })
		t.Run(s.name+" in a container", func(t *testing.T) {
			if testing.Short() {
				t.Skip("takes seconds")
			}
			f(t, s.name+" in a container", containers(t, s))
		})
	}
}

// TestFires hits one request after the other of one process, with a crowd beside.
// With FAULTBED_SHOTS=100 and -v it prints the rows of docs/injector.md.
func TestFires(t *testing.T) {
	each(t, func(t *testing.T, name string, start starter) {
		s := start(t)
		for _, deed := range []struct {
			name    string
			args    []string
			timeout time.Duration
		}{
			{"panic, handler", []string{"gopanic"}, 5 * time.Second},
			{"panic, proxy", []string{"gopanic", "--point=proxy"}, 5 * time.Second},
			{"panic, response", []string{"gopanic", "--point=response"}, 5 * time.Second},
			{"hang", []string{"gohang", "--hang=3s"}, 400 * time.Millisecond},
		} {
			var shots []shot
			c := gather(s)
			for n := range rounds(4) {
				time.Sleep(60 * time.Millisecond)
				path := fmt.Sprintf("/fb/fresh/v%d", n)
				shots = append(shots, fire(t, s, oneShot(deed.timeout), path, append(deed.args, "--path=/fb/fresh/")...))
			}
			time.Sleep(60 * time.Millisecond)
			row(t, name, deed.name, shots, c.end())
			if !s.alive() {
				t.Fatalf("%s: the process has ended", deed.name)
			}
		}
	})
}

// row judges shots and prints their line of the table.
func row(t *testing.T, subject, deed string, shots []shot, crowd []sample) {
	t.Helper()
	with, without := feel(crowd, shots)
	fired, felt := 0, 0
	var armed, victim, longest []time.Duration
	for _, x := range shots {
		if x.fired == 1 && x.code == 0 {
			fired++
		} else {
			t.Errorf("%s: fired %d times, code %d: %v", deed, x.fired, x.code, x.lines)
		}
		if x.outcome != nil {
			felt++
		}
		armed, victim, longest = append(armed, x.armed), append(victim, x.victim), append(longest, x.longest)
	}
	if felt != fired {
		t.Errorf("%s: %d requests were hit and %d failed", deed, fired, felt)
	}
	if n := failures(with) + failures(without); n > 0 {
		t.Errorf("%s: %d bystanders failed", deed, n)
	}
	t.Logf("| %s | %s | %d of %d | %d | %d of %d | %s | %s | %s | %s | %s |", subject, deed, fired, len(shots), felt, failures(with), len(with),
		quantiles(took(with)), quantiles(took(without)), quantiles(armed), quantiles(victim), quantiles(longest))
}

// TestDies ends one process after the other.
func TestDies(t *testing.T) {
	each(t, func(t *testing.T, name string, start starter) {
		var shots []shot
		for range rounds(2) {
			s := start(t)
			x := fire(t, s, oneShot(5*time.Second), "/fb/short/v", "godie", "--path=/fb/short/v")
			if x.ended == "" || x.outcome == nil {
				t.Errorf("the process lives: %v, the request ended %v", x.lines, x.outcome)
			}
			shots = append(shots, x)
			s.stop()
		}
		row(t, name, "die", shots, nil)
	})
}

// TestSoak hits many requests of one busy process by one injector, while new
// injectors come and go.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	each(t, func(t *testing.T, name string, start starter) {
		s := start(t)
		fired := 0
		for n := 0; fired < rounds(60)*3; n++ {
			client := oneShot(5 * time.Second)
			ctx, stop := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for ctx.Err() == nil {
						get(client, s.url+"/fb/fresh/s")
					}
				})
			}
			x := fire(t, s, client, "/fb/fresh/s", "gopanic", "--path=/fb/fresh/", "--times=30")
			stop()
			wg.Wait()
			if x.fired != 30 || x.code != 0 || !s.alive() {
				t.Fatalf("injector %d fired %d of 30, code %d, the process lives: %v: %s", n, x.fired, x.code, s.alive(), x.why)
			}
			fired += x.fired
		}
		if err := get(oneShot(5*time.Second), s.url+"/fb/short/after"); err != nil {
			t.Error(err)
		}
		t.Logf("%d requests of one process hit", fired)
	})
}

// TestLease: whoever started it is gone, with its reader; it lets go, and the target
// goes on.
func TestLease(t *testing.T) {
	if os.Geteuid() != 0 || runtime.GOARCH != "amd64" {
		t.Skip("needs root on amd64")
	}
	s := processes(t, strangers[0])(t)
	for name, end := range map[string]func(cmd *exec.Cmd, in io.Closer){
		"standard input ends": func(_ *exec.Cmd, in io.Closer) { in.Close() },
		"SIGTERM":             func(cmd *exec.Cmd, _ io.Closer) { cmd.Process.Signal(syscall.SIGTERM) },
		"its deadline":        func(*exec.Cmd, io.Closer) {},
	} {
		cmd := exec.Command(os.Args[0], "gopanic", "--path=/fb/none/", "--deadline=700ms", "--pid="+strconv.Itoa(s.pid))
		cmd.Env = append(os.Environ(), "INJECTOR_MAIN=1")
		in, _ := cmd.StdinPipe()
		out, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var first line.Line
		if err := json.NewDecoder(out).Decode(&first); err != nil || first.Event != line.Ready {
			t.Fatal(first, err)
		}
		out.Close() // what it says next meets a broken pipe
		cmd.Process.Signal(syscall.SIGINT)
		cmd.Process.Signal(syscall.SIGHUP)
		if err := get(oneShot(5*time.Second), s.url+"/fb/short/1"); err != nil {
			t.Errorf("%s: while armed: %v", name, err)
		}
		end(cmd, in)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := get(oneShot(5*time.Second), s.url+"/fb/short/2"); err != nil || !s.alive() {
			t.Errorf("%s: after it: %v, the process lives: %v", name, err, s.alive())
		}
		in.Close()
	}
}

func TestSaysWhy(t *testing.T) {
	sleep := exec.Command("sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { sleep.Process.Kill(); sleep.Wait() }()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{nil, line.ExitUsage, "abort, connect, godie, gohang, gopanic, pyblock, pyexit, pyhang, pyraise, segv, skew, stack-overflow"},
		{[]string{"gopanic"}, line.ExitUsage, "--pid"},
		{[]string{"gopanic", "--pid=1", "--point=moon"}, line.ExitUsage, `"moon"`},
		{[]string{"gopanic", "--pid=" + strconv.Itoa(sleep.Process.Pid)}, line.ExitUnsupported, "no Go program"},
		{[]string{"gopanic", "--pid=4194999"}, line.ExitUnsupported, "no such file"},
		{[]string{"segv", "--pid=4194999"}, line.ExitFailed, "ended"},
	} {
		cmd := exec.Command(os.Args[0], c.args...)
		cmd.Env = append(os.Environ(), "INJECTOR_MAIN=1")
		in, _ := cmd.StdinPipe()
		out, err := cmd.CombinedOutput()
		in.Close()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("%v: %v, %s; want code %d and %q", c.args, err, out, c.code, c.says)
		}
	}
}
