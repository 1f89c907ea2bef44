package python

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"faultbed/faults/inject/line"
	"faultbed/faults/inject/tracee"
	"faultbed/reports/history"
)

const (
	// patience bounds the wait for the program to run what was queued, beside the time
	// for which a request that was hit blocks it.
	patience = 5 * time.Second
	// callTime bounds the queueing call. It waits for nothing, unless the thread was
	// stopped with the queue's lock in its hand.
	callTime = 100 * time.Millisecond
	// look is how often the page is read.
	look = time.Millisecond
	// tries is how often queueing is tried.
	tries = 20
)

// Run wraps the handlers of a program, says FIRED for each request that is hit, and
// unwraps them when ctx ends or enough were hit. It says READY once the program
// confirmed that they are wrapped, and DETACHED when it confirmed that they are not,
// or has ended. If the program confirms nothing in time that is an error, and both
// calls stay queued: whenever it runs the one that wraps, the next unwraps.
func Run(ctx context.Context, pid int, s Spec, say func(line.Line)) error {
	at, err := functions(pid, "Py_AddPendingCall", "PyRun_SimpleString")
	if err != nil {
		return err
	}
	end, err := tracee.WatchEnd(pid)
	if err != nil {
		return err
	}
	defer end.Close()
	r := &runner{pid: pid, spec: s, add: at[0], run: at[1], end: end, say: say}
	if err := r.queue(true); err != nil {
		return err
	}
	if err := r.await(installed); err != nil {
		return errors.Join(err, r.remove())
	}
	say(line.Line{Event: line.Ready, T: history.Now(), PID: pid, Held: r.held, Stops: r.stops})
	for ctx.Err() == nil && !end.Within(look) && (s.Times == 0 || int(r.fired) < s.Times) {
		r.report()
	}
	return r.remove()
}

type runner struct {
	pid         int
	spec        Spec
	add, run    uint64 // the interpreter's functions
	page        page
	end         *tracee.End
	say         func(line.Line)
	fired       uint64
	held, stops int64
}

// report says what was hit since the last time.
func (r *runner) report() {
	for now := r.page.word(atFired); r.fired < now; r.fired++ {
		t, path := r.page.record(r.fired)
		r.say(line.Line{Event: line.Fired, T: t, PID: r.pid, Path: path})
	}
}

// remove unwraps, unless the program has ended or could not wrap. What is only queued
// may be run later, so its end is queued behind it: pending calls are first in, first
// out.
func (r *runner) remove() error {
	var err error
	if !r.end.Within(0) && r.page.word(atState) != failed {
		if err = r.queue(false); err == nil {
			err = r.await(removed)
		}
	}
	r.report()
	gone := line.Line{Event: line.Detached, T: history.Now(), PID: r.pid, Held: r.held, Stops: r.stops, Fired: int(r.fired)}
	if r.end.Within(0) {
		gone.Ended, err = "it has ended", nil
	}
	if err == nil {
		r.say(gone)
	}
	return err
}

// queue queues the statement that installs, or the one that removes.
func (r *runner) queue(install bool) error {
	for n := 0; ; n++ {
		again, err := r.once(install)
		if err == nil && !again {
			return nil
		}
		if n == tries || err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("queue a call in %d: %w", r.pid, errors.Join(err, errFull(again)))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// errFull is what Py_AddPendingCall says when 32 calls wait.
func errFull(full bool) error {
	if full {
		return errors.New("its queue is full")
	}
	return nil
}

// once queues, with the main thread stopped; again if there was no room.
func (r *runner) once(install bool) (again bool, err error) {
	turn, over := context.WithTimeout(context.Background(), patience)
	defer over()
	t, err := tracee.TakeTurn(turn, r.pid)
	if err != nil {
		return false, err
	}
	defer func() {
		err = errors.Join(err, t.Detach())
		r.held, r.stops = max(r.held, t.Held().Longest), r.stops+t.Held().Stops
	}()
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	th := t.Main()
	if th == nil {
		return false, tracee.ErrEnded
	}
	if err := t.Stop(ctx, th); err != nil {
		return false, err
	}
	if r.page.here == nil {
		if r.page, err = share(ctx, t.Tracee, th); err != nil {
			return false, err
		}
	}
	got, err := t.Call(ctx, th, r.add, r.run, r.page.there+r.place(install))
	return int32(got) != 0, err
}

// place writes a statement into the page and tells where.
func (r *runner) place(install bool) uint64 {
	at, text := atRemove, remove(r.page.there)
	if install {
		at, text = atInstall, r.spec.install(r.page.there)
	}
	copy(r.page.here[at:], text+"\x00")
	return uint64(at)
}

// await waits until the program is in that state, and wakes it.
func (r *runner) await(state uint64) error {
	begun, limit := time.Now(), patience
	if r.spec.Act == Block {
		limit += r.spec.For
	}
	woken := begun.Add(-time.Hour)
	for {
		switch now := r.page.word(atState); {
		case now == state:
			return nil
		case now == failed:
			return errors.New(r.page.why())
		case time.Since(begun) > limit:
			return fmt.Errorf("the program did not run what was queued within %v, or can't write to /proc/self/mem", limit)
		}
		if time.Since(woken) > 20*time.Millisecond {
			woken = time.Now()
			poke(r.spec.Addr)
		}
		if r.end.Within(look) {
			return tracee.ErrEnded
		}
	}
}

// poke wakes a loop that sleeps by a connection that says nothing.
func poke(addr string) {
	if c, err := net.DialTimeout("tcp", addr, 100*time.Millisecond); err == nil {
		c.Close()
	}
}
