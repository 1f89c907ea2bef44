package packet

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"

	"faultbed/reports/history"
	"golang.org/x/sys/unix"
)

// queue is an NFQUEUE and the thread that serves it. It waits for packets and for
// the next release in one ppoll(2), which wakes within some 0.1 ms.
type queue struct {
	num    uint16
	fd     int
	raw    int // sends copies; -1: none are asked for
	stop   int // eventfd
	policy policy
	held   releases
	serial int64
	lost   int64 // datagrams that did not fit into the socket's buffer
	failed error
	ended  chan struct{}
}

// held packet.
type release struct {
	at, serial int64
	id         uint32
	verdict    verdict
	data       []byte // of a copy
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
	copyMark    = 0xfb2d    // SO_MARK of copies, which are not queued again
	netlinkMax  = 128 << 10 // bytes of a datagram: a packet has at most 64 KiB
)

// openQueue binds a free queue of a namespace and serves it.
func openQueue(ns *os.File, p policy, copies bool) (*queue, error) {
	q := &queue{fd: -1, raw: -1, stop: -1, policy: p, ended: make(chan struct{})}
	err := within(ns, func() error { return q.sockets(copies) })
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

func (q *queue) sockets(copies bool) (err error) {
	if q.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER); err != nil {
		return err
	}
	if q.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		return err
	}
	if copies {
		if q.raw, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(q.raw, unix.SOL_SOCKET, unix.SO_MARK, copyMark); err != nil {
			return err
		}
	}
	return errors.Join(unix.SetsockoptInt(q.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, queueBuffer),
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
		case errors.Is(err, unix.ENOBUFS):
			q.lost++
			continue
		case errors.Is(err, unix.EINTR):
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

func (q *queue) packet(kind uint16, _ int32, attrs []byte) {
	id, data, ok := packetOf(attrs)
	if kind != msgPacket || !ok {
		return
	}
	p := parcel{data: data}
	_, p.flow, _ = tcp(data)
	now := history.Now()
	r := release{id: id, verdict: q.policy.judge(&p, now)}
	if r.verdict.twice {
		r.data = append([]byte(nil), data...)
	}
	if r.verdict.release <= now {
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
	if err := q.send(say(q.num, r.id, r.verdict.drop, r.verdict.changed)); err != nil && q.failed == nil {
		q.failed = fmt.Errorf("verdict: %w", err)
	}
	if r.data == nil {
		return
	}
	to := &unix.SockaddrInet4{Addr: [4]byte(r.data[16:20])}
	if err := unix.Sendto(q.raw, r.data, 0, to); err != nil && q.failed == nil {
		q.failed = fmt.Errorf("copy: %w", err)
	}
}

// end stops serving: what waits goes on at once. The rules must be gone, or the
// kernel would drop what comes after.
func (q *queue) end() error {
	_, err := unix.Write(q.stop, binary.NativeEndian.AppendUint64(nil, 1))
	<-q.ended
	if q.lost > 0 {
		err = errors.Join(err, fmt.Errorf("packet queue: %d packets or more were lost for they came too fast", q.lost))
	}
	return errors.Join(err, q.failed, q.close())
}

func (q *queue) close() (err error) {
	for _, fd := range []int{q.fd, q.raw, q.stop} {
		if fd >= 0 {
			err = errors.Join(err, unix.Close(fd))
		}
	}
	return err
}
