package packet

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"faultbed/faults/room"
	"faultbed/reports/history"
)

// pair is two hermits on one cable, as a subject and its origin in containers.
type pair struct {
	*bed
	subject *os.File // its network namespace
}

func newPair(t *testing.T) *pair {
	t.Helper()
	subject, origin := hermit(t), hermit(t)
	ip := func(pid int, args ...string) {
		t.Helper()
		out, err := exec.Command("nsenter", append([]string{"-t", fmt.Sprint(pid), "-n", "ip"}, args...)...).CombinedOutput()
		if err != nil {
			t.Skipf("ip %v: %v: %s", args, err, out)
		}
	}
	s, o := subject.Process.Pid, origin.Process.Pid
	ip(s, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", fmt.Sprint(o))
	for i, pid := range []int{s, o} {
		ip(pid, "addr", "add", fmt.Sprintf("10.9.9.%d/24", i+2), "dev", "eth0")
		ip(pid, "link", "set", "eth0", "up")
		ip(pid, "link", "set", "lo", "up")
	}
	p := &pair{bed: &bed{Target: room.Target{Fault: "f1", Run: "20260101-000000-0badcafe", PID: s, Container: "hermit", Seed: rand.Uint64(),
		Addr: "10.9.9.2:8080", Origin: "10.9.9.3:9000", Load: "10.9.9.3"}}}
	p.Note = func(e history.Event) { p.events = append(p.events, e) }
	p.subject = open(t, s)
	err := within(open(t, o), func() error {
		ln, err := net.Listen("tcp", p.Origin)
		if err == nil {
			t.Cleanup(func() { ln.Close() })
			go serveEcho(ln)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func open(t *testing.T, pid int) *os.File {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// dial connects as the subject.
func (p *pair) dial(t *testing.T) (c net.Conn) {
	t.Helper()
	err := within(p.subject, func() (err error) { c, err = dial(p.Origin, "", long); return err })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestInside has real packets pass a subject's own namespace in both directions.
func TestInside(t *testing.T) {
	for name, w := range map[string]with{
		"loss": {"share": 0.05}, "reorder": {"share": 0.3}, "duplicate": {"share": 0.3}, "corrupt": {"share": 0.05},
		"delay": {"delay": int64(2e6), "jitter": int64(1e6)}, "rate": {"rate": int64(5000)},
	} {
		for _, direction := range []string{"in", "out"} {
			t.Run(name+" "+direction, func(t *testing.T) {
				t.Parallel()
				p := newPair(t)
				w := with{"direction": direction, "share": w["share"], "delay": w["delay"], "jitter": w["jitter"], "rate": w["rate"]}
				for k := range w {
					if w[k] == nil {
						delete(w, k)
					}
				}
				lift := p.inject(t, name, w)
				c := p.dial(t)
				for range 30 {
					mustAsk(t, c, 2000)
				}
				mustAsk(t, c, 300_000)
				lift()
				p.mustBite(t)
				mustAsk(t, c, 300_000)
			})
		}
	}
}

func TestInsideDrop(t *testing.T) {
	p := newPair(t)
	c := p.dial(t)
	mustAsk(t, c, 100)
	for _, direction := range []string{"in", "out"} {
		lift := p.inject(t, "drop", with{"direction": direction})
		mustStall(t, c, 100)
		lift()
		c.SetDeadline(time.Now().Add(long))
		if _, err := io.ReadFull(c, make([]byte, 100)); err != nil {
			t.Error(err)
		}
	}
	if len(p.events) != 2 {
		t.Errorf("%+v", p.events)
	}
	p.mustBite(t)
	p.inject(t, "kill-sockets", nil)
	if err := ask(c, 100, long); err == nil || timedOut(err) {
		t.Errorf("after its socket was killed: %v", err)
	}
}

// TestInsideLosesCopies has what one fault sends again dropped by another's rule,
// which sendto(2) says: a packet lost, and no failure of the first.
func TestInsideLosesCopies(t *testing.T) {
	p := newPair(t)
	c := p.dial(t)
	mustAsk(t, c, 100)
	drop := p.inject(t, "drop", with{"direction": "out"})
	delay := p.inject(t, "delay", with{"direction": "out", "delay": int64(1e6)}) // is met first: the last of equals
	mustStall(t, c, 100)
	delay()
	drop()
	c.SetDeadline(time.Now().Add(long))
	if _, err := io.ReadFull(c, make([]byte, 100)); err != nil {
		t.Error(err)
	}
	if len(p.events) != 2 {
		t.Errorf("both should have bitten: %+v", p.events)
	}
}

// TestUpload logs what delays do to throughput in each direction of a container.
func TestUpload(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for _, direction := range []string{"in", "out"} {
		p := newPair(t)
		lift := p.inject(t, "delay", with{"direction": direction, "delay": int64(20e6)})
		c := p.dial(t)
		begun := time.Now()
		mustAsk(t, c, 2<<20)
		t.Logf("2 MiB there and back, 20 ms %s: %v", direction, time.Since(begun))
		lift()
	}
}
