package notify

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"faultbed/faults/inject/line"
)

const victimEnv = "FAULTBED_NOTIFY_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victimEnv) != "" {
		victim()
		return
	}
	os.Exit(m.Run())
}

// victim dials each address of its input and prints the errno's number, 0 if none.
func victim() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		c, err := net.Dial("tcp", in.Text())
		var errno syscall.Errno
		if err == nil {
			c.Close()
		} else if !errors.As(err, &errno) {
			errno = 9999
		}
		fmt.Println(int(errno))
	}
}

const pythonVictim = `
import socket, sys
for line in sys.stdin:
    host, port = line.strip().split(":")
    s = socket.socket()
    print(s.connect_ex((host, int(port))), flush=True)
    s.close()
`

func listen(t *testing.T) netip.AddrPort {
	t.Helper()
	for range 50 {
		l, err := net.Listen("tcp4", fmt.Sprintf("127.%d.%d.%d:%d", 1+rand.N(250), rand.N(250), 1+rand.N(250), 10000+rand.N(20000)))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
		return netip.MustParseAddrPort(l.Addr().String())
	}
	t.Fatal("no address is free")
	return netip.AddrPort{}
}

// dialler is a process that dials on demand, and the supervisor of its calls.
type dialler struct {
	*exec.Cmd
	in     io.Writer
	out    *bufio.Reader
	orders chan Order
	lines  chan line.Line
	ended  chan error
}

func begin(t *testing.T, cmd *exec.Cmd) *dialler {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	d := &dialler{cmd, in, bufio.NewReader(out), make(chan Order), make(chan line.Line, 100), make(chan error, 1)}
	d.dial(t, listen(t), 0) // it is up
	go func() {
		d.ended <- Supervise([]int{cmd.Process.Pid}, d.orders, func(l line.Line) { d.lines <- l })
	}()
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return d
}

func (d *dialler) dial(t *testing.T, to netip.AddrPort, want syscall.Errno) (took time.Duration) {
	t.Helper()
	begun := time.Now()
	fmt.Fprintln(d.in, to)
	got, err := d.out.ReadString('\n')
	if err != nil || strings.TrimSpace(got) != fmt.Sprint(int(want)) {
		t.Errorf("dial %v: errno %q, %v; want %d (%v)", to, got, err, int(want), want)
	}
	return time.Since(begun)
}

// order gives an order and awaits that it is carried out.
func (d *dialler) order(t *testing.T, o Order) {
	t.Helper()
	select {
	case d.orders <- o:
	case l := <-d.lines:
		if l.Event == line.Fired { // Go dials again after EADDRNOTAVAIL
			d.order(t, o)
			return
		}
		if strings.Contains(l.Why, "not permitted") {
			t.Skip(l.Why)
		}
		t.Fatalf("it said %+v", l)
	}
	want := line.Ready
	if o.Lift {
		want = line.Detached
	}
	d.await(t, want, o.Fault)
}

func (d *dialler) await(t *testing.T, event, fault string) line.Line {
	t.Helper()
	select {
	case l := <-d.lines:
		if event == line.Detached && l.Event == line.Fired {
			return d.await(t, event, fault)
		}
		if l.Event != event || l.Fault != fault {
			t.Fatalf("it said %+v, not %s of %s", l, event, fault)
		}
		return l
	case <-time.After(10 * time.Second):
		t.Fatalf("no %s of %s", event, fault)
	}
	return line.Line{}
}

func TestSupervise(t *testing.T) {
	ours := exec.Command(os.Args[0])
	ours.Env = append(os.Environ(), victimEnv+"=1")
	for name, cmd := range map[string]*exec.Cmd{"go": ours, "python": exec.Command("/usr/bin/python3", "-c", pythonVictim)} {
		t.Run(name, func(t *testing.T) {
			d := begin(t, cmd)
			meant, other := listen(t), listen(t)
			for name, errno := range Errnos {
				d.order(t, Order{Fault: name, Spec: Spec{Dest: meant, Errno: name}})
				d.dial(t, meant, errno)
				d.await(t, line.Fired, name)
				d.dial(t, other, 0)
				d.order(t, Order{Fault: name, Lift: true})
				d.dial(t, meant, 0)
			}
			const delay = 150 * time.Millisecond
			d.order(t, Order{Fault: "a", Spec: Spec{Dest: meant, Delay: delay}})
			d.order(t, Order{Fault: "b", Spec: Spec{Dest: other, Errno: "EPERM"}}) // two at once
			if took := d.dial(t, meant, 0); took < delay {
				t.Errorf("it took %v", took)
			}
			d.await(t, line.Fired, "a")
			d.dial(t, other, syscall.EPERM)
			d.await(t, line.Fired, "b")
			close(d.orders) // lifts all
			d.await(t, line.Detached, "a")
			d.await(t, line.Detached, "b")
			d.dial(t, other, 0)
			d.Process.Kill()
			if err := <-d.ended; err != nil { // only with the process
				t.Error(err)
			}
		})
	}
}

// TestLiftedWhileWaiting: a call that waits is let through at once.
func TestLiftedWhileWaiting(t *testing.T) {
	d := begin(t, exec.Command("/usr/bin/python3", "-c", pythonVictim))
	meant := listen(t)
	d.order(t, Order{Fault: "a", Spec: Spec{Dest: meant, Errno: "EPERM", Delay: time.Hour}})
	fmt.Fprintln(d.in, meant)
	time.Sleep(50 * time.Millisecond)
	d.order(t, Order{Fault: "a", Lift: true})
	if got, err := d.out.ReadString('\n'); got != "0\n" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	close(d.orders)
}
