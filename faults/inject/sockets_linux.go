package inject

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"faultbed/proxy/pidfd"
	"golang.org/x/sys/unix"
)

// TCP states as the kernel numbers them (include/net/tcp_states.h).
const (
	established = 1
	closeWait   = 8
)

// socket is what does not change about one that listens or is connected. Other
// sockets than TCP's have no address.
type socket struct {
	local, peer netip.AddrPort
	listens     bool
}

// held is a socket in a process's hand.
type held struct {
	socket
	pid, fd int
	inode   uint64
}

// sockets are those of some processes. Each is looked at once, by a copy that is
// closed at once: while there is one, the kernel would not carry out a close of the
// process's own. (/proc/PID/net/tcp needs none, but goes through every hash bucket of
// the machine.)
type sockets struct {
	known map[uint64]socket // by inode
}

// processes are a process and all below it.
func processes(pid int) []int { return append([]int{pid}, pidfd.Descendants(pid)...) }

// of lists the TCP sockets that the processes hold now. A process that ends meanwhile
// has none. The error is that descriptors can't be copied.
func (s *sockets) of(pids []int) (out []held, err error) {
	for _, pid := range pids {
		fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		for _, e := range fds {
			fd, _ := strconv.Atoi(e.Name())
			h := held{pid: pid, fd: fd, inode: inodeOf(pid, fd)}
			if h.inode == 0 {
				continue
			}
			var known bool
			if h.socket, known = s.known[h.inode]; !known {
				if h.socket, known, err = h.look(); err != nil {
					return nil, err
				}
			}
			if known {
				s.known[h.inode] = h.socket
			}
			if h.local.IsValid() {
				out = append(out, h)
			}
		}
	}
	return out, nil
}

// look learns what a socket is; false if it is to be looked at again.
func (h held) look() (socket, bool, error) {
	fd, err := h.take()
	if err == unix.EPERM {
		return socket{}, false, fmt.Errorf("pidfd_getfd of %d: %w", h.pid, err)
	}
	if err != nil {
		return socket{}, false, nil // it was closed meanwhile
	}
	defer unix.Close(fd)
	// Go programs listen on MPTCP sockets (since 1.24), and accept TCP's on them.
	if p, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL); err != nil || p != unix.IPPROTO_TCP && p != unix.IPPROTO_MPTCP {
		return socket{}, true, nil
	}
	local, err := unix.Getsockname(fd)
	if err != nil {
		return socket{}, false, nil
	}
	if on, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); on == 1 {
		return socket{local: addrPort(local), listens: true}, true, nil
	}
	peer, err := unix.Getpeername(fd)
	if err != nil {
		return socket{}, false, nil // not connected yet, or no more
	}
	return socket{local: addrPort(local), peer: addrPort(peer)}, true, nil
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// inodeOf is the inode of a process's descriptor if it is a socket, else 0.
func inodeOf(pid, fd int) uint64 {
	link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
	s, ok := strings.CutPrefix(link, "socket:[")
	if !ok {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSuffix(s, "]"), 10, 64)
	return n
}

// sideOf sorts connections: front ones came in at a port on which the subject
// listens, back ones lead to its origin.
func sideOf(all []held, side string, origin netip.AddrPort) []held {
	ports := map[uint16]bool{}
	for _, s := range all {
		if s.listens {
			ports[s.local.Port()] = true
		}
	}
	var out []held
	for _, s := range all {
		if !s.listens && (side == front && ports[s.local.Port()] || side == back && s.peer == origin) {
			out = append(out, s)
		}
	}
	return out
}

// take is a copy of the process's descriptor, if that is still the socket.
func (h held) take() (int, error) {
	p, err := unix.PidfdOpen(h.pid, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(p)
	fd, err := unix.PidfdGetfd(p, h.fd, 0)
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Ino != h.inode {
		unix.Close(fd)
		return -1, unix.EBADF
	}
	return fd, nil
}
