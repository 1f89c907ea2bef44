package resource

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"faultbed/faults/apart"
	"faultbed/faults/room"
	"golang.org/x/sys/unix"
)

// netns is the network namespace of a process. It lives on while it is open.
type netns struct{ f *os.File }

func enterNet(t room.Target) (*netns, error) {
	f, err := apart.Namespace(t.PID, "net", t.Container != "")
	if err != nil {
		return nil, err
	}
	return &netns{f}, nil
}

func (n *netns) close() error { return n.f.Close() }

// within runs f on a thread that has entered the namespace. The thread ends with f,
// so that nothing else ever runs there.
func (n *netns) within(f func() error) error {
	return apart.Run(func() error {
		if err := unix.Setns(int(n.f.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the subject's network namespace: %w", err)
		}
		return f()
	})
}

// errNoPort is a connect for which the kernel has no ephemeral port.
var errNoPort = errors.New("no port is left")

// tryConnect begins a connection to an address and gives it up.
func tryConnect(to netip.AddrPort) error {
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()})
	if to.Addr().Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return err
	}
	if err := unix.Connect(fd, sa); errors.Is(err, unix.EADDRNOTAVAIL) {
		return errNoPort
	}
	return nil
}
