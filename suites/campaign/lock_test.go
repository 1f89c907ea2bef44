package campaign

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"faultbed/fixtures/engine"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// locked is a run that lives until the file is closed; its lock file stays, as
// after a SIGKILL.
func locked(t *testing.T) (run string, held *os.File) {
	t.Helper()
	run = NewRunID()
	held, err := lock(run)
	must(t, err)
	t.Cleanup(func() { os.Remove(lockPath(run)) })
	return run, held
}

func TestARunLivesAsLongAsItsLockIsHeld(t *testing.T) {
	run, held := locked(t)
	for range 2 { // to ask must not take the lock away
		if !Alive(run) {
			t.Error("a run that holds its lock is taken for dead")
		}
	}
	must(t, held.Close())
	if Alive(run) {
		t.Error("a run that let its lock go is taken for living")
	}
	must(t, os.Remove(lockPath(run)))
	if Alive(run) {
		t.Error("a run without a lock file is taken for living")
	}
}

// TestThoseWhoAskDoNotMeet: two that ask about a dead run at the same time must
// not take each other's question for its life.
func TestThoseWhoAskDoNotMeet(t *testing.T) {
	run, held := locked(t)
	must(t, held.Close())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if Alive(run) {
					t.Error("a dead run is taken for living")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestOnlyRunIDsAreRunIDs(t *testing.T) {
	if id := NewRunID(); !isRunID(id) {
		t.Errorf("%s is none", id)
	}
	for _, s := range []string{"", "cache", "20260101-000000", "20260101-000000-0123456", "20260101-000000-0123456g",
		"x20260101-000000-01234567", "20260101-000000-01234567.lock", "20260101-000000-01234567/..", "abcdefgh-ijklmn-opqrstuv"} {
		if isRunID(s) {
			t.Errorf("%q is taken for a run's", s)
		}
	}
}

func TestDeadAreThoseThatNeitherLiveNorLived(t *testing.T) {
	lives, held := locked(t)
	defer held.Close()
	of := func(run string) engine.Leftover { return engine.Leftover{Kind: "container", ID: "c", Run: run} }
	ended, killed := NewRunID(), NewRunID()
	got := dead([]engine.Leftover{of(lives), of(ended), of(killed)}, []engine.Leftover{of(ended)})
	if want := []engine.Leftover{of(killed)}; !slices.Equal(got, want) {
		t.Errorf("dead: %v, want %v", got, want)
	}
}

func TestOutMustBeNewOrEmpty(t *testing.T) {
	dir := t.TempDir()
	must(t, makeOut(filepath.Join(dir, "a", "b")))
	must(t, makeOut(filepath.Join(dir, "a", "b")))
	if err := makeOut(dir); !errors.Is(err, ErrInput) {
		t.Errorf("a folder with something in it: %v", err)
	}
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o644))
	if err := makeOut(file); !errors.Is(err, ErrInput) {
		t.Errorf("a file: %v", err)
	}
}

// TestALockThatIsRemovedIsMadeAgain: another faultbed takes the run for dead between
// its open and its flock.
func TestALockThatIsRemovedIsMadeAgain(t *testing.T) {
	run, other := locked(t) // its flock keeps ours waiting
	got := make(chan *os.File, 1)
	go func() {
		f, err := lock(run)
		if err != nil {
			t.Error(err)
		}
		got <- f
	}()
	time.Sleep(50 * time.Millisecond)
	must(t, os.Remove(lockPath(run)))
	must(t, other.Close())
	f := <-got
	defer f.Close()
	if !isAt(f, lockPath(run)) || !Alive(run) {
		t.Error("the lock is on a file that was removed")
	}
	must(t, discard(lockPath(run)))
	if !Alive(run) {
		t.Error("a lock that is held was removed")
	}
	must(t, f.Close())
	must(t, discard(lockPath(run)))
	must(t, discard(lockPath(run)))
	if _, err := os.Stat(lockPath(run)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a lock that nobody holds stays: %v", err)
	}
}

// TestALockThatCantBeOpenedIsNotDead: here too many links lead to it.
func TestALockThatCantBeOpenedIsNotDead(t *testing.T) {
	run := NewRunID()
	must(t, os.Symlink(filepath.Base(lockPath(run)), lockPath(run)))
	defer os.Remove(lockPath(run))
	if !Alive(run) {
		t.Error("taken for dead")
	}
}
