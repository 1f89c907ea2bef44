package main

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxLog bounds the arrivals that are kept with their instants.
const maxLog = 1 << 20

// loop serves all connections from one thread.
type loop struct {
	ep, listener int

	mu      sync.Mutex // held while a batch of events is served
	conns   []*conn    // by file descriptor
	st      stats
	at      []int64
	after   time.Duration // the stall begins so long after the first request
	lasts   time.Duration
	pending []answer
}

// conn is one accepted connection; in holds a request that is not whole yet.
type conn struct {
	fd int
	in []byte
}

// answer is a response that waits for the end of the stall.
type answer struct {
	c   *conn
	out []byte
}

func newLoop(addr string) (*loop, error) {
	ap, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: ap.Port, Addr: [4]byte(ap.IP.To4())}); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	if err := unix.Listen(fd, 4096); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	l := &loop{ep: ep, listener: fd, at: make([]int64, 0, maxLog)}
	return l, l.watch(fd)
}

func (l *loop) watch(fd int) error {
	return unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// now is CLOCK_MONOTONIC: the clients' clock too.
func now() int64 {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// base lets time.Since, which needs no system call, give CLOCK_MONOTONIC.
var base, zero = time.Now(), now()

func clock() int64 { return zero + int64(time.Since(base)) }

func (l *loop) run() error {
	runtime.LockOSThread()
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := l.wait(events)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("epoll: %w", err)
		}
		l.turn(events[:max(n, 0)])
	}
}

// awake is how long the loop asks before it sleeps: waking it is an interrupt
// to another core, which a virtual machine makes dear and which would count as
// CPU time of the client whose write wakes it.
const awake = 50 * time.Microsecond

func (l *loop) wait(events []unix.EpollEvent) (n int, err error) {
	for begun := clock(); err == nil && n == 0 && clock()-begun < int64(awake); {
		n, err = unix.EpollWait(l.ep, events, 0)
	}
	if n != 0 || err != nil {
		return n, err
	}
	return unix.EpollWait(l.ep, events, l.patience())
}

// turn serves one batch of events.
func (l *loop) turn(events []unix.EpollEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release()
	for _, e := range events {
		if int(e.Fd) == l.listener {
			l.accept()
		} else if c := l.conns[e.Fd]; c != nil {
			l.read(c)
		}
	}
}

func (l *loop) accept() {
	for {
		fd, _, err := unix.Accept4(l.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		l.conns = append(l.conns, slices.Repeat([]*conn{nil}, max(0, fd+1-len(l.conns)))...)
		l.conns[fd] = &conn{fd: fd, in: make([]byte, 0, 4096)}
		l.st.Conns++
		if l.watch(fd) != nil {
			l.close(l.conns[fd])
		}
	}
}

func (l *loop) close(c *conn) {
	l.conns[c.fd] = nil
	unix.Close(c.fd)
	c.fd = -1
}

func (l *loop) read(c *conn) {
	if len(c.in) == cap(c.in) {
		l.close(c) // no head is so long
		return
	}
	n, err := unix.Read(c.fd, c.in[len(c.in):cap(c.in)])
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	if n <= 0 {
		l.close(c)
		return
	}
	c.in = c.in[:len(c.in)+n]
	l.serve(c)
}

// serve answers each whole request in c.in.
func (l *loop) serve(c *conn) {
	rest := c.in
	for c.fd >= 0 {
		head, after, ok := cutHead(rest)
		if !ok {
			break
		}
		rest = after
		l.arrived()
		l.answer(answer{c, respond(head)})
	}
	c.in = c.in[:copy(c.in, rest)]
}

func (l *loop) arrived() {
	t := clock()
	if l.st.Requests == 0 {
		l.st.First = t
	}
	l.st.Requests++
	l.st.Last = t
	if len(l.at) < maxLog {
		l.at = append(l.at, t)
	}
}

// answer writes a response, or keeps it while the stall lasts.
func (l *loop) answer(a answer) {
	if begin := l.st.First + int64(l.after); l.lasts > 0 && l.st.Last >= begin && l.st.Last < begin+int64(l.lasts) {
		l.st.Stall = begin
		a.out = slices.Clone(a.out)
		l.pending = append(l.pending, a)
		return
	}
	l.write(a)
}

// write sends one small response; a peer that does not read is dropped.
func (l *loop) write(a answer) {
	if a.c.fd < 0 {
		return
	}
	if n, err := unix.Write(a.c.fd, a.out); err != nil || n < len(a.out) {
		l.close(a.c)
	}
}

// release answers what waited, once the stall is over.
func (l *loop) release() {
	if len(l.pending) == 0 || clock() < l.st.Stall+int64(l.lasts) {
		return
	}
	for _, a := range l.pending {
		l.write(a)
	}
	l.pending = nil
}

// patience is how long the loop may sleep, in ms; -1 is for ever.
func (l *loop) patience() int {
	if len(l.pending) == 0 {
		return -1
	}
	return int(max(0, (l.st.Stall+int64(l.lasts)-clock())/1e6))
}

func (l *loop) stats() stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.st
}

func (l *loop) log() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.at)
}

// reset forgets what came in and plans a stall; lasts 0 is none.
func (l *loop) reset(after, lasts time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.st, l.at, l.after, l.lasts = stats{}, l.at[:0], after, lasts
}
