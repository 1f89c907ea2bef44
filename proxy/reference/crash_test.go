package reference_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const armed = "FAULTBED_CRASH_HOOKS=1"

// crashTimes is how often `make crash` executes each row.
const crashTimes = 5

var update = flag.Bool("update", false, "write docs/crashes.md, if every row held")

func (c *client) crash(kind, seconds string) *client {
	c.t.Helper()
	head := "GET / HTTP/1.1\nHost: test\nX-Faultbed-Crash: " + kind
	if seconds != "" {
		head += "\nX-Faultbed-Crash-Seconds: " + seconds
	}
	return c.send("%s\n\n", head)
}

func TestCrashHooksUnarmed(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, mirror), "FAULTBED_CRASH_HOOKS=")
		for _, c := range crashes {
			if c.lang != p.name {
				continue
			}
			d := dial(t, r.addr)
			d.crash(c.hook, "0.3").want(200, "GET / test \"\" <nil>\n")
			d.get("/again").want(200, "GET /again test \"\" <nil>\n")
		}
	})
}

func TestCrashHooksArmedServeTheRest(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		r := p.start(t, serve(t, mirror), armed)
		dial(t, r.addr).crash("nonsense", "").want(200, "GET / test \"\" <nil>\n")
		dial(t, r.addr).get("/").want(200, "GET / test \"\" <nil>\n")
	})
}

// TestCrashes holds each row of the two tables against a run of it: once, a few
// rows if short, and as often as FAULTBED_CRASHES says.
func TestCrashes(t *testing.T) {
	n := 1
	if s := os.Getenv("FAULTBED_CRASHES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	var held atomic.Int32
	t.Cleanup(func() { // the rows run in parallel, and are over only now
		if *update && !t.Failed() && int(held.Load()) == crashTimes*len(crashes) {
			if err := os.WriteFile(crashDoc, crashText(), 0o644); err != nil {
				t.Error(err)
			}
		}
	})
	each(t, func(t *testing.T, p program) {
		for _, c := range crashes {
			if c.lang != p.name || testing.Short() && !c.quick {
				continue
			}
			for i := range n {
				t.Run(fmt.Sprint(c.scenario, "/", i+1), func(t *testing.T) {
					t.Parallel()
					if c.hold(t, p); !t.Failed() {
						held.Add(1)
					}
				})
			}
		}
	})
}

var crashDoc = filepath.Join("..", "..", "docs", "crashes.md")

// TestCrashDoc holds docs/crashes.md and the scenarios against the rows.
func TestCrashDoc(t *testing.T) {
	if got, err := os.ReadFile(crashDoc); err != nil || !bytes.Equal(got, crashText()) {
		t.Errorf("docs/crashes.md does not say what the rows say (%v): make crash", err)
	}
	files, err := filepath.Glob(filepath.Join("..", "..", "fixtures", "catalogue", "crash-*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, c := range crashes {
		if !slices.Contains(files, filepath.Join("..", "..", "fixtures", "catalogue", "crash-"+c.scenario+".yaml")) {
			t.Errorf("no scenario crash/%s", c.scenario)
		}
	}
}

// hold runs the row once.
func (c crashRow) hold(t *testing.T, p program) {
	got, log := c.run(t, p)
	if got[0] != c.here[0] || !slices.Contains(strings.Split(c.here[1], " or "), got[1]) || got[2] != c.here[2] {
		t.Errorf("faulty, concurrent, process:\n got %q\nwant %q", got, c.here)
	}
	if c.says != "" && !strings.Contains(log, c.says) {
		t.Errorf("its log does not say %q:\n%s", c.says, log)
	}
	if c.silent && strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("its log says something:\n%s", log)
	}
}

// held is an origin that keeps the answer to /held until it is opened.
type held struct {
	url     string
	arrived chan bool
	open    func()
}

func newHeld(t *testing.T) held {
	open := make(chan bool)
	h := held{arrived: make(chan bool, 1), open: sync.OnceFunc(func() { close(open) })}
	h.url = serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/held" {
			h.arrived <- true
			<-open
		}
		io.WriteString(w, "done")
	})
	t.Cleanup(h.open)
	return h
}

// ending is what became of a request, and when.
type ending struct {
	what string
	at   time.Time
}

// wait is how long an answer may take. Where none is to come it is shorter.
func wait(what string) time.Duration {
	if what == "hang" {
		return 700 * time.Millisecond
	}
	return patience
}

// end reads an answer to its end.
func (c *client) end(limit time.Duration) <-chan ending {
	out := make(chan ending, 1)
	c.SetDeadline(time.Now().Add(limit))
	go func() {
		resp, err := http.ReadResponse(c.br, nil)
		var ne net.Error
		switch {
		case errors.As(err, &ne) && ne.Timeout():
			out <- ending{"hang", time.Now()}
			return
		case errors.Is(err, syscall.ECONNRESET):
			out <- ending{"reset", time.Now()}
			return
		case err != nil:
			out <- ending{"EOF", time.Now()}
			return
		}
		e := ending{what: strconv.Itoa(resp.StatusCode)}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			e.what = "truncated"
		}
		e.at = time.Now()
		out <- e
	}()
	return out
}

// run is the row as it happens: the outcomes of the faulty request and of one that
// the origin holds meanwhile, and what becomes of the process; and its log.
func (c crashRow) run(t *testing.T, p program) (got [3]string, log string) {
	if c.over == "h2" {
		return c.runHTTP2(t, p)
	}
	o := newHeld(t)
	r := p.start(t, o.url, armed)
	beside := dial(t, r.addr).get("/held")
	await(t, "the concurrent request at the origin", o.arrived)
	besides := beside.end(patience)
	seconds, _ := strconv.ParseFloat(c.seconds, 64)
	struck := time.Now()
	faulty := c.strike(t, r)
	if seconds > 0 {
		time.Sleep(300 * time.Millisecond) // it has begun
		o.open()
		beside.SetDeadline(time.Now().Add(wait(c.here[1])))
	}
	got[0] = (<-faulty).what
	got[2] = c.fate(t, r)
	o.open()
	b := <-besides
	got[1] = b.what
	if seconds > 0 && b.what == "200" && b.at.Sub(struck).Seconds() >= seconds {
		got[1] = "200, late"
	}
	return got, r.log.String()
}

// strike makes the process crash.
func (c crashRow) strike(t *testing.T, r *process) <-chan ending {
	if c.hook == "" {
		r.signal(syscall.SIGSEGV)
		out := make(chan ending, 1)
		out <- ending{what: "–"}
		return out
	}
	d := dial(t, r.addr)
	if c.over == "kept" {
		d.get("/").want(200, "done")
	}
	return d.crash(c.hook, c.seconds).end(wait(c.here[0]))
}

// fate is what became of the process: it has served another request, or is gone.
func (c crashRow) fate(t *testing.T, r *process) string {
	if strings.HasPrefix(c.here[2], "exit") {
		select {
		case <-r.gone:
		case <-time.After(patience):
		}
	}
	select {
	case <-r.gone:
		ws := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if ws.Signaled() {
			return fmt.Sprintf("exit %d", 128+int(ws.Signal()))
		}
		return fmt.Sprintf("exit %d", ws.ExitStatus())
	default:
	}
	after := (<-dial(t, r.addr).get("/").end(patience)).what
	if after != "200" {
		return "alive, and then " + after
	}
	if c.then == "" {
		return "alive"
	}
	return "alive; " + c.then + ": " + (<-dial(t, r.addr).crash(c.then, "").end(wait("hang"))).what
}

// runHTTP2 has all requests on one HTTP/2 connection.
func (c crashRow) runHTTP2(t *testing.T, p program) (got [3]string, log string) {
	k, o := newPKI(t), newHeld(t)
	r := p.start(t, o.url, append(k.front(), armed)...)
	tr := k.http2()
	defer tr.CloseIdleConnections()
	var conns []net.Conn
	tr.DialContext = func(_ context.Context, network, addr string) (net.Conn, error) {
		conn, err := net.Dial(network, addr)
		conns = append(conns, conn)
		return conn, err
	}
	fetch := func(path, hook string) string {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://"+r.tls+path, nil)
		req.Header.Set("X-Faultbed-Crash", hook)
		resp, err := tr.RoundTrip(req)
		if err != nil {
			_, after, _ := strings.Cut(err.Error(), "; ")
			return after
		}
		defer resp.Body.Close()
		io.Copy(io.Discard, resp.Body)
		return strconv.Itoa(resp.StatusCode)
	}
	fetch("/", "") // its connection is there for all
	beside := make(chan string, 1)
	go func() { beside <- fetch("/held", "") }()
	await(t, "the concurrent request at the origin", o.arrived)
	got[0] = fetch("/", c.hook)
	got[2] = c.fate(t, r)
	o.open()
	got[1] = await(t, "the concurrent request's end", beside)
	if len(conns) != 1 {
		t.Errorf("%d connections, want one for all", len(conns))
	}
	return got, r.log.String()
}
