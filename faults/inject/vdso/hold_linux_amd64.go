package vdso

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"faultbed/faults/inject/line"
	"faultbed/faults/inject/tracee"
	"faultbed/reports/history"
)

// shiftTime bounds the shift of one process, and its end.
const shiftTime = 5 * time.Second

// Hold shifts the wall clocks of some processes by whole seconds until ctx ends:
// FIRED for each whose clock was read back so, then READY, and DETACHED when all are
// right again, or gone. It asks for the processes once more at the end, for those that
// were forked meanwhile have inherited the shift.
func Hold(ctx context.Context, processes func() []int, offset time.Duration, say func(line.Line)) error {
	var shifted []*Shifted
	pids := processes()
	for _, pid := range pids {
		s, err := shiftOne(pid, offset)
		if errors.Is(err, tracee.ErrEnded) && pid != pids[0] {
			continue // a worker that is gone
		}
		if err != nil {
			_, undone := restoreAll(shifted)
			return errors.Join(err, undone)
		}
		shifted = append(shifted, s)
		say(line.Line{Event: line.Fired, T: history.Now(), PID: pid, Held: int64(s.Held), What: s.String()})
	}
	say(line.Line{Event: line.Ready, T: history.Now(), PID: pids[0]})
	<-ctx.Done()
	for _, pid := range processes() {
		if i := slices.IndexFunc(shifted, func(s *Shifted) bool { return s.PID != pid && s.inheritedBy(pid) }); i >= 0 && !known(shifted, pid) {
			heir := *shifted[i]
			heir.PID = pid
			shifted = append(shifted, &heir)
		}
	}
	back, err := restoreAll(shifted)
	if err != nil {
		return err
	}
	gone := line.Line{Event: line.Detached, T: history.Now(), PID: pids[0], Fired: len(shifted)}
	for _, p := range back {
		gone.Held, gone.Stops = max(gone.Held, int64(p.Held)), gone.Stops+p.stops
	}
	say(gone)
	return nil
}

func known(shifted []*Shifted, pid int) bool {
	return slices.ContainsFunc(shifted, func(s *Shifted) bool { return s.PID == pid })
}

// inheritedBy tells whether a process has our jumps at the same place.
func (s *Shifted) inheritedBy(pid int) bool {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return false
	}
	defer mem.Close()
	got := make([]byte, jumpLen)
	for _, j := range s.ours {
		if _, err := mem.ReadAt(got, int64(s.base+j.at)); err != nil || !bytes.Equal(got, j.want) {
			return false
		}
	}
	return true
}

func shiftOne(pid int, offset time.Duration) (*Shifted, error) {
	ctx, cancel := context.WithTimeout(context.Background(), shiftTime)
	defer cancel()
	return Shift(ctx, pid, int32(offset/time.Second))
}

// restoreAll restores all that can be, and gives what each clock then said.
func restoreAll(shifted []*Shifted) ([]Proof, error) {
	var (
		out  []Proof
		errs []error
	)
	for _, s := range shifted {
		ctx, cancel := context.WithTimeout(context.Background(), shiftTime)
		p, err := s.Restore(ctx)
		cancel()
		out, errs = append(out, p), append(errs, err)
	}
	return out, errors.Join(errs...)
}

func (p Proof) String() string {
	return fmt.Sprintf("process %d reads %s, %v off, threads stopped for %v at most", p.PID, p.Read.UTC().Format(time.RFC3339), p.Off, p.Held.Round(10*time.Microsecond))
}
