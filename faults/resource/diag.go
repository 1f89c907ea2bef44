package resource

import (
	"encoding/binary"
	"errors"
)

// queue is what the kernel says of a listener's accept queue.
type queue struct {
	length, waiting int
	drops           int64
}

// Numbers of linux/inet_diag.h and linux/sock_diag.h.
const (
	diagHeader  = 72 // struct inet_diag_msg
	diagWaiting = 56 // idiag_rqueue: of a listener, what waits
	diagLength  = 60 // idiag_wqueue: of a listener, its queue's length
	diagInode   = 68
	skMemInfo   = 7 // INET_DIAG_SKMEMINFO
	skDrops     = 8 // SK_MEMINFO_DROPS
)

// parseDiag reads one answer about a listener. The counter of drops is that of the
// TCP socket, also where the program's own is MPTCP above it, as Go's listeners are.
func parseDiag(b []byte) (inode uint64, q queue, err error) {
	if len(b) < diagHeader {
		return 0, queue{}, errors.New("inet_diag: a message is cut")
	}
	at := func(i int) uint32 { return binary.NativeEndian.Uint32(b[i:]) }
	q = queue{length: int(at(diagLength)), waiting: int(at(diagWaiting)), drops: -1}
	inode = uint64(at(diagInode))
	for b = b[diagHeader:]; len(b) >= 4; {
		n, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if n < 4 || n > len(b) {
			return 0, queue{}, errors.New("inet_diag: an attribute is cut")
		}
		if kind == skMemInfo && n >= 4+4*(skDrops+1) {
			q.drops = int64(binary.NativeEndian.Uint32(b[4+4*skDrops:]))
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	if q.drops < 0 {
		return 0, queue{}, errors.New("this kernel does not tell what a listener drops")
	}
	return inode, q, nil
}
