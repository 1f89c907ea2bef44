package resource

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// States of a TCP socket in /proc/net/tcp (include/net/tcp_states.h).
const (
	established = 1
	listening   = 10
)

// socket is a line of /proc/net/tcp or tcp6.
type socket struct {
	local, remote netip.AddrPort
	state         int
	inode         uint64 // 0: no process has it: not yet accepted, or closed already
}

// sockets are the TCP sockets of the network namespace that a process is in.
func sockets(pid int) ([]socket, error) {
	var out []socket
	for _, name := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, name))
		if err != nil && name == "tcp" {
			return nil, err
		}
		out = append(out, parseSockets(string(b))...)
	}
	return out, nil
}

// parseSockets reads /proc/net/tcp, IPv4 in IPv6 as IPv4; what is no socket's line
// is left out.
func parseSockets(table string) (out []socket) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || !strings.HasSuffix(f[0], ":") {
			continue
		}
		local, ok1 := parseAddr(f[1])
		remote, ok2 := parseAddr(f[2])
		state, err1 := strconv.ParseUint(f[3], 16, 8)
		inode, err2 := strconv.ParseUint(f[9], 10, 64)
		if ok1 && ok2 && err1 == nil && err2 == nil {
			out = append(out, socket{local, remote, int(state), inode})
		}
	}
	return out
}

// parseAddr reads "0100007F:1F90": words of the address in the machine's order of
// bytes, the port as it is written.
func parseAddr(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	p, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || len(host) != 8 && len(host) != 32 {
		return netip.AddrPort{}, false
	}
	var raw []byte
	for word := range slices.Chunk([]byte(host), 8) {
		n, err := strconv.ParseUint(string(word), 16, 32)
		if err != nil {
			return netip.AddrPort{}, false
		}
		raw = binary.NativeEndian.AppendUint32(raw, uint32(n))
	}
	ip, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip.Unmap(), uint16(p)), true
}

// serves tells whether a socket belongs to the listener at addr: is it, or came of it.
func (s socket) serves(addr netip.AddrPort) bool {
	return s.local == addr || s.local.Port() == addr.Port() && s.state == listening && s.local.Addr().IsUnspecified()
}

// waiting are the clients of the listener at addr whose connections the subject has
// not accepted: they are established, and no process has them.
func waiting(ss []socket, addr netip.AddrPort) (out []netip.AddrPort) {
	for _, s := range ss {
		if s.local == addr && s.state == established && s.inode == 0 {
			out = append(out, s.remote)
		}
	}
	return out
}
