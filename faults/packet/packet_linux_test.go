package packet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"faultbed/faults/room"
	"faultbed/reports/history"
	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

func TestDrop(t *testing.T) {
	b := newBed(t)
	old := mustDial(t, b.Origin, "")
	mustAsk(t, old, 100)
	lift := b.inject(t, "drop", nil)
	if _, err := dial(b.Origin, "", short); !timedOut(err) {
		t.Errorf("connect: got %v, want a time-out", err)
	}
	mustStall(t, old, 100)
	b.bystander(t)
	mustAsk(t, mustDial(t, b.Addr, ""), 100) // the other side
	lift()
	b.mustBite(t)
	old.SetDeadline(time.Now().Add(long))
	if _, err := io.ReadFull(old, make([]byte, 100)); err != nil {
		t.Errorf("what stalled does not come after the lift: %v", err)
	}
	mustAsk(t, mustDial(t, b.Origin, ""), 100)
}

func TestDropFront(t *testing.T) {
	b := newBed(t)
	old := mustDial(t, b.Addr, b.Load)
	mustAsk(t, old, 100)
	lift := b.inject(t, "drop", with{"side": "front", "established": "keep"})
	if _, err := dial(b.Addr, b.Load, short); !timedOut(err) {
		t.Errorf("connect: got %v, want a time-out", err)
	}
	mustAsk(t, old, 100)
	mustAsk(t, mustDial(t, b.Origin, ""), 100)
	lift()
	b.mustBite(t)
}

func TestReject(t *testing.T) {
	for answer, want := range map[string]syscall.Errno{"tcp-reset": syscall.ECONNREFUSED, "port-unreachable": syscall.ECONNREFUSED,
		"host-unreachable": syscall.EHOSTUNREACH, "net-unreachable": syscall.ENETUNREACH, "admin-prohibited": syscall.EHOSTUNREACH} {
		t.Run(answer, func(t *testing.T) {
			b := newBed(t)
			old := mustDial(t, b.Origin, "")
			mustAsk(t, old, 100)
			lift := b.inject(t, "reject", with{"answer": answer})
			if _, err := dial(b.Origin, "", long); !errors.Is(err, want) {
				t.Errorf("connect: got %v, want %v", err, want)
			}
			if err := ask(old, 100, short); answer == "tcp-reset" && !errors.Is(err, syscall.ECONNRESET) || answer != "tcp-reset" && !timedOut(err) {
				t.Errorf("on a connection that was there: %v", err)
			}
			b.bystander(t)
			lift()
			b.mustBite(t)
			mustAsk(t, mustDial(t, b.Origin, ""), 100)
		})
	}
}

// TestPartition has the origin hear what it can't answer.
func TestPartition(t *testing.T) {
	b := newBed(t)
	ln, err := net.Listen("tcp", strings.Replace(b.Origin, ".1:", ".9:", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	b.Origin = ln.Addr().String()
	c := mustDial(t, b.Origin, "")
	o, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	lift := b.inject(t, "partition", with{"direction": "in"})
	c.Write([]byte("to the origin"))
	o.Write([]byte("to the subject"))
	o.SetDeadline(time.Now().Add(long))
	if _, err := io.ReadFull(o, make([]byte, 13)); err != nil {
		t.Errorf("to the origin: %v", err)
	}
	c.SetDeadline(time.Now().Add(short))
	if _, err := c.Read(make([]byte, 1)); !timedOut(err) {
		t.Errorf("to the subject: got %v, want nothing", err)
	}
	lift()
	b.mustBite(t)
	c.SetDeadline(time.Now().Add(long))
	if _, err := io.ReadFull(c, make([]byte, 14)); err != nil {
		t.Errorf("after the lift: %v", err)
	}
}

// TestWhole has faults that TCP hides: what arrives is what was sent.
func TestWhole(t *testing.T) {
	for name, w := range map[string]with{
		"loss": {"share": 0.05}, "reorder": {"share": 0.3}, "duplicate": {"share": 0.5}, "corrupt": {"share": 0.05},
		"delay": {"delay": int64(2e6), "jitter": int64(2e6)}, "rate": {"rate": int64(5000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			old := mustDial(t, b.Origin, "")
			lift := b.inject(t, name, w)
			for range 40 {
				mustAsk(t, old, 2000)
			}
			mustAsk(t, mustDial(t, b.Origin, ""), 1<<20)
			b.bystander(t)
			lift()
			b.mustBite(t)
			mustAsk(t, old, 1<<20)
		})
	}
}

// info is what the kernel knows about a connection.
func info(t *testing.T, c net.Conn) *unix.TCPInfo {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var i *unix.TCPInfo
	if err := raw.Control(func(fd uintptr) { i, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); err != nil || i == nil {
		t.Fatal(err)
	}
	return i
}

// TestSeenByKernel wants the kernel's word that copies and overtakers arrived.
func TestSeenByKernel(t *testing.T) {
	for name, seen := range map[string]func(*unix.TCPInfo) uint32{
		"duplicate": func(i *unix.TCPInfo) uint32 { return i.Dsack_dups },
		"reorder":   func(i *unix.TCPInfo) uint32 { return i.Rcv_ooopack },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			lift := b.inject(t, name, with{"share": 0.3})
			c := mustDial(t, b.Origin, "")
			mustAsk(t, c, 8<<20)
			lift()
			b.mustBite(t)
			if n := seen(info(t, c)); n == 0 {
				t.Error("the kernel saw nothing of it")
			} else {
				t.Logf("the kernel saw %d on the client's side; %d bites", n, b.bitten())
			}
		})
	}
}

// TestCorruptRight has the application read what was changed.
func TestCorruptRight(t *testing.T) {
	b := newBed(t)
	c := mustDial(t, b.Origin, "")
	lift := b.inject(t, "corrupt", with{"share": 1, "checksum": "right", "direction": "in"})
	if err := ask(c, 1000, long); !errors.Is(err, errChanged) {
		t.Errorf("got %v, want other bytes", err)
	}
	lift()
	b.mustBite(t)
	mustAsk(t, c, 1000)
}

func TestMTU(t *testing.T) {
	b := newBed(t)
	c := mustDial(t, b.Origin, "")
	lift := b.inject(t, "mtu", with{"size": 1280})
	mustAsk(t, c, 1000)
	mustStall(t, c, 20000)
	b.bystander(t)
	lift()
	b.mustBite(t)
}

func TestForget(t *testing.T) {
	b := newBed(t)
	busy, idle := mustDial(t, b.Origin, ""), mustDial(t, b.Origin, "")
	mustAsk(t, idle, 100)
	lift := b.inject(t, "nat-forget", with{"idle": int64(2 * time.Second)})
	for begun := time.Now(); time.Since(begun) < 2200*time.Millisecond; time.Sleep(20 * time.Millisecond) {
		mustAsk(t, busy, 100)
	}
	mustStall(t, idle, 100)
	mustAsk(t, mustDial(t, b.Origin, ""), 100)
	lift()
	b.mustBite(t)
}

// TestForgetAll is the restart of a NAT device.
func TestForgetAll(t *testing.T) {
	b := newBed(t)
	old := mustDial(t, b.Origin, "")
	mustAsk(t, old, 100)
	lift := b.inject(t, "nat-forget", with{"idle": int64(0)})
	mustStall(t, old, 100)
	young := mustDial(t, b.Origin, "")
	mustAsk(t, young, 100)
	mustAsk(t, young, 100)
	lift()
	b.mustBite(t)
}

func TestKillSockets(t *testing.T) {
	b := newBed(t)
	back, front, control := mustDial(t, b.Origin, ""), mustDial(t, b.Addr, b.Load), mustDial(t, b.Origin, b.Load)
	for _, c := range []net.Conn{back, front, control} {
		mustAsk(t, c, 100)
	}
	b.inject(t, "kill-sockets", nil)
	if n := b.bitten(); n != 1 {
		t.Errorf("%d bites, want 1", n)
	}
	if err := ask(back, 100, long); !errors.Is(err, syscall.ECONNABORTED) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the subject's own end: %v", err)
	}
	mustAsk(t, front, 100)
	b.inject(t, "kill-sockets", with{"side": "front"})
	if err := ask(front, 100, long); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the client's end: %v", err)
	}
	mustAsk(t, control, 100)
	if n := b.bitten(); n != 2 {
		t.Errorf("%d bites, want 2", n)
	}
	b.mustBite(t)
}

// TestDisconnect has interfaces and routes come back as they were.
func TestDisconnect(t *testing.T) {
	h := hermit(t)
	ip := func(args ...string) string {
		out, err := exec.Command("nsenter", append([]string{"-t", fmt.Sprint(h.Process.Pid), "-n", "ip"}, args...)...).CombinedOutput()
		if err != nil {
			t.Skipf("ip %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
	ip("link", "set", "v1", "up")
	ip("link", "set", "v0", "up")
	ip("addr", "add", "10.9.9.2/24", "dev", "v0")
	ip("route", "add", "default", "via", "10.9.9.1")
	ip("route", "add", "10.8.0.0/16", "via", "10.9.9.9", "metric", "7", "mtu", "1300")
	before := ip("route")
	b := &bed{Target: room.Target{Fault: "f1", PID: h.Process.Pid, Container: "hermit"}}
	b.Note = func(e history.Event) { b.events = append(b.events, e) }
	lift := b.inject(t, "disconnect", nil)
	if n := b.bitten(); n != 2 {
		t.Errorf("%d interfaces down, want 2: %v", n, b.events)
	}
	if r := ip("route"); r != "" {
		t.Errorf("routes are left: %s", r)
	}
	lift()
	if after := ip("route"); after != before {
		t.Errorf("routes were\n%s\nand are\n%s", before, after)
	}
	b.PID, b.Container = os.Getpid(), ""
	if _, err := disconnect.Inject(context.Background(), b.Target, nil); err == nil {
		t.Error("it would take the host's network away")
	}
}

// TestOverlap has faults of one trial and of two in force at the same time.
func TestOverlap(t *testing.T) {
	b, other := newBed(t), newBed(t)
	var lifts []func()
	for _, k := range []string{"delay", "reorder", "duplicate", "loss", "corrupt"} {
		lifts = append(lifts, b.inject(t, k, with{"side": "both", "delay": int64(1e6), "share": 0.03}), other.inject(t, k, with{"delay": int64(1e6)}))
	}
	for range 8 {
		mustAsk(t, mustDial(t, b.Origin, ""), 5000)
		mustAsk(t, mustDial(t, other.Origin, ""), 5000)
		mustAsk(t, mustDial(t, b.Addr, b.Load), 5000)
	}
	for _, lift := range lifts {
		lift()
	}
	b.mustBite(t)
	other.mustBite(t)
}

// TestForeign has a ruleset with names like ours be the same, byte for byte, while
// faults of all kinds come and go.
func TestForeign(t *testing.T) {
	h := hermit(t)
	nft(t, h.Process.Pid, `table ip faultbed_20260101_000000_0badcafe_f1 {
		chain in { type filter hook input priority -150; policy accept; tcp dport 99 counter drop comment "faultbed:20260101-000000-0badcafe:f1"
		}
	}`, "-f", "-")
	before := nft(t, h.Process.Pid, "", "-a", "list", "ruleset")
	b := &bed{Target: room.Target{Fault: "f1", Run: "20260101-000000-0badcafe", PID: h.Process.Pid, Container: "hermit",
		Addr: "10.9.9.2:8080", Origin: "10.9.9.3:8080", Load: "10.9.9.4", Note: func(history.Event) {}}}
	for _, k := range Kinds() {
		if !k.Lifts || k.Name == "disconnect" {
			continue
		}
		lift := b.inject(t, k.Name, with{"side": "both"})
		if in := nft(t, h.Process.Pid, "", "list", "ruleset"); strings.Count("\n"+in, "\ntable ip faultbed") != 2 {
			t.Errorf("%s: %s", k.Name, in)
		}
		lift()
	}
	if after := nft(t, h.Process.Pid, "", "-a", "list", "ruleset"); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
}

// TestSubjectGone lifts when the subject, and with it the namespace's last process, is gone.
func TestSubjectGone(t *testing.T) {
	for _, name := range []string{"drop", "delay"} {
		h := hermit(t)
		b := &bed{Target: room.Target{Fault: "f1", PID: h.Process.Pid, Container: "hermit", Addr: "10.9.9.2:8080", Origin: "10.9.9.3:8080", Load: "10.9.9.4"}}
		lift := b.inject(t, name, nil)
		h.Process.Kill()
		h.Wait()
		lift()
	}
}

// TestKilled has a faultbed killed in the middle: the kernel takes all away.
func TestKilled(t *testing.T) {
	b := newBed(t)
	c := exec.Command(os.Args[0], "-test.run=^TestHelper$")
	mark := fmt.Sprintf("%08x", rand.Uint32())
	c.Env = append(os.Environ(), "PACKET_HELPER="+b.Origin+" "+b.Load+" 20260101-000000-"+mark)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len(inForce))); err != nil {
		t.Fatal(err)
	}
	if _, err := dial(b.Origin, "", short); !timedOut(err) {
		t.Errorf("before: %v", err)
	}
	c.Process.Kill()
	c.Wait()
	mustAsk(t, mustDial(t, b.Origin, ""), 1000)
	look, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := look.ListTables()
	if err != nil {
		t.Error(err)
	}
	for _, table := range tables {
		if strings.Contains(table.Name, mark) {
			t.Errorf("left: %s", table.Name)
		}
	}
}

const inForce = "in force"

// TestHelper is the faultbed that [TestKilled] kills.
func TestHelper(t *testing.T) {
	where := strings.Fields(os.Getenv("PACKET_HELPER"))
	if len(where) != 3 {
		t.Skip("runs under TestKilled")
	}
	target := room.Target{Fault: "f1", Run: where[2], Origin: where[0], Addr: "127.1.2.3:80", Load: where[1], Note: func(history.Event) {}}
	for _, name := range []string{"delay", "drop"} {
		k := kind(t, name)
		if _, err := k.Inject(context.Background(), target, defaults(k, nil)); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Print(inForce)
	time.Sleep(time.Minute)
}

// TestPrecision says how exact delays are here; it asserts only what can't be
// otherwise: that no packet came early.
func TestPrecision(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for _, ms := range []int64{0, 1, 5, 10} {
		b := newBed(t)
		c := mustDial(t, b.Origin, "")
		lift := func() {}
		if ms > 0 {
			lift = b.inject(t, "delay", with{"delay": ms * 1e6, "direction": "in"})
		}
		var took []time.Duration
		for range 250 {
			begun := time.Now()
			mustAsk(t, c, 100)
			took = append(took, time.Since(begun))
		}
		lift()
		slices.Sort(took)
		if took[0] < time.Duration(ms)*time.Millisecond {
			t.Errorf("delay of %d ms: a round trip took %v", ms, took[0])
		}
		t.Logf("delay %2d ms: round trip p50 %v, p99 %v of %d", ms, took[125], took[247], len(took))
	}
}

// TestBare is how a calibration calls: with addresses and nothing else.
func TestBare(t *testing.T) {
	b := newBed(t)
	b.Target = room.Target{Addr: b.Addr, Origin: b.Origin, Load: b.Load}
	for _, k := range Kinds() {
		if k.Name != "disconnect" { // for containers
			lift := b.inject(t, k.Name, nil)
			ask(mustDialSoon(t, b.Origin), 1000, short)
			lift()
		}
	}
}

// mustDialSoon connects, or gives a connection that is closed.
func mustDialSoon(t *testing.T, addr string) net.Conn {
	c, err := dial(addr, "", short)
	if err != nil {
		c, _ = net.Pipe()
		c.Close()
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestChurn leaves no descriptor, thread or table behind after many faults under traffic.
func TestChurn(t *testing.T) {
	b := newBed(t)
	c := mustDial(t, b.Origin, "")
	before := descriptors(t)
	n := 150
	if testing.Short() {
		n = 50
	}
	for i := range n {
		k := []string{"delay", "drop", "duplicate", "nat-forget", "reject"}[i%5]
		w := with{"delay": int64(1e6), "idle": int64(time.Minute), "side": "back"}
		if k == "reject" || k == "drop" {
			w["side"] = "front"
		}
		lift := b.inject(t, k, w)
		mustAsk(t, c, 500)
		lift()
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors were open and %d are", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}
