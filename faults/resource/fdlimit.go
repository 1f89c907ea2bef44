package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"faultbed/faults/param"
	"faultbed/faults/room"
	"faultbed/proxy/pidfd"
)

// fdLimit lowers the soft limit only: a hard one can't be raised again without
// CAP_SYS_RESOURCE (setrlimit(2)). A server whose accept fails with EMFILE leaves
// its clients where the kernel put them, in the listener's queue; that shows in
// /proc and is what bites are.
var fdLimit = room.Kind{
	Name: "fd-limit", Sentence: "lowers how many files each of the subject's processes may have open (soft RLIMIT_NOFILE)",
	Touches: "connections", Lifts: true, Alone: true,
	Bites: "one connection that stayed unaccepted from one look to the next (20 ms) while no descriptor below the limit was free, or was within the last second",
	Host:  "root",
	Params: []param.Param{
		{Name: "files", Type: param.Int, Max: 1 << 20, Default: int64(0), Doc: "the limit, unless it is 0: it bounds the number of a new descriptor, so holes below it stay usable"},
		{Name: "headroom", Type: param.Int, Min: 0, Max: 1 << 20, Unless: "files", Doc: "so many more than are open at that moment, for each process"},
	},
	Probe: root,
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var w fdWith
		if err := json.Unmarshal(with, &w); err != nil {
			return nil, err
		}
		if t.PID <= 0 {
			return nil, errNoProcess
		}
		addr, err := netip.ParseAddrPort(t.Addr)
		if err != nil {
			return nil, fmt.Errorf("the subject's listener: %w", err)
		}
		l := &fdLimits{pid: t.PID, addr: addr, was: map[int]uint64{}, set: map[int]uint64{}, bitten: map[netip.AddrPort]bool{}}
		if err := l.lower(w); err != nil {
			return nil, errors.Join(err, l.restore())
		}
		stop, err := watch(t, "connections", l.look)
		if err != nil {
			return nil, errors.Join(err, l.restore())
		}
		return room.LiftFunc(func(context.Context) error { stop(); return l.restore() }), nil
	},
}

type fdWith struct{ Files, Headroom int }

// fdLimits are the limits of one subject's processes.
type fdLimits struct {
	pid      int
	addr     netip.AddrPort
	was, set map[int]uint64 // soft limits by process

	who    int              // the process that was at its limit last,
	when   time.Time        // and when
	before []netip.AddrPort // clients that waited at the last look
	bitten map[netip.AddrPort]bool
}

func (l *fdLimits) processes() []int { return append([]int{l.pid}, pidfd.Descendants(l.pid)...) }

func (l *fdLimits) lower(w fdWith) error {
	for _, pid := range l.processes() {
		open, err := files(pid)
		if gone(err) && pid != l.pid {
			continue
		}
		if err != nil {
			return err
		}
		n := uint64(w.Files)
		if n == 0 {
			n = uint64(limitFor(open, w.Headroom))
		}
		was, err := softLimit(pid)
		if err == nil && n > was {
			err = fmt.Errorf("process %d may have %d files open: %d is not lower", pid, was, n)
		}
		if err == nil {
			l.was[pid], l.set[pid] = was, n
			err = setSoftLimit(pid, n)
		}
		if err != nil && !gone(err) {
			return err
		}
	}
	return nil
}

// backOff is how long servers accept nothing after EMFILE, be a descriptor free
// meanwhile or not: net/http and asyncio up to 1 s, nginx 0.5 s.
const backOff = time.Second

// look counts the connections that were found waiting twice in a row while a
// process that could have accepted them had no free descriptor, or had none just
// before and waits.
func (l *fdLimits) look() (int64, string, error) {
	if who := l.exhausted(); who != 0 {
		l.who, l.when = who, time.Now()
	}
	ss, err := sockets(l.pid)
	if err != nil {
		return 0, "", err
	}
	now := waiting(ss, l.addr)
	if time.Since(l.when) > backOff {
		now = nil
	}
	for _, c := range l.before {
		if slices.Contains(now, c) {
			l.bitten[c] = true
		}
	}
	l.before = now
	return int64(len(l.bitten)), fmt.Sprintf("process %d had no descriptor free below its limit of %d", l.who, l.set[l.who]), nil
}

// exhausted is a process at its limit, or 0. A master that has workers is none: they
// accept.
func (l *fdLimits) exhausted() int {
	for _, pid := range l.processes() {
		limit, known := l.set[pid]
		open, err := files(pid)
		if known && err == nil && len(pidfd.Children(pid)) == 0 && full(open, int(limit)) {
			return pid
		}
	}
	return 0
}

// restore raises the limits again, also of processes that were born under them.
func (l *fdLimits) restore() error {
	var errs []error
	for pid, was := range l.was {
		errs = append(errs, raise(pid, was))
	}
	for _, pid := range l.processes() {
		if _, known := l.was[pid]; known {
			continue
		}
		if n, err := softLimit(pid); err == nil && n == l.set[l.pid] {
			errs = append(errs, raise(pid, l.was[l.pid]))
		}
	}
	return errors.Join(errs...)
}

// raise sets a process's limit and reads it back; one that is gone needs none.
func raise(pid int, to uint64) error {
	err := setSoftLimit(pid, to)
	if err == nil {
		var is uint64
		if is, err = softLimit(pid); err == nil && is != to {
			err = fmt.Errorf("process %d may have %d files open, not %d as before", pid, is, to)
		}
	}
	if gone(err) {
		return nil
	}
	return err
}
