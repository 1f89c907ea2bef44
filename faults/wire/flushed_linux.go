package wire

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// flushed waits, at most for limit, until the peer has acknowledged every byte
// that was written.
func flushed(c *net.TCPConn, limit time.Duration) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(time.Millisecond) {
		left := 0
		if err := raw.Control(func(fd uintptr) { left, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil || left == 0 {
			return
		}
	}
}
