package inject

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"faultbed/faults/inject/line"
	"faultbed/faults/inject/notify"
	"faultbed/faults/room"
	"faultbed/reports/history"
)

// supervisor is a running injector that answers a subject's connect calls. A process
// can have one such filter only, and for ever: all faults on it share the supervisor,
// which ends with the process.
type supervisor struct {
	mu     sync.Mutex
	orders *json.Encoder
	faults map[string]*supervised
	failed chan struct{} // closed when why is set: it takes no orders, but lives on where it has put a filter
	why    error
	ended  chan struct{} // closed when err is set
	err    error
}

// liftTime bounds a lift that nobody waits for any more.
const liftTime = 10 * time.Second

// supervised is one fault of it.
type supervised struct {
	s     *supervisor
	t     room.Target
	ready chan struct{}
	gone  chan struct{}
}

// supervisors are those that run, by the process.
var supervisors = struct {
	sync.Mutex
	of map[int]*supervisor
}{of: map[int]*supervisor{}}

// supervise begins a fault on a subject's connect calls.
func supervise(ctx context.Context, t room.Target, spec notify.Spec) (room.Active, error) {
	if t.PID <= 0 {
		return nil, errors.New("the subject's process can't be seen from here")
	}
	s, err := supervisorOf(t)
	if err != nil {
		return nil, err
	}
	f := &supervised{s: s, t: t, ready: make(chan struct{}), gone: make(chan struct{})}
	s.mu.Lock()
	s.faults[t.Fault] = f
	err = s.orders.Encode(notify.Order{Fault: t.Fault, Spec: spec})
	s.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("injector: %w", err)
	}
	select {
	case <-f.ready:
		return f, nil
	case <-s.failed:
		return nil, s.why
	case <-s.ended:
		return nil, errors.Join(s.err, errors.New("injector: it ended before it was ready"))
	case <-ctx.Done():
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), liftTime)
		defer cancel()
		return nil, errors.Join(ctx.Err(), f.Lift(bounded))
	}
}

// supervisorOf is the process's supervisor, started if it has none.
func supervisorOf(t room.Target) (*supervisor, error) {
	supervisors.Lock()
	defer supervisors.Unlock()
	if s := supervisors.of[t.PID]; s != nil {
		return s, nil
	}
	s, err := startSupervisor(t)
	if err == nil {
		supervisors.of[t.PID] = s
	}
	return s, err
}

func startSupervisor(t room.Target) (*supervisor, error) {
	program, err := Program()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "connect", "--pid="+strconv.Itoa(t.PID), "--deadline="+deadline.String())
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "FAULTBED_RUN=" + t.Run}
	apart(cmd)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("injector: %w", err)
	}
	s := &supervisor{orders: json.NewEncoder(in), faults: map[string]*supervised{}, failed: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		err := errors.Join(line.Read(out, s.take), cmd.Wait())
		supervisors.Lock()
		delete(supervisors.of, t.PID)
		supervisors.Unlock()
		if err != nil {
			s.err = errors.Join(s.why, fmt.Errorf("injector: %w %s", err, strings.TrimSpace(complaint.String())))
		}
	}()
	return s, nil
}

// take notes one line for the fault that it is about.
func (s *supervisor) take(l line.Line) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.faults[l.Fault]
	switch {
	case l.Event == line.Failed || l.Event == line.Unsupported:
		if s.why == nil { // it says so once more when it ends
			s.why = fmt.Errorf("injector: %s", l.Why)
			close(s.failed)
		}
	case f == nil: // its inject was given up
	case l.Event == line.Ready:
		f.note(l, fmt.Sprintf("armed, longest of %d stops %v", l.Stops, time.Duration(l.Held)))
		close(f.ready)
	case l.Event == line.Fired:
		f.t.Note(history.Event{T: l.T, Kind: history.Bite, PID: l.PID, Count: 1, Via: "calls", Detail: l.What})
	case l.Event == line.Detached:
		f.note(l, fmt.Sprintf("lets everything through, %d fired", l.Fired))
		delete(s.faults, l.Fault)
		close(f.gone)
	}
	return true
}

func (f *supervised) note(l line.Line, detail string) {
	f.t.Note(history.Event{T: l.T, Kind: history.Note, PID: l.PID, Detail: detail})
}

// Lift has every call let through, and waits until the supervisor says so. If the
// subject has ended, it said so by itself.
func (f *supervised) Lift(ctx context.Context) error {
	f.s.mu.Lock()
	err := f.s.orders.Encode(notify.Order{Fault: f.t.Fault, Lift: true})
	f.s.mu.Unlock()
	select {
	case <-f.gone:
		return nil
	case <-f.s.failed:
		return f.s.why
	case <-f.s.ended:
		return f.unheard(err)
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("injector: it has not lifted: %w", ctx.Err()), err)
	}
}

// unheard is what is wrong if the supervisor has ended without a word on the fault.
func (f *supervised) unheard(err error) error {
	select {
	case <-f.gone:
		return nil
	default:
		return errors.Join(errors.New("injector: it ended before it lifted"), f.s.err, err)
	}
}
