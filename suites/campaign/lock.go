package campaign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"faultbed/fixtures/engine"
	"faultbed/fixtures/topology"
)

// lockPath is a file whose flock(2) is held as long as the run's faultbed
// lives, also if it is killed: the kernel lets go.
func lockPath(run string) string { return filepath.Join(os.TempDir(), "faultbed-"+run+".lock") }

func lock(run string) (*os.File, error) {
	f, err := os.OpenFile(lockPath(run), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock of run %s: %w", run, err)
	}
	return f, nil
}

// Alive tells whether the faultbed of a run still lives.
func Alive(run string) bool {
	f, err := os.OpenFile(lockPath(run), os.O_RDWR, 0o644)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// Leftovers is what earlier runs left in both runtimes: containers, networks,
// processes, and files of the process runtime. What belongs to a run that lives
// is not listed.
func Leftovers(ctx context.Context) ([]engine.Leftover, error) {
	ls, err := topology.Processes("")
	if err != nil {
		return nil, err
	}
	e, err := engine.Open(ctx, "clean")
	if err == nil {
		defer e.Close()
		more, err := e.Leftovers(ctx, "")
		if err != nil {
			return nil, err
		}
		ls = append(ls, more...)
	} else if !errors.Is(err, engine.ErrNone) {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(os.TempDir(), "faultbed-*"))
	for _, f := range files {
		run := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "faultbed-"), ".lock")
		if isRunID(run) {
			ls = append(ls, engine.Leftover{Kind: "file", ID: f, Name: filepath.Base(f), Run: run})
		}
	}
	return others(ls, ""), err
}

// isRunID keeps clean away from files that are not a run's.
func isRunID(s string) bool {
	parts := strings.Split(s, "-")
	return len(parts) == 3 && len(parts[0]) == 8 && len(parts[1]) == 6 && len(parts[2]) == 8
}

// Clean removes leftovers and returns what is still there.
func Clean(ctx context.Context, ls []engine.Leftover) ([]engine.Leftover, error) {
	errs := []error{topology.KillAll(ls)}
	if e, err := engine.Open(ctx, "clean"); err == nil {
		errs = append(errs, e.Remove(ctx, ls))
		e.Close()
	}
	for _, l := range ls {
		if l.Kind == "file" {
			errs = append(errs, os.RemoveAll(l.ID))
		}
	}
	left, err := Leftovers(ctx)
	return left, errors.Join(append(errs, err)...)
}
