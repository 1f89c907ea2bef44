package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	"faultbed/reports/history"
	"golang.org/x/sys/unix"
)

// TestSlowDial has a target whose queue is full, so that a dial waits for the
// kernel's second attempt; another that comes when there is room overtakes it.
func TestSlowDial(t *testing.T) {
	fd, addr := deaf(t)
	fill(t, addr)
	var l ledger
	r := listen(t, addr, &l)
	slow := dial(t, r.Addr())
	eventually(t, "a dial that waits", func() bool { return dialling(t, addr) })
	accept := func() bool {
		c, _, err := unix.Accept(fd)
		if err == nil {
			t.Cleanup(func() { unix.Close(c) })
		}
		return err == nil
	}
	for accept() {
	}
	quick := dial(t, r.Addr())
	eventually(t, "two connections", func() bool { accept(); return len(l.of(history.ConnOpen, "")) == 2 })
	opened := l.of(history.ConnOpen, "")
	if opened[0].Peer != quick.LocalAddr().String() || opened[1].Peer != slow.LocalAddr().String() {
		t.Errorf("opened %s and %s; %s is the quick one", opened[0].Peer, opened[1].Peer, quick.LocalAddr())
	}
}

// deaf is a listener with the shortest queue and nobody who accepts.
func deaf(t *testing.T) (fd int, addr string) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, fmt.Sprintf("127.0.0.1:%d", sa.(*unix.SockaddrInet4).Port)
}

func fill(t *testing.T, addr string) {
	for range 10 {
		c, err := net.DialTimeout("tcp", addr, silence)
		if err != nil {
			return
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("this kernel's queue does not fill")
}

// dialling tells whether a connection to addr is in state SYN_SENT.
func dialling(t *testing.T, addr string) bool {
	b, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Skip(err)
	}
	var port int
	fmt.Sscanf(addr, "127.0.0.1:%d", &port)
	return bytes.Contains(b, fmt.Appendf(nil, "0100007F:%04X 02 ", port))
}
