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

// held is a socket in a process's hand.
type held struct {
	socket
	pid, fd int
}

// processes are a process and all below it.
func processes(pid int) []int { return append([]int{pid}, pidfd.Descendants(pid)...) }

// socketsOf lists the TCP sockets that the processes hold. A process that ends
// meanwhile has none.
func socketsOf(pids []int) ([]held, error) {
	var out []held
	for _, pid := range pids {
		table, err := socketTable(pid)
		if err != nil {
			return nil, err
		}
		fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		for _, e := range fds {
			fd, _ := strconv.Atoi(e.Name())
			if s, ok := table[inodeOf(pid, fd)]; ok {
				out = append(out, held{s, pid, fd})
			}
		}
	}
	return out, nil
}

// socketTable has the sockets of the process's network namespace by inode.
func socketTable(pid int) (map[uint64]socket, error) {
	out := map[uint64]socket{}
	for _, name := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, name))
		if err != nil {
			continue // the process is gone, or the kernel has no IPv6
		}
		ss, err := parseSockets(string(text))
		if err != nil {
			return nil, err
		}
		for _, s := range ss {
			out[s.inode] = s
		}
	}
	return out, nil
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
		if s.state == listening {
			ports[s.local.Port()] = true
		}
	}
	var out []held
	for _, s := range all {
		live := s.state == established || s.state == closeWait
		if live && (side == front && ports[s.local.Port()] || side == back && s.peer == origin) {
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
