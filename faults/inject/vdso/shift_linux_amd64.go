package vdso

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"faultbed/faults/inject/tracee"
	"golang.org/x/sys/unix"
)

// clear is how often a process is let go on because a thread was just at a place
// that is to change.
const clear = 100

// Proof is what a process's own clock said when it was asked, in the process.
type Proof struct {
	PID  int
	Read time.Time     // its wall clock
	Off  time.Duration // against this machine's
	Held time.Duration // the longest that one of its threads was stopped

	stops int64
}

// Shifted is a process whose wall clock is shifted.
type Shifted struct {
	Proof
	base  uint64
	jumps []edit // what was at the entries before
	ours  []edit // what is there now
}

// Shift shifts a process's wall clock by whole seconds and reads it back by a call
// of clock_gettime in the process. All its threads are stopped meanwhile. On an error
// the process is as it was.
func Shift(ctx context.Context, pid int, seconds int32) (*Shifted, error) {
	t, err := tracee.TakeTurn(ctx, pid)
	if err != nil {
		return nil, err
	}
	s, err := shift(ctx, t.Tracee, seconds)
	if err = errors.Join(err, t.Detach()); err != nil {
		return nil, err
	}
	s.measure(t.Tracee)
	return s, nil
}

func (p *Proof) measure(t *tracee.Tracee) {
	p.Held, p.stops = time.Duration(t.Held().Longest), t.Held().Stops
}

func shift(ctx context.Context, t *tracee.Tracee, seconds int32) (*Shifted, error) {
	base, end, err := t.Mapping("[vdso]")
	if err != nil {
		return nil, err
	}
	image := make([]byte, end-base)
	if err := t.Read(base, image); err != nil {
		return nil, err
	}
	replacements, jumps, err := plan(image, seconds)
	if err != nil {
		return nil, err
	}
	s := &Shifted{base: base, ours: jumps}
	for _, j := range jumps {
		s.jumps = append(s.jumps, edit{j.at, bytes.Clone(image[j.at : j.at+jumpLen])})
	}
	if err := stopClear(ctx, t, base, append(replacements, jumps...)); err != nil {
		return nil, err
	}
	err = errors.Join(write(t, base, replacements), write(t, base, jumps))
	if err == nil {
		s.Proof, err = ask(ctx, t, base+jumps[0].at)
	}
	if off := time.Duration(seconds) * time.Second; err == nil && (s.Off-off).Abs() > time.Second {
		err = fmt.Errorf("the clock of %d is %v off, not %v", t.PID, s.Off, off)
	}
	if err != nil {
		return nil, errors.Join(err, write(t, base, s.jumps))
	}
	return s, nil
}

// Restore puts the functions' entries back, verifies them, and reads the clock as
// Shift did. What stood in for the functions stays behind, unreachable, in the unused
// end of the page: a thread may be there. A process that has ended is no error.
func (s *Shifted) Restore(ctx context.Context) (Proof, error) {
	t, err := tracee.TakeTurn(ctx, s.PID)
	if errors.Is(err, tracee.ErrEnded) {
		return Proof{}, nil
	}
	if err != nil {
		return Proof{}, err
	}
	err = stopClear(ctx, t.Tracee, s.base, s.jumps)
	if err == nil {
		err = write(t.Tracee, s.base, s.jumps)
	}
	var p Proof
	if err == nil {
		p, err = ask(ctx, t.Tracee, s.base+s.jumps[0].at)
	}
	if err == nil && p.Off.Abs() > time.Second {
		err = fmt.Errorf("the clock of %d is still %v off", t.PID, p.Off)
	}
	if err = errors.Join(err, t.Detach()); errors.Is(err, tracee.ErrEnded) {
		return Proof{}, nil
	}
	p.measure(t.Tracee)
	return p, err
}

// stopClear stops all threads at an instant when none is at a place to change.
func stopClear(ctx context.Context, t *tracee.Tracee, base uint64, at []edit) error {
	for range clear {
		threads, err := t.StopAll(ctx)
		if err != nil {
			return err
		}
		inside := false
		for _, th := range threads {
			r, err := th.Regs()
			if err != nil {
				return err
			}
			for _, e := range at {
				inside = inside || r.Rip > base+e.at && r.Rip < base+e.at+uint64(len(e.want))
			}
		}
		if !inside {
			return nil
		}
		if err := t.ResumeAll(); err != nil {
			return err
		}
	}
	return fmt.Errorf("threads of %d are never out of the way", t.PID)
}

// write writes and verifies.
func write(t *tracee.Tracee, base uint64, edits []edit) error {
	for _, e := range edits {
		if err := t.Write(base+e.at, e.want); err != nil {
			return err
		}
		got := make([]byte, len(e.want))
		if err := t.Read(base+e.at, got); err != nil {
			return err
		}
		if !bytes.Equal(got, e.want) {
			return fmt.Errorf("vDSO of %d: wrote % x at %#x and read % x", t.PID, e.want, e.at, got)
		}
	}
	return nil
}

// askSize is the memory that a question takes: an answer, and a stack.
const askSize = 16384

// ask calls clock_gettime(CLOCK_REALTIME) in the process, on memory of its own.
func ask(ctx context.Context, t *tracee.Tracee, clockGettime uint64) (p Proof, err error) {
	th := t.Main()
	if th == nil {
		return p, errors.New("its first thread has ended")
	}
	mem, err := t.Map(ctx, th, askSize)
	if err != nil {
		return p, fmt.Errorf("memory in %d: %w", t.PID, err)
	}
	defer func() { err = errors.Join(err, t.Unmap(ctx, th, mem, askSize)) }()
	got, err := t.CallOn(ctx, th, mem+askSize-256, clockGettime, unix.CLOCK_REALTIME, mem)
	now := time.Now()
	if err != nil || int32(got) != 0 {
		return p, fmt.Errorf("clock_gettime in %d: %d, %w", t.PID, int32(got), err)
	}
	var ts [16]byte
	if err := t.Read(mem, ts[:]); err != nil {
		return p, err
	}
	read := time.Unix(int64(binary.LittleEndian.Uint64(ts[:])), int64(binary.LittleEndian.Uint64(ts[8:])))
	return Proof{PID: t.PID, Read: read, Off: read.Sub(now).Round(time.Millisecond)}, nil
}
