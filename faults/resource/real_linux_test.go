package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"faultbed/faults/room"
	"faultbed/reports/history"
	"golang.org/x/sys/unix"
)

const patience = 15 * time.Second

// bed is a fault's view of a subject that the test made.
type bed struct {
	room.Target
	t  *testing.T
	mu sync.Mutex
	n  int64
}

// newBed is a run of its own, which lives as long as the test: faultbed clean, run
// meanwhile, must leave its things alone.
func newBed(t *testing.T, k room.Kind, pid int) *bed {
	t.Helper()
	if err := k.Probe(); err != nil {
		t.Skip(err)
	}
	b := &bed{t: t}
	run := fmt.Sprintf("20200102-030405-%08x", rand.Uint32())
	b.Target = room.Target{Fault: "f1", Run: run, Node: "subject-0", PID: pid, Note: func(e history.Event) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.n += e.Count
	}}
	f, err := os.Create("/tmp/faultbed-" + run + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ls, err := Cleaner.Leftovers(context.Background())
		for _, l := range ls {
			if l.Run == run {
				t.Errorf("left: %+v", l)
				err = Cleaner.Remove(context.Background(), l)
			}
		}
		if err != nil {
			t.Error(err)
		}
		os.Remove(f.Name())
		f.Close()
	})
	return b
}

func (b *bed) bites() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n
}

// inject begins the fault; it is lifted by the function that it returns, or in the end.
func (b *bed) inject(k room.Kind, with string) (lift func()) {
	b.t.Helper()
	a, err := k.Inject(b.t.Context(), b.Target, json.RawMessage(with))
	if err != nil {
		b.t.Fatal(err)
	}
	lift = sync.OnceFunc(func() {
		if err := a.Lift(context.Background()); err != nil {
			b.t.Errorf("lift: %v", err)
		}
	})
	b.t.Cleanup(lift)
	return lift
}

func (b *bed) await(what string, ok func() bool) {
	b.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// start runs a shell script as the subject, as a user if one is given.
func start(t *testing.T, script string, uid uint32) *exec.Cmd {
	t.Helper()
	c := exec.Command("/bin/sh", "-c", script)
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if uid != 0 {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
	}
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		c.Wait()
	})
	return c
}

func cgroupFile(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return string(b)
}

func TestCPUThrottles(t *testing.T) {
	c := start(t, "while :; do :; done", 0)
	b := newBed(t, cpu, c.Process.Pid)
	before := cgroupFile(c.Process.Pid)
	lift := b.inject(cpu, `{"percent":10}`)
	if now := cgroupFile(c.Process.Pid); !strings.Contains(now, mark(b.Target)) {
		t.Errorf("it is in %s", now)
	}
	b.await("throttled", func() bool { return b.bites() > 0 })
	lift()
	if now := cgroupFile(c.Process.Pid); now != before {
		t.Errorf("it was in %s and is in %s", before, now)
	}
}

func TestMemoryKills(t *testing.T) {
	c := start(t, "while :; do sleep 0.1; done", 0)
	b := newBed(t, memory, c.Process.Pid)
	if _, err := exec.LookPath("tail"); err != nil {
		t.Skip(err)
	}
	lift := b.inject(memory, `{"headroom":4096000,"squeeze":"yes"}`)
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	select {
	case err := <-done:
		if ws := c.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGKILL {
			t.Errorf("it ended by %v", err)
		}
	case <-time.After(patience):
		t.Error("it lives")
	}
	lift()
	if b.bites() == 0 {
		t.Error("no bite")
	}
}

func TestPIDsRefuse(t *testing.T) {
	c := start(t, "while :; do sleep 0.1 & sleep 0.1 & sleep 0.1 & sleep 0.1; done", 0)
	b := newBed(t, pids, c.Process.Pid)
	lift := b.inject(pids, `{"headroom":0}`)
	b.await("refused", func() bool { return b.bites() > 0 })
	lift()
}

// TestLimitOfOthers changes limits of a process of another user, as nginx's workers
// are: without CAP_SYS_RESOURCE root needs to be that user.
func TestLimitOfOthers(t *testing.T) {
	if err := root(); err != nil {
		t.Skip(err)
	}
	c := start(t, "sleep 60 & wait", 65534)
	b := newBed(t, fdLimit, c.Process.Pid)
	b.Addr = "127.0.0.1:1"
	was, err := softLimit(c.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	lift := b.inject(fdLimit, `{"headroom":2}`)
	open, _ := files(c.Process.Pid)
	if is, err := softLimit(c.Process.Pid); err != nil || is != uint64(limitFor(open, 2)) {
		t.Errorf("the limit is %d, %v, with %v open", is, err, open)
	}
	if os.Getuid() != 0 {
		t.Error("this process changed its own user")
	}
	lift()
	if is, err := softLimit(c.Process.Pid); err != nil || is != was {
		t.Errorf("the limit is %d, %v, and was %d", is, err, was)
	}
	if _, err := fdLimit.Inject(t.Context(), b.Target, json.RawMessage(fmt.Sprintf(`{"files":%d}`, was+1))); err == nil {
		t.Error("it raised a limit")
	}
}

// loopback is a listener at an address of its own.
func loopback(t *testing.T) *net.TCPListener {
	t.Helper()
	for range 50 {
		ip := net.IPv4(127, byte(200+rand.IntN(50)), byte(rand.IntN(256)), byte(1+rand.IntN(250)))
		ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ip, Port: 10000 + rand.IntN(20000)})
		if err == nil {
			t.Cleanup(func() { ln.Close() })
			return ln
		}
	}
	t.Skip("no loopback address is free")
	return nil
}

// TestFilesRunOut holds a server that is none of ours to a limit.
func TestFilesRunOut(t *testing.T) {
	python, err := exec.LookPath("/usr/bin/python3")
	if err != nil {
		t.Skip(err)
	}
	ln := loopback(t)
	addr := ln.Addr().(*net.TCPAddr)
	ln.Close()
	server := fmt.Sprintf("exec %s -c '\nimport socket,time\ns=socket.create_server((\"%s\",%d),backlog=50)\nk=[]\nwhile 1:\n  try: k.append(s.accept())\n  except OSError: time.sleep(0.05)\n'", python, addr.IP, addr.Port)
	c := start(t, server, 0)
	b := newBed(t, fdLimit, c.Process.Pid)
	b.Addr = addr.String()
	dial := func() bool {
		conn, err := net.DialTimeout("tcp", b.Addr, time.Second)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
		}
		return err == nil
	}
	b.await("the server listens", dial)
	lift := b.inject(fdLimit, `{"headroom":2}`)
	for range 9 {
		dial()
	}
	b.await("connections wait", func() bool { return b.bites() >= 5 }) // of 7, less what was open for a moment as the limit was set
	lift()
	b.await("none waits any more", func() bool {
		ss, err := sockets(c.Process.Pid)
		return err == nil && len(waiting(ss, netip.MustParseAddrPort(b.Addr))) == 0
	})
	if n := b.bites(); n > 8 { // the first client may have been accepted late
		t.Errorf("%d bites, want 7: nine clients, two places", n)
	}
}

func TestBacklogOverflows(t *testing.T) {
	ln := loopback(t) // MPTCP, as Go's are: the drops are counted below it
	b := newBed(t, backlog, os.Getpid())
	b.Addr = ln.Addr().String()
	ls, err := listenersOf(b.Target)
	if err != nil {
		t.Fatal(err)
	}
	if ls.diag, err = openDiag(room.Target{PID: os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	defer ls.diag.close()
	length := func() int {
		qs, err := ls.diag.queues()
		if err != nil {
			t.Fatal(err)
		}
		return qs[ls.all[0].inode].length
	}
	was := length()
	lift := b.inject(backlog, `{"length":1}`)
	if n := length(); n != 1 || was <= 1 {
		t.Errorf("a queue of %d has length %d", was, n)
	}
	for range 6 { // nobody accepts: two wait, the others are dropped
		d := net.Dialer{Timeout: 50 * time.Millisecond}
		if c, err := d.Dial("tcp4", b.Addr); err == nil {
			t.Cleanup(func() { c.Close() })
		}
	}
	b.await("dropped", func() bool { return b.bites() > 0 })
	lift()
	if n := length(); n != was {
		t.Errorf("the queue has length %d and had %d", n, was)
	}
}

// TestBacklogOfTheDead lifts after the listener is closed.
func TestBacklogOfTheDead(t *testing.T) {
	ln := loopback(t)
	b := newBed(t, backlog, os.Getpid())
	b.Addr = ln.Addr().String()
	lift := b.inject(backlog, `{"length":0}`)
	ln.Close()
	if c, err := net.DialTimeout("tcp", b.Addr, time.Second); err == nil {
		c.Close()
		t.Error("the fault holds the listener open")
	}
	lift()
}

func TestPortsRunOut(t *testing.T) {
	if err := root(); err != nil {
		t.Skip(err)
	}
	c := exec.Command("/bin/sleep", "60")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	b := newBed(t, ports, c.Process.Pid)
	b.Origin = "127.0.0.1:9000"
	ns, err := enterNet(b.Target)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.close()
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	open := func() (fd int, err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		fds = append(fds, fd)
		return fd, err
	}
	origin := &unix.SockaddrInet4{Port: 9000, Addr: [4]byte{127, 0, 0, 1}}
	if err := ns.within(func() error {
		fd, err := open()
		if err != nil {
			return err
		}
		ifr, _ := unix.NewIfreq("lo")
		ifr.SetUint16(unix.IFF_UP)
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
			return err
		}
		if err := unix.Bind(fd, origin); err != nil {
			return err
		}
		return unix.Listen(fd, 50)
	}); err != nil {
		t.Fatal(err)
	}
	before, lift := rangeIn(t, ns), b.inject(ports, `{"ports":4}`)
	n, last := 0, error(nil)
	ns.within(func() error {
		for ; n < 10 && last == nil; n++ {
			fd, err := open()
			if err != nil {
				return err
			}
			last = unix.Connect(fd, origin)
		}
		return nil
	})
	if n != 5 || last != unix.EADDRNOTAVAIL {
		t.Errorf("connect %d of those to the origin said %v, want the fifth to have no port", n, last)
	}
	b.await("a bite", func() bool { return b.bites() > 0 })
	if now := rangeIn(t, ns); now == before {
		t.Errorf("the range is %s", now)
	}
	lift()
	if now := rangeIn(t, ns); now != before {
		t.Errorf("the range is %s and was %s", now, before)
	}
}

func rangeIn(t *testing.T, ns *netns) (s string) {
	t.Helper()
	if err := ns.within(func() error {
		b, err := os.ReadFile(rangeFile)
		s = string(b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return s
}
