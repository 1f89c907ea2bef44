package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"faultbed/faults/param"
	"faultbed/faults/room"
	"faultbed/proxy/pidfd"
)

// backlog shortens the queue of what the kernel has accepted and the subject has
// not. It does so from outside: listen(2) on a listening socket changes its length
// alone, and pidfd_getfd(2) gives us the socket for a moment. A subject that accepts
// in time never fills it, so it goes with process.pause, resource.cpu or a burst.
var backlog = room.Kind{
	Name: "backlog-full", Sentence: "shortens the accept queue of the subject's listener, so that clients whom it does not accept at once are dropped by the kernel",
	Touches: "drops", Lifts: true, Alone: true,
	Bites: "one SYN, or end of a handshake, that the kernel dropped at the listener (its own drop counter)",
	Host:  "root, Linux 5.6",
	Params: []param.Param{{Name: "length", Type: param.Int, Unit: "connections", Min: 0, Max: 65535, Default: int64(0),
		Doc: "of the queue; the kernel lets one more in than it says"}},
	Probe: func() error { return errors.Join(root(), canGetFD()) },
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var w struct{ Length int }
		if err := json.Unmarshal(with, &w); err != nil {
			return nil, err
		}
		ls, err := listenersOf(t)
		if err != nil {
			return nil, err
		}
		if ls.diag, err = openDiag(t); err != nil {
			return nil, err
		}
		stop, err := watch(t, "drops", ls.drops)
		if err != nil {
			ls.diag.close()
			return nil, err
		}
		lift := room.LiftFunc(func(context.Context) error {
			defer ls.diag.close()
			stop()
			return ls.restore()
		})
		if err := ls.shorten(w.Length); err != nil {
			return nil, errors.Join(err, lift(context.Background()))
		}
		return lift, nil
	},
}

// listener is a listening socket of the subject: with SO_REUSEPORT there are several.
type listener struct {
	pid, fd int // where it is found
	inode   uint64
	was     int // length of its queue
}

type listeners struct {
	all  []*listener
	diag *diag
}

// listenersOf finds the sockets that listen at the subject's address, each in one of
// its processes. A socket is not kept: it would outlive the subject.
func listenersOf(t room.Target) (*listeners, error) {
	if t.PID <= 0 {
		return nil, errNoProcess
	}
	addr, err := netip.ParseAddrPort(t.Addr)
	if err != nil {
		return nil, fmt.Errorf("the subject's listener: %w", err)
	}
	ss, err := sockets(t.PID)
	if err != nil {
		return nil, err
	}
	wanted := map[string]uint64{}
	for _, s := range ss {
		if s.state == listening && s.serves(addr) {
			wanted[fmt.Sprintf("socket:[%d]", s.inode)] = s.inode
		}
	}
	out := &listeners{}
	for _, pid := range append([]int{t.PID}, pidfd.Descendants(t.PID)...) {
		for link, fd := range sockLinks(pid) {
			if inode, ok := wanted[link]; ok {
				out.all = append(out.all, &listener{pid: pid, fd: fd, inode: inode})
				delete(wanted, link)
			}
		}
	}
	if len(out.all) == 0 {
		return nil, fmt.Errorf("no process of the subject listens at %s", t.Addr)
	}
	return out, nil
}

func (ls *listeners) shorten(length int) error {
	before, err := ls.diag.queues()
	if err != nil {
		return err
	}
	for _, l := range ls.all {
		l.was = before[l.inode].length
		if err := ls.set(l, length); err != nil {
			return err
		}
	}
	return nil
}

// set changes the length of a queue and reads it back.
func (ls *listeners) set(l *listener, length int) error {
	if err := l.listen(length); err != nil {
		return err
	}
	now, err := ls.diag.queues()
	if q, ok := now[l.inode]; err == nil && ok && q.length != length {
		err = fmt.Errorf("the queue of socket %d has length %d, not %d", l.inode, q.length, length)
	}
	return err
}

// drops is how much the kernel has dropped at all of them.
func (ls *listeners) drops() (n int64, detail string, err error) {
	qs, err := ls.diag.queues()
	if err != nil {
		return 0, "", err
	}
	waits, length := 0, 0
	for _, l := range ls.all {
		q := qs[l.inode]
		n, waits, length = n+q.drops, waits+q.waiting, length+q.length
	}
	return n, fmt.Sprintf("%d connections waited in a queue of %d", waits, length), nil
}

// restore gives the queues their lengths back; a listener that is closed needs none.
func (ls *listeners) restore() error {
	var errs []error
	for _, l := range ls.all {
		if l.was == 0 {
			continue // it had not been shortened yet
		}
		if err := ls.set(l, l.was); !errors.Is(err, errNotThere) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// errNotThere is a socket that its process has closed, or that is gone with it.
var errNotThere = errors.New("the subject has closed its listener")
