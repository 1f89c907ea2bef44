package notify

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
	"unsafe"

	"faultbed/faults/inject/line"
	"faultbed/faults/inject/tracee"
	"faultbed/reports/history"
	"golang.org/x/sys/unix"
)

// call and answer are struct seccomp_notif and seccomp_notif_resp (seccomp_unotify(2)).
type call struct {
	id         uint64
	pid, flags uint32
	nr, arch   uint32
	ip         uint64
	args       [6]uint64
}

type answer struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

// fault is one that acts.
type fault struct {
	Order
	fired  int
	over   bool // under the supervisor's lock: no bite is said any more
	lifted chan struct{}
}

// supervisor answers the calls of some processes.
type supervisor struct {
	say func(line.Line)
	pid int

	mu     sync.Mutex // held while something is said: no FIRED comes after its DETACHED
	faults []*fault
}

// Supervise installs the filter in the processes and carries orders out: READY for
// each that begins, FIRED for each call that it answered, DETACHED when it is lifted.
// When the orders end all are lifted. Every other call is let through, until the last
// of the processes has ended: only then does it return, so it must be left to run. If
// not all of them could have the filter it says FAILED at once and takes no orders.
func Supervise(pids []int, orders <-chan Order, say func(line.Line)) error {
	s := &supervisor{say: say, pid: pids[0]}
	var (
		serving sync.WaitGroup
		held    tracee.Held
		errs    []error
	)
	for _, pid := range pids {
		fd, h, err := install(pid)
		held.Longest, held.Stops = max(held.Longest, h.Longest), held.Stops+h.Stops
		if errors.Is(err, tracee.ErrEnded) && pid != pids[0] {
			continue // a worker that is gone
		}
		if fd >= 0 { // even beside an error: the filter is there
			serving.Go(func() { s.serve(fd) })
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		say(line.Line{Event: line.Failed, Why: err.Error()})
		serving.Wait()
		return err
	}
	gone := make(chan struct{})
	go func() { serving.Wait(); close(gone) }()
	s.follow(orders, held, gone)
	for _, f := range slices.Clone(s.faults) {
		s.lift(f)
	}
	<-gone
	return nil
}

// follow carries orders out until they end, or there is no process any more.
func (s *supervisor) follow(orders <-chan Order, held tracee.Held, gone <-chan struct{}) {
	for {
		select {
		case o, more := <-orders:
			if !more {
				return
			}
			s.carryOut(o, held)
		case <-gone:
			return
		}
	}
}

func (s *supervisor) carryOut(o Order, held tracee.Held) {
	if !o.Lift {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = append(s.faults, &fault{Order: o, lifted: make(chan struct{})})
		s.say(line.Line{Event: line.Ready, T: history.Now(), PID: s.pid, Fault: o.Fault, Held: held.Longest, Stops: held.Stops})
		return
	}
	if i := slices.IndexFunc(s.faults, func(f *fault) bool { return f.Fault == o.Fault }); i >= 0 {
		s.lift(s.faults[i])
	}
}

// lift ends a fault: its calls are let through from now on, also those that wait.
func (s *supervisor) lift(f *fault) {
	close(f.lifted)
	s.mu.Lock()
	defer s.mu.Unlock()
	f.over = true
	s.faults = slices.DeleteFunc(s.faults, func(other *fault) bool { return other == f })
	s.say(line.Line{Event: line.Detached, T: history.Now(), PID: s.pid, Fault: f.Fault, Fired: f.fired})
}

// serve answers the calls of one filter until no process has it any more.
func (s *supervisor) serve(listener int) {
	defer unix.Close(listener)
	for {
		fds := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil {
			continue // EINTR
		}
		if fds[0].Revents&unix.POLLIN == 0 {
			return
		}
		var c call
		if ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&c)) == nil { // ENOENT: the caller was killed
			go s.reply(listener, c)
		}
	}
}

// reply answers one call. A bite is an answer that the kernel took.
func (s *supervisor) reply(listener int, c call) {
	through := answer{id: c.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	f := s.chosen(listener, c)
	if f == nil || !f.wait() {
		send(listener, through)
		return
	}
	ours := through
	if f.Errno != "" {
		ours.flags, ours.errno = 0, -int32(Errnos[f.Errno])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.over {
		ours = through
	}
	if send(listener, ours) == nil && !f.over {
		f.fired++
		s.say(line.Line{Event: line.Fired, T: history.Now(), PID: int(c.pid), Fault: f.Fault, What: f.String()})
	}
}

// wait waits for the delay; false if the fault was lifted meanwhile.
func (f *fault) wait() bool {
	delay := time.NewTimer(f.Delay)
	defer delay.Stop()
	select {
	case <-f.lifted:
		return false
	case <-delay.C:
		return true
	}
}

// send answers; ENOENT is a caller that was killed meanwhile.
func send(listener int, a answer) error {
	return ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a))
}

// chosen is the first fault that a call is meant by, or none. The caller may change
// the memory meanwhile; what it asked when we looked decides. The call is looked up
// once more afterwards: the thread's number might be another's by then.
func (s *supervisor) chosen(listener int, c call) *fault {
	if c.nr != unix.SYS_CONNECT || c.args[2] > 128 {
		return nil
	}
	raw := make([]byte, c.args[2])
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", c.pid))
	if err != nil {
		return nil
	}
	defer mem.Close()
	if _, err := mem.ReadAt(raw, int64(c.args[1])); err != nil {
		return nil
	}
	to, ok := destination(raw)
	if !ok || ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&c.id)) != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.faults, func(f *fault) bool { return f.Dest == to })
	if i < 0 {
		return nil
	}
	return s.faults[i]
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); e != 0 {
		return e
	}
	return nil
}
