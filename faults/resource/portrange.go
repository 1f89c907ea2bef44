package resource

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
)

const rangeFile = "/proc/sys/net/ipv4/ip_local_port_range"

// portRange is the ephemeral ports of a subject's network namespace.
type portRange struct {
	net    *netns
	pid    int
	origin netip.AddrPort

	was     string
	now     atomic.Pointer[span] // nil until it is shrunk
	refused int64
}

func (r *portRange) shrink(n int) error {
	ss, err := sockets(r.pid)
	if err != nil {
		return err
	}
	used := map[uint16]bool{}
	for _, s := range ss {
		used[s.local.Port()] = true
	}
	return r.net.within(func() error {
		b, err := os.ReadFile(rangeFile)
		if err != nil {
			return err
		}
		var all span
		if _, err := fmt.Sscan(string(b), &all.low, &all.high); err != nil {
			return fmt.Errorf("%s: %w", rangeFile, err)
		}
		few, err := choose(all, n, used)
		if err != nil {
			return err
		}
		r.was = fields(string(b))
		r.now.Store(&few)
		return setRange(fmt.Sprint(few.low, " ", few.high))
	})
}

func (r *portRange) restore() error {
	if r.was == "" {
		return nil
	}
	return r.net.within(func() error { return setRange(r.was) })
}

// setRange writes the range and reads it back.
func setRange(s string) error {
	if err := os.WriteFile(rangeFile, []byte(s), 0); err != nil {
		return err
	}
	b, err := os.ReadFile(rangeFile)
	if err == nil && fields(string(b)) != s {
		err = fmt.Errorf("%s is %s, not %s", rangeFile, fields(string(b)), s)
	}
	return err
}

func fields(s string) string { return strings.Join(strings.Fields(s), " ") }

// look tries a connect of its own whenever no port seems left, and counts those that
// the kernel refuses for it. One that succeeds after all is reset at once, so that it
// takes no port away for the time that TIME_WAIT lasts.
func (r *portRange) look() (int64, string, error) {
	few := r.now.Load()
	if few == nil {
		return 0, "", nil
	}
	ss, err := sockets(r.pid)
	if err != nil {
		return 0, "", err
	}
	n := few.taken(ss, r.origin)
	if n >= few.size() && r.net.within(func() error { return tryConnect(r.origin) }) == errNoPort {
		r.refused++
	}
	return r.refused, fmt.Sprintf("%d of ports %d to %d in use towards %s", n, few.low, few.high, r.origin), nil
}
