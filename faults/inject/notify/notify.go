package notify

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"
)

// ErrUnsupported is that this can't be had on this machine, or of this process.
var ErrUnsupported = errors.New("unsupported")

// Spec is which calls are answered, and how.
type Spec struct {
	Dest  netip.AddrPort // the destination; all others are let through
	Errno string         // of [Errnos]; empty: none, the call is let through after Delay
	Delay time.Duration  // before the answer; the calling thread waits
}

// Order begins a fault of a name, or lifts it.
type Order struct {
	Fault string
	Lift  bool
	Spec
}

// String says what a call gets.
func (s Spec) String() string {
	if s.Errno == "" {
		return fmt.Sprintf("connect to %v held for %v", s.Dest, s.Delay)
	}
	return fmt.Sprintf("connect to %v: %s", s.Dest, s.Errno)
}

// Errnos are the answers that a subject may be given, by name. EMFILE is none of
// connect(2)'s own; programs meet it from socket(2) a moment before.
var Errnos = map[string]syscall.Errno{
	"ECONNREFUSED": syscall.ECONNREFUSED, "ENETUNREACH": syscall.ENETUNREACH, "EHOSTUNREACH": syscall.EHOSTUNREACH,
	"ETIMEDOUT": syscall.ETIMEDOUT, "ECONNRESET": syscall.ECONNRESET, "EADDRNOTAVAIL": syscall.EADDRNOTAVAIL,
	"EACCES": syscall.EACCES, "EPERM": syscall.EPERM, "ENOBUFS": syscall.ENOBUFS, "EMFILE": syscall.EMFILE,
}

// destination reads a struct sockaddr as a process passes it (ip(7), ipv6(7)).
func destination(raw []byte) (netip.AddrPort, bool) {
	const inet, inet6 = 2, 10 // AF_INET, AF_INET6; the family is in the machine's order
	if len(raw) < 8 || raw[1] != 0 {
		return netip.AddrPort{}, false
	}
	port := uint16(raw[2])<<8 | uint16(raw[3])
	switch {
	case raw[0] == inet:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[4:8])), port), true
	case raw[0] == inet6 && len(raw) >= 24:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(raw[8:24])).Unmap(), port), true
	}
	return netip.AddrPort{}, false
}
