package inject

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"faultbed/faults/inject/line"
	"faultbed/faults/room"
	"faultbed/reports/history"
)

// deadline is when an injector lets go by itself, whatever it was told. It is longer
// than any plan: a faultbed that dies ends the lease, long before.
const deadline = 25 * time.Hour

// injector is a running cmd/injector.
type injector struct {
	t     room.Target
	lease io.Closer // its standard input
	ready chan line.Line
	ended chan struct{} // closed when all that follows is set
	last  line.Line
	err   error

	unit     string // of its bites; empty: requests
	requests int    // that were hit
}

// Program finds the injector's program: where FAULTBED_INJECTOR says, beside this
// program, or in the source tree's bin.
func Program() (string, error) {
	exe, _ := os.Executable()
	tried := []string{os.Getenv("FAULTBED_INJECTOR"), filepath.Join(filepath.Dir(exe), "injector")}
	wd, _ := os.Getwd()
	for dir := wd; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		tried = append(tried, filepath.Join(dir, "bin", "injector"))
	}
	for _, p := range tried {
		if st, err := os.Stat(p); p != "" && err == nil && st.Mode().IsRegular() {
			return p, nil
		}
	}
	return "", errors.New("the program injector is not beside faultbed: make build")
}

// begin starts an injector on a process and waits until it is ready to act. Its
// standard input is its lease: it lets go when we close it or are no more. So it is
// never killed, and ctx bounds only the wait.
func begin(ctx context.Context, t room.Target, pid int, args ...string) (*injector, error) {
	return beginFor(ctx, t, "", pid, args...)
}

// beginFor is begin for bites in another unit.
func beginFor(ctx context.Context, t room.Target, unit string, pid int, args ...string) (*injector, error) {
	if pid <= 0 {
		return nil, errors.New("the subject's process can't be seen from here")
	}
	program, err := Program()
	if err != nil {
		return nil, err
	}
	args = append(args, "--pid="+strconv.Itoa(pid), "--deadline="+deadline.String())
	cmd := exec.Command(program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "FAULTBED_RUN=" + t.Run}
	apart(cmd)
	i := &injector{t: t, unit: unit, ready: make(chan line.Line, 1), ended: make(chan struct{})}
	if err := i.start(cmd); err != nil {
		return nil, fmt.Errorf("injector: %w", err)
	}
	select {
	case <-i.ready:
		return i, nil
	case <-i.ended:
		return nil, cmp.Or(i.err, errors.New("injector: it ended before it was ready"))
	case <-ctx.Done():
		i.lease.Close()
		<-i.ended
		return nil, ctx.Err()
	}
}

// start runs the program and follows what it says.
func (i *injector) start(cmd *exec.Cmd) error {
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	i.lease = in
	go func() {
		defer close(i.ended)
		err := line.Read(out, i.take)
		code := cmd.Wait()
		if err = errors.Join(err, i.err); err == nil && code != nil {
			err = fmt.Errorf("%w: %s", code, strings.TrimSpace(complaint.String()))
		}
		if err != nil {
			i.err = fmt.Errorf("injector: %w", err)
		}
	}()
	return nil
}

// take notes one line.
func (i *injector) take(l line.Line) bool {
	i.last = l
	switch l.Event {
	case line.Ready:
		i.ready <- l
		i.note(l, "armed")
	case line.Fired:
		i.fired(l)
	case line.Detached:
		i.detached(l)
	case line.Unsupported, line.Failed:
		i.err = errors.Join(i.err, errors.New(l.Why))
	}
	return true
}

// fired notes a request that was hit, which is a bite. A process that was is one
// only when it has ended.
func (i *injector) fired(l line.Line) {
	if i.unit != "" {
		i.requests++
		i.t.Note(history.Event{T: l.T, Kind: history.Bite, PID: l.PID, Count: 1, Via: i.unit, Detail: cmp.Or(l.What, l.Path)})
		return
	}
	if l.Path == "" {
		i.note(l, fmt.Sprintf("fired, thread held for %v", time.Duration(l.Held)))
		return
	}
	i.requests++
	i.t.Note(history.Event{T: l.T, Kind: history.Bite, PID: l.PID, Count: 1, Via: "requests",
		Detail: l.Path + where(l)})
}

// where is what the injector knows beside the request, if it was the one that hit it.
func where(l line.Line) string {
	if l.Func == "" {
		return " said the program itself"
	}
	return fmt.Sprintf(" in %s, thread %d held for %v", l.Func, l.TID, time.Duration(l.Held))
}

func (i *injector) detached(l line.Line) {
	if l.Fired > 0 && i.requests == 0 && l.Ended != "" {
		i.t.Note(history.Event{T: l.T, Kind: history.Bite, PID: l.PID, Count: 1, Via: "processes", Detail: fmt.Sprintf("process %d ended", l.PID)})
	}
	i.note(l, fmt.Sprintf("let go, %d fired, longest of %d stops %v", l.Fired, l.Stops, time.Duration(l.Held)))
}

func (i *injector) note(l line.Line, detail string) {
	i.t.Note(history.Event{T: l.T, Kind: history.Note, PID: l.PID, Detail: detail})
}

// await waits until it has let go by itself.
func (i *injector) await(ctx context.Context) error {
	select {
	case <-i.ended:
	case <-ctx.Done():
		i.lease.Close()
		<-i.ended
	}
	return i.err
}

// Lift has it let go, and checks that it did. That takes milliseconds; if ctx ends
// before, the injector still lets go by itself.
func (i *injector) Lift(ctx context.Context) error {
	i.lease.Close()
	select {
	case <-i.ended:
	case <-ctx.Done():
		return fmt.Errorf("injector: it has not let go: %w", ctx.Err())
	}
	if i.err == nil && i.last.Event != line.Detached {
		return fmt.Errorf("injector: its last word was %s", i.last.Event)
	}
	return i.err
}
