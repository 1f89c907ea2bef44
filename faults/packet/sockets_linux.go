package packet

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"faultbed/faults/room"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const hostSockets = "root, SOCK_DESTROY (CONFIG_INET_DIAG_DESTROY)"

// connected are the states in which a socket has a peer to lose: ESTABLISHED,
// SYN_SENT and CLOSE_WAIT (linux/tcp_states.h).
const connected = 1<<1 | 1<<2 | 1<<8

// probeSockets asks to abort a socket that does not exist: a kernel that can't abort
// says so, one that can finds none.
var probeSockets = sync.OnceValue(func() error {
	return elsewhere(func(ns *os.File) error {
		c, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, &netlink.Config{NetNS: int(ns.Fd())})
		if err != nil {
			return fmt.Errorf("sock_diag: %w", err)
		}
		defer c.Close()
		if err := abort(c, socket{family: unix.AF_INET}); err != nil {
			return fmt.Errorf("SOCK_DESTROY: %w", err)
		}
		return nil
	})
})

// abortSockets aborts the sockets whose packets go out on the ways and sees which
// are gone.
func abortSockets(t room.Target, ways []way) error {
	ns, err := namespace(t)
	if err != nil {
		return err
	}
	defer ns.Close()
	c, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, &netlink.Config{NetNS: int(ns.Fd())})
	if err != nil {
		return fmt.Errorf("sockets: %w", err)
	}
	defer c.Close()
	for _, w := range ways {
		before, err := socketsOn(c, w)
		if err != nil {
			return err
		}
		for _, s := range before {
			if err := abort(c, s); err != nil {
				return err
			}
		}
		after, err := socketsOn(c, w)
		if err != nil {
			return err
		}
		if n := missing(before, after); n > 0 {
			note(t, int64(n), "sockets", w.Name+": aborted")
		}
	}
	return nil
}

func missing(before, after []socket) (n int) {
	there := map[[48]byte]bool{}
	for _, s := range after {
		there[s.id] = true
	}
	for _, s := range before {
		if !there[s.id] {
			n++
		}
	}
	return n
}

// socketsOn lists connected sockets of a way, also those of IPv6 that speak IPv4.
func socketsOn(c *netlink.Conn, w way) (out []socket, err error) {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		found, err := c.Execute(netlink.Message{Header: netlink.Header{Type: unix.SOCK_DIAG_BY_FAMILY, Flags: netlink.Request | netlink.Dump},
			Data: socket{family: family}.request(connected)})
		if err != nil {
			return nil, fmt.Errorf("list sockets: %w", err)
		}
		for _, m := range found {
			if s, ok := socketOf(m.Data); ok && w.endpoints(s.local, s.peer) {
				out = append(out, s)
			}
		}
	}
	return out, nil
}

// abort aborts one; that it is gone already is no error.
func abort(c *netlink.Conn, s socket) error {
	_, err := c.Execute(netlink.Message{Header: netlink.Header{Type: unix.SOCK_DESTROY, Flags: netlink.Request | netlink.Acknowledge}, Data: s.request(connected)})
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("abort a socket: %w", err)
	}
	return nil
}
