package resource

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"faultbed/faults/room"
	"golang.org/x/sys/unix"
)

// diag asks the kernel about the listeners of a network namespace (sock_diag(7)).
type diag struct {
	mu sync.Mutex // one dump at a time: the answers to two would be mixed
	fd int
}

func openDiag(t room.Target) (*diag, error) {
	ns, err := enterNet(t)
	if err != nil {
		return nil, err
	}
	defer ns.close()
	d := &diag{}
	return d, ns.within(func() (err error) {
		d.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
		if err != nil {
			return fmt.Errorf("inet_diag: %w", err)
		}
		return unix.SetsockoptTimeval(d.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2})
	})
}

func (d *diag) close() { unix.Close(d.fd) }

// queues are the accept queues of all listeners, by the socket's inode.
func (d *diag) queues() (map[uint64]queue, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[uint64]queue{}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if err := d.dump(family, out); err != nil {
			return nil, fmt.Errorf("inet_diag: %w", err)
		}
	}
	return out, nil
}

func (d *diag) dump(family byte, into map[uint64]queue) error {
	req := make([]byte, 16+56) // nlmsghdr, inet_diag_req_v2
	const byFamily = 20        // SOCK_DIAG_BY_FAMILY
	order := binary.NativeEndian
	order.PutUint32(req[0:], uint32(len(req)))
	order.PutUint16(req[4:], byFamily)
	order.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	req[16], req[17], req[18] = family, unix.IPPROTO_TCP, 1<<(skMemInfo-1)
	order.PutUint32(req[20:], 1<<listening)
	if err := unix.Sendto(d.fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(d.fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if end, err := answers(buf[:n], into); end || err != nil {
			return err
		}
	}
}

// answers reads the messages of one datagram; end is the dump's.
func answers(b []byte, into map[uint64]queue) (end bool, err error) {
	ms, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return false, err
	}
	for _, m := range ms {
		switch m.Header.Type {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			return true, refused(m.Data)
		}
		inode, q, err := parseDiag(m.Data)
		if err != nil {
			return true, err
		}
		into[inode] = q
	}
	return false, nil
}

// refused is the error that a message of the kernel's holds.
func refused(b []byte) error {
	if len(b) < 4 {
		return errors.New("an error is cut")
	}
	return syscall.Errno(-int32(binary.NativeEndian.Uint32(b)))
}
