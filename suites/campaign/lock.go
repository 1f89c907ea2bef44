package campaign

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"faultbed/faults"
	"faultbed/fixtures/engine"
	"faultbed/fixtures/topology"
)

// place is where locks and subjects' files are. It is no user's TMPDIR: every
// faultbed of the machine must see which runs live.
const place = "/tmp"

// lockPath is a file whose flock(2) is held as long as the run's faultbed
// lives, also if it is killed: the kernel lets go.
func lockPath(run string) string { return tmpPath(run) + ".lock" }

// tmpPath is the folder of a run's files in the process runtime.
func tmpPath(run string) string { return filepath.Join(place, "faultbed-"+run) }

// lock makes the run one that lives, until the file is closed. Between open and
// flock another faultbed may take the run for dead and remove the file: then that
// lock is nobody's, and it is made again.
func lock(run string) (*os.File, error) {
	for {
		f, err := os.OpenFile(lockPath(run), os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrEnvironment, err)
		}
		// It waits for nobody but one that asks just now whether the run lives.
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			f.Close()
			return nil, fmt.Errorf("%w: lock of run %s: %w", ErrEnvironment, run, err)
		}
		if isAt(f, lockPath(run)) {
			return f, nil
		}
		f.Close()
	}
}

// isAt tells whether a path leads to an open file.
func isAt(f *os.File, path string) bool {
	open, err := f.Stat()
	there, bad := os.Stat(path)
	return err == nil && bad == nil && os.SameFile(open, there)
}

// Alive tells whether the faultbed of a run still lives. The lock is asked for
// shared, so that two who ask don't take each other for the run. One whose lock
// can't be opened, for want of descriptors or of the right to, is not taken for dead.
func Alive(run string) bool {
	f, err := os.Open(lockPath(run))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// Leftovers is what earlier runs left in both runtimes: containers, networks,
// processes, and files. What belongs to a run that lives is not listed.
func Leftovers(ctx context.Context) ([]engine.Leftover, error) {
	e, err := engine.Open(ctx, "clean")
	if errors.Is(err, engine.ErrNone) {
		return leftovers(ctx, nil)
	}
	if err != nil {
		return nil, err
	}
	defer e.Close()
	return leftovers(ctx, e)
}

// leftovers looks at the engine too, if there is one. A run may end while its
// things are being listed, so those that lived before count as living.
func leftovers(ctx context.Context, e *engine.Engine) ([]engine.Leftover, error) {
	lived, err := files()
	if err != nil {
		return nil, err
	}
	lived = slices.DeleteFunc(lived, func(l engine.Leftover) bool { return !Alive(l.Run) })
	var ls []engine.Leftover
	if e != nil {
		if ls, err = e.Leftovers(ctx, ""); err != nil {
			return nil, err
		}
	}
	ps, err := topology.Processes("")
	if err != nil {
		return nil, err
	}
	fi, err := files()
	if err != nil {
		return nil, err
	}
	ms, err := marks(ctx)
	return dead(slices.Concat(ls, ps, fi, ms), lived), err
}

// marks are what faults left on this machine outside any subject.
func marks(ctx context.Context) (ls []engine.Leftover, err error) {
	for _, c := range faults.Cleaners() {
		found, bad := c.Leftovers(ctx)
		err = errors.Join(err, bad)
		for _, l := range found {
			ls = append(ls, engine.Leftover(l))
		}
	}
	return ls, err
}

// unmarked removes what a run's faults left, which is a defect that it tells.
func unmarked(ctx context.Context, run string) error {
	ls, err := marks(ctx)
	ls = slices.DeleteFunc(ls, func(l engine.Leftover) bool { return l.Run != run })
	if err != nil || len(ls) == 0 {
		return err
	}
	return errors.Join(fmt.Errorf("%d things were left by the run's faults, such as %s %s: removed", len(ls), ls[0].Kind, ls[0].Name), unmark(ctx, ls))
}

// unmark removes them.
func unmark(ctx context.Context, ls []engine.Leftover) (err error) {
	for _, c := range faults.Cleaners() {
		found, bad := c.Leftovers(ctx)
		err = errors.Join(err, bad)
		for _, l := range found {
			if slices.Contains(ls, engine.Leftover(l)) {
				err = errors.Join(err, c.Remove(ctx, l))
			}
		}
	}
	return err
}

// files are the lock files and folders of all runs.
func files() ([]engine.Leftover, error) {
	var ls []engine.Leftover
	paths, err := filepath.Glob(filepath.Join(place, "faultbed-*"))
	for _, f := range paths {
		run := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "faultbed-"), ".lock")
		if isRunID(run) {
			ls = append(ls, engine.Leftover{Kind: "file", ID: f, Name: filepath.Base(f), Run: run})
		}
	}
	return ls, err
}

// dead are the things whose run neither lives nor is among those that lived.
func dead(ls, lived []engine.Leftover) []engine.Leftover {
	var out []engine.Leftover
	for _, l := range ls {
		if !Alive(l.Run) && !slices.ContainsFunc(lived, func(x engine.Leftover) bool { return x.Run == l.Run }) {
			out = append(out, l)
		}
	}
	return out
}

var runID = regexp.MustCompile(`^\d{8}-\d{6}-[0-9a-f]{8}$`)

// isRunID keeps clean away from files that are not a run's.
func isRunID(s string) bool { return runID.MatchString(s) }

// Clean removes leftovers and returns what is still there.
func Clean(ctx context.Context, ls []engine.Leftover) ([]engine.Leftover, error) {
	errs := []error{topology.KillAll(ls)}
	if e, err := engine.Open(ctx, "clean"); err == nil {
		errs = append(errs, e.Remove(ctx, ls))
		e.Close()
	}
	errs = append(errs, unmark(ctx, ls)) // after the processes that the marks are about
	for _, l := range ls {
		if l.Kind == "file" {
			errs = append(errs, discard(l.ID))
		}
	}
	left, err := Leftovers(ctx)
	return left, errors.Join(append(errs, err)...)
}

// discard removes a run's file or folder. A lock is removed only by who holds it, so
// that one which was taken since it was listed stays.
func discard(path string) error {
	if filepath.Ext(path) != ".lock" {
		return os.RemoveAll(path)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || err == nil && !isAt(f, path) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	return os.Remove(path)
}
