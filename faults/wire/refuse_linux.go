package wire

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// deafen ends listening without giving the port away: shutdown of a listening
// socket leaves it bound, and listen(2) works on it again (Linux only).
func deafen(ln *net.TCPListener) error {
	return control(ln, func(fd int) error { return unix.Shutdown(fd, unix.SHUT_RD) })
}

func listenAgain(ln *net.TCPListener) error {
	return control(ln, func(fd int) error { return unix.Listen(fd, unix.SOMAXCONN) })
}

func control(ln *net.TCPListener, f func(fd int) error) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := raw.Control(func(fd uintptr) { done = f(int(fd)) }); err != nil {
		return err
	}
	return done
}

// synSocket gets a copy of every SYN that comes for a port.
func synSocket(port int) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, fmt.Errorf("counting what is refused needs CAP_NET_RAW (origin.down does not): %w", err)
	}
	filter := synFilter(uint32(port))
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("counting what is refused: %w", err)
	}
	return os.NewFile(uintptr(fd), "syn"), nil
}

// synFilter takes TCP packets with SYN and without ACK for a port.
func synFilter(port uint32) []unix.SockFilter {
	const keep = 255 // bytes of it
	return []unix.SockFilter{
		{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: 0}, // X = length of the IP header
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_IND, K: 2},  // destination port
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: port, Jf: 4},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: 13}, // flags
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x12},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x02, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: keep},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
}

// synRead reads what is there and tells whether more is to be waited for. Its
// first look is without waiting, so that a lift leaves nothing uncounted.
func synRead(f *os.File, ln *net.TCPListener, note func(peer string)) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	buf := make([]byte, 256)
	drain := func(fd uintptr) bool {
		got := false
		for {
			n, _, err := unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
			if err != nil {
				return got
			}
			if peer, ok := synFrom(buf[:n], ln.Addr().(*net.TCPAddr)); ok {
				note(peer)
			}
			got = true
		}
	}
	err = raw.Read(drain)
	if err != nil { // lifted, or the relay is closed
		raw.Control(func(fd uintptr) { drain(fd) })
	}
	return err == nil
}

// synFrom is who sent a SYN to the address; packets from before the filter was
// attached may be others.
func synFrom(b []byte, to *net.TCPAddr) (peer string, ok bool) {
	if len(b) < 20 || len(b) < int(b[0]&15)*4+14 {
		return "", false
	}
	tcp := b[int(b[0]&15)*4:]
	dst := netip.AddrFrom4([4]byte(b[16:20]))
	at := to.AddrPort().Addr().Unmap()
	if int(tcp[2])<<8|int(tcp[3]) != to.Port || tcp[13]&0x12 != 0x02 || !at.IsUnspecified() && at != dst {
		return "", false
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:16])), uint16(tcp[0])<<8|uint16(tcp[1])).String(), true
}
