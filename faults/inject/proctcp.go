package inject

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// TCP states as the kernel numbers them (include/net/tcp_states.h).
const (
	established = 1
	closeWait   = 8
	listening   = 10
)

// socket is one line of /proc/PID/net/tcp or tcp6.
type socket struct {
	local, peer netip.AddrPort
	state       int
	inode       uint64
}

// parseSockets reads /proc/PID/net/tcp and tcp6 (proc(5)); sockets that no process
// holds (inode 0: TIME_WAIT, not yet accepted) are left out.
func parseSockets(text string) ([]socket, error) {
	var out []socket
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 10 || f[0] == "sl" {
			continue
		}
		s, err := parseSocket(f)
		if err != nil {
			return nil, fmt.Errorf("socket table: %q: %w", strings.TrimSpace(line), err)
		}
		if s.inode != 0 {
			out = append(out, s)
		}
	}
	return out, nil
}

func parseSocket(f []string) (s socket, err error) {
	if s.local, err = parseAddr(f[1]); err != nil {
		return s, err
	}
	if s.peer, err = parseAddr(f[2]); err != nil {
		return s, err
	}
	state, err := strconv.ParseUint(f[3], 16, 8)
	if err != nil {
		return s, err
	}
	s.state = int(state)
	s.inode, err = strconv.ParseUint(f[9], 10, 64)
	return s, err
}

// parseAddr reads "0100007F:1F90": 32-bit words in this machine's byte order,
// which is little-endian wherever faultbed runs, and the port in hexadecimal.
func parseAddr(s string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for i := 0; i+4 <= len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(raw)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", host)
	}
	p, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(addr.Unmap(), uint16(p)), err
}
