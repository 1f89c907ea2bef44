package inject

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
	"unsafe"

	"faultbed/faults/room"
	"golang.org/x/sys/unix"
)

// lookEvery is how often inject.cut looks for connections that it still wants.
const lookEvery = 2 * time.Millisecond

var errUnseen = errors.New("the subject's process can't be seen from here")

// probeCut asks the kernel for a copy of a descriptor of this very process.
func probeCut() error {
	p, err := unix.PidfdOpen(unix.Getpid(), 0)
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(p)
	fd, err := unix.PidfdGetfd(p, p, 0)
	if err != nil {
		return fmt.Errorf("pidfd_getfd: %w", err)
	}
	return unix.Close(fd)
}

func injectCut(ctx context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
	var p cutParams
	if err := json.Unmarshal(with, &p); err != nil {
		return nil, err
	}
	if t.PID <= 0 {
		return nil, errUnseen
	}
	origin, err := netip.ParseAddrPort(t.Origin)
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	c := &cutter{p: p, t: t, origin: origin, dice: dice(t), sockets: sockets{known: map[uint64]socket{}}}
	if err := c.round(); err != nil {
		return nil, err
	}
	return c.watch(ctx), nil
}

// watch goes on cutting until the fault is lifted.
func (c *cutter) watch(ctx context.Context) room.Active {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- c.rounds(ctx) }()
	return room.LiftFunc(func(context.Context) error {
		stop()
		return <-ended
	})
}

func (c *cutter) rounds(ctx context.Context) error {
	again := time.NewTicker(lookEvery)
	defer again.Stop()
	for c.done < c.p.Count {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
		if err := c.round(); err != nil {
			return err
		}
	}
	return nil
}

// dice are the fault's own, by the trial's seed.
func dice(t room.Target) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(t.Fault))
	return rand.New(rand.NewPCG(t.Seed, h.Sum64()))
}

// cutter cuts until it has cut enough.
type cutter struct {
	p      cutParams
	t      room.Target
	origin netip.AddrPort
	dice   *rand.Rand
	sockets
	done int
}

// round cuts what it finds now.
func (c *cutter) round() error {
	all, err := c.sockets.of(processes(c.t.PID))
	if err != nil {
		return err
	}
	found := sideOf(all, c.p.Side, c.origin)
	slices.SortFunc(found, func(a, b held) int { return a.peer.Compare(b.peer) })
	c.dice.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	for _, h := range found {
		if c.done == c.p.Count {
			return nil
		}
		if err := c.one(h); err != nil {
			return err
		}
	}
	return nil
}

// one cuts a connection if it is of those that are wanted, and notes the bite.
func (c *cutter) one(h held) error {
	fd, err := h.take()
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("pidfd_getfd of %d: %w", h.pid, err)
	}
	if err != nil {
		return nil // it was closed meanwhile
	}
	defer unix.Close(fd)
	before, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || before.State != established && before.State != closeWait || !wanted(c.p, before) {
		return nil
	}
	if err := end(fd, c.p.By); err != nil {
		return fmt.Errorf("cut %v: %w", h.peer, err)
	}
	after, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || after.State == established || after.State == closeWait {
		return fmt.Errorf("cut %v: state %d afterwards: %w", h.peer, after.State, err)
	}
	c.done++
	c.t.Bit(1, "connections", fmt.Sprintf("%s %v-%v of process %d by %s, silent for %v, TCP state %d then %d",
		c.p.Side, h.local, h.peer, h.pid, c.p.By, silent(before), before.State, after.State))
	return nil
}

// silent is how long the connection has carried no data.
func silent(i *unix.TCPInfo) time.Duration {
	return time.Duration(min(i.Last_data_sent, i.Last_data_recv)) * time.Millisecond
}

// wanted tells whether the connection does what the fault asks for. On the front
// a request was received last, on the back it was sent last. A first request may come
// in the tick in which the connection began, which stands for its last answer then.
func wanted(p cutParams, i *unix.TCPInfo) bool {
	asked, answered := i.Last_data_recv, i.Last_data_sent // ms ago
	requests, answers := i.Data_segs_in, i.Data_segs_out
	if p.Side == back {
		asked, answered, requests, answers = answered, asked, answers, requests
	}
	first := requests > 0 && answers == 0
	switch p.Which {
	case busy:
		return asked < answered || first
	case idle:
		return !first && (answered < asked || asked == answered && silent(i) > 20*time.Millisecond)
	}
	return true
}

// end ends a connection at the socket. With AF_UNSPEC the kernel sends RST
// (tcp_disconnect) and reports ECONNRESET to whoever has the socket.
func end(fd int, by string) error {
	if by == byFIN {
		return unix.Shutdown(fd, unix.SHUT_RDWR)
	}
	var none unix.RawSockaddr // family 0, AF_UNSPEC
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&none)), unsafe.Sizeof(none))
	if errno != 0 {
		return errno
	}
	return nil
}
