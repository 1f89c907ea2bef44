package packet

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	"faultbed/reports/history"
	"golang.org/x/sys/unix"
)

// queue is an NFQUEUE and the thread that serves it. It waits for packets and for
// the next release in one ppoll(2), which wakes within some 0.1 ms.
type queue struct {
	num    uint16
	fd     int
	raw    int    // sends copies
	stop   int    // eventfd
	mark   uint32 // a bit in the mark of what was sent by raw
	steal  bool   // see packet
	policy policy
	held   releases
	serial int64
	failed error
	ended  chan struct{}
}

// release is a packet that waits.
type release struct {
	at, serial int64
	id         uint32
	verdict    verdict
	mark       uint32 // of the packet
	copy       []byte // is sent beside it, or in its place if it was stolen
	stolen     bool
}

type releases []release

func (r releases) Len() int      { return len(r) }
func (r releases) Swap(i, j int) { r[i], r[j] = r[j], r[i] }
func (r *releases) Push(x any)   { *r = append(*r, x.(release)) }
func (r releases) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(r[i].at, r[j].at), cmp.Compare(r[i].serial, r[j].serial)) < 0
}
func (r *releases) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

const (
	queueLength = 4096      // packets that may wait; the kernel drops more
	queueBuffer = 16 << 20  // bytes of the socket's buffer
	netlinkMax  = 128 << 10 // bytes of a datagram: a packet has at most 64 KiB
)

// openQueue binds a free queue of a namespace and serves it.
func openQueue(ns *os.File, p policy, mark uint32, steal bool) (*queue, error) {
	q := &queue{fd: -1, raw: -1, stop: -1, policy: p, mark: mark, steal: steal, ended: make(chan struct{})}
	err := within(ns, q.sockets)
	if err == nil {
		err = q.bind()
	}
	if err != nil {
		q.close()
		return nil, fmt.Errorf("packet queue: %w", err)
	}
	go q.serve()
	return q, nil
}

func (q *queue) sockets() (err error) {
	if q.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER); err != nil {
		return err
	}
	if q.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		return err
	}
	if q.raw, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
		return err
	}
	return errors.Join(unix.SetsockoptInt(q.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, queueBuffer),
		unix.SetsockoptInt(q.raw, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, queueBuffer),
		unix.Bind(q.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
}

// firstQueue is where free numbers are looked for; people number from 0.
const firstQueue = 0xfb00

// bind takes a number that no socket of the namespace has.
func (q *queue) bind() error {
	var err error
	for n := uint16(firstQueue); n < firstQueue+255; n++ {
		q.num = n
		err = q.configure(attr(nil, attrConfigCommand, commandBind, 0, 0, 0))
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EBUSY) {
			continue // somebody else's
		}
		if err != nil {
			return err
		}
		params := attr(nil, attrConfigParams, 0, 0, 0xff, 0xff, copyPacket)
		return q.configure(attr(params, attrConfigLength, binary.BigEndian.AppendUint32(nil, queueLength)...))
	}
	return err
}

func (q *queue) configure(attrs []byte) error {
	if err := q.send(message(msgConfig, q.num, true, attrs)); err != nil {
		return err
	}
	buf := make([]byte, netlinkMax)
	n, _, err := unix.Recvfrom(q.fd, buf, 0)
	if err != nil {
		return err
	}
	answer := errNetlink
	return errors.Join(each(buf[:n], func(kind uint16, code int32, _ []byte) {
		if answer = nil; code != 0 {
			answer = unix.Errno(code)
		}
	}), answer)
}

func (q *queue) send(b []byte) error {
	return unix.Sendto(q.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// serve is the queue's thread.
func (q *queue) serve() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(q.ended)
	buf := make([]byte, netlinkMax)
	for q.failed == nil && !q.wait() {
		q.take(buf)
		q.letGo(history.Now())
	}
	q.take(buf) // what came before the rules went
	q.letGo(1<<63 - 1)
}

// wait returns when a packet has come or is due; true if the queue is to end.
func (q *queue) wait() bool {
	fds := []unix.PollFd{{Fd: int32(q.fd), Events: unix.POLLIN}, {Fd: int32(q.stop), Events: unix.POLLIN}}
	var until *unix.Timespec
	if len(q.held) > 0 {
		ts := unix.NsecToTimespec(max(0, q.held[0].at-history.Now()))
		until = &ts
	}
	if _, err := unix.Ppoll(fds, until, nil); err != nil && !errors.Is(err, unix.EINTR) {
		q.failed = err
	}
	return fds[1].Revents != 0
}

// take reads what has come. A packet is decided about when it is read.
func (q *queue) take(buf []byte) {
	for q.failed == nil {
		n, _, err := unix.Recvfrom(q.fd, buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.EINTR): // the former is counted: see overflowed
			continue
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil:
			q.failed = err
			return
		}
		if err := each(buf[:n], q.packet); err != nil {
			q.failed = err
		}
		q.letGo(history.Now())
	}
}

// packet decides about one. One that has to wait on its way out is stolen: the
// kernel drops it and a copy is sent in time. As long as it lay in the queue it
// would count against its sender's socket buffer, and TCP would send no more, as if
// it were still in the sender's own network card (TCP small queues): 2 MiB over a
// line of 20 ms took 9 s so, and 0.2 s as they should.
func (q *queue) packet(kind uint16, _ int32, attrs []byte) {
	id, mark, data, ok := packetOf(attrs)
	if kind != msgPacket || !ok {
		return
	}
	p := parcel{data: data}
	_, p.flow, _ = tcp(data)
	now := history.Now()
	r := release{id: id, mark: mark, verdict: q.policy.judge(&p, now)}
	waits := r.verdict.release > now
	r.stolen = waits && q.steal
	if r.verdict.twice || r.stolen {
		r.copy = slices.Clone(data)
	}
	if r.stolen {
		q.tell(say(q.num, id, true, nil))
	}
	if !waits {
		q.decide(r)
		return
	}
	q.serial++
	r.at, r.serial = r.verdict.release, q.serial
	heap.Push(&q.held, r)
}

// letGo decides about what is due.
func (q *queue) letGo(now int64) {
	for len(q.held) > 0 && q.held[0].at <= now {
		q.decide(heap.Pop(&q.held).(release))
	}
}

func (q *queue) decide(r release) {
	if !r.stolen {
		q.tell(say(q.num, r.id, r.verdict.drop, r.verdict.changed))
	}
	if r.copy == nil {
		return
	}
	if err := unix.SetsockoptInt(q.raw, unix.SOL_SOCKET, unix.SO_MARK, int(r.mark|q.mark)); err != nil {
		q.failed = cmp.Or(q.failed, fmt.Errorf("mark a copy: %w", err))
		return
	}
	err := unix.Sendto(q.raw, r.copy, 0, &unix.SockaddrInet4{Addr: [4]byte(r.copy[16:20])})
	if err != nil && !lost(err) {
		q.failed = cmp.Or(q.failed, fmt.Errorf("copy: %w", err))
	}
}

// lost tells that what was sent is lost as packets may be: the network was gone, or
// a rule, such as another fault's, dropped it on its way out (EPERM: NF_DROP).
func lost(err error) bool {
	return slices.ContainsFunc([]error{unix.EPERM, unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.ENODEV},
		func(way error) bool { return errors.Is(err, way) })
}

func (q *queue) tell(verdict []byte) {
	if err := q.send(verdict); err != nil {
		q.failed = cmp.Or(q.failed, fmt.Errorf("verdict: %w", err))
	}
}

// overflowed is how many packets the kernel dropped because the queue or the
// socket's buffer was full.
func (q *queue) overflowed(ns *os.File) (n int64, err error) {
	err = within(ns, func() error {
		b, err := os.ReadFile("/proc/thread-self/net/netfilter/nfnetlink_queue")
		n = dropped(string(b), q.num)
		return err
	})
	return n, err
}

// end stops serving: what waits goes on at once. The rules must be gone, or the
// kernel would drop what comes after.
func (q *queue) end(ns *os.File) error {
	_, err := unix.Write(q.stop, binary.NativeEndian.AppendUint64(nil, 1))
	<-q.ended
	n, bad := q.overflowed(ns)
	if n > 0 {
		bad = fmt.Errorf("packet queue: it was full, and %d packets were lost that no fault asked for", n)
	}
	return errors.Join(err, q.failed, bad, q.close())
}

func (q *queue) close() (err error) {
	for _, fd := range []int{q.fd, q.raw, q.stop} {
		if fd >= 0 {
			err = errors.Join(err, unix.Close(fd))
		}
	}
	return err
}
