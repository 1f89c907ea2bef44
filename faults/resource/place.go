package resource

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"faultbed/faults/room"
	"faultbed/proxy/pidfd"
)

// errNoProcess is a subject on another kernel, or one that is gone.
var errNoProcess = errors.New("the subject's process can't be seen from here")

// place is the cgroup in which one fault sets its limits.
type place struct {
	group
	h     host
	own   *own // nil in a container
	set   []setting
	holds string // key of the limit that this fault alone may change
}

// setting is a file and what stood in it.
type setting struct{ file, was string }

// own is a cgroup that was made for a subject's processes.
type own struct {
	dir, home string
	refs      int
}

var (
	mu    sync.Mutex
	owns  = map[string]*own{}
	taken = map[string]bool{}
)

// open is the cgroup in which a subject's limit of a controller is set. Two faults
// at a time can't have the same limit: which value would the first lift restore?
func (h host) open(t room.Target, controller string) (*place, error) {
	if t.PID <= 0 {
		return nil, errNoProcess
	}
	g, err := h.groupOf(t.PID, controller)
	if err != nil {
		return nil, err
	}
	mu.Lock()
	defer mu.Unlock()
	p := &place{group: g, h: h, holds: fmt.Sprint(controller, " of ", t.PID)}
	if taken[p.holds] {
		return nil, fmt.Errorf("another fault holds the subject's %s limit", controller)
	}
	switch {
	case t.Container == "":
		err = p.enter(t, controller)
	case !strings.Contains(g.dir, t.Container): // it might be everybody's
		err = fmt.Errorf("cgroup %s is not the container's own", g.dir)
	}
	if err != nil {
		return nil, err
	}
	taken[p.holds] = true
	return p, nil
}

// mark is the name of the cgroup for one subject of a run: the trials of a run that
// are under way at the same time all have a subject-0.
func mark(t room.Target) string { return fmt.Sprintf("faultbed-%s-%s-%d", t.Run, t.Node, t.PID) }

// enter moves the subject's processes into a cgroup of their own. In v2 it is the
// same one for all controllers.
func (p *place) enter(t room.Target, controller string) error {
	name := mark(t)
	if o := owns[p.dir]; o != nil && filepath.Base(p.dir) == name {
		o.refs++
		p.own = o
		return nil
	}
	above, err := p.parent(controller)
	if err != nil {
		return err
	}
	o := &own{dir: filepath.Join(above, name), home: p.dir, refs: 1}
	if err := p.h.mkdir(o.dir); err != nil {
		return fmt.Errorf("make a cgroup: %w", err)
	}
	if err := gather(o.dir, t.PID); err != nil {
		return errors.Join(err, p.h.dissolve(o.dir, o.home))
	}
	owns[o.dir], p.own, p.dir = o, o, o.dir
	return nil
}

// gather moves a process and all below it into a cgroup; again, until none was
// born outside meanwhile.
func gather(dir string, pid int) error {
	in := map[int]bool{}
	for range 20 {
		late := 0
		for _, p := range append([]int{pid}, pidfd.Descendants(pid)...) {
			if in[p] {
				continue
			}
			if err := write(dir, "cgroup.procs", strconv.Itoa(p)); err != nil && !gone(err) {
				return fmt.Errorf("move %d into a cgroup: %w", p, err)
			}
			in[p] = true
			late++
		}
		if late == 0 {
			return nil
		}
	}
	return errors.New("the subject starts processes faster than they can be moved into a cgroup")
}

// dissolve moves what is in a cgroup of ours home, and removes it. A process that
// just ended may keep it for some milliseconds.
func (h host) dissolve(dir, home string) error {
	var err error
	for range 100 {
		s, _ := readFile(dir, "cgroup.procs")
		for _, pid := range strings.Fields(s) {
			if bad := write(home, "cgroup.procs", pid); bad != nil && !gone(bad) {
				return fmt.Errorf("move %s out of %s: %w", pid, dir, bad)
			}
		}
		if err = h.rmdir(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("remove cgroup: %w", err)
}

// change sets a limit, reads back that it holds, and remembers what was.
func (p *place) change(file, value string) error {
	was, err := readFile(p.dir, file)
	if err != nil {
		return err
	}
	if err := write(p.dir, file, value); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	p.set = append(p.set, setting{file, was})
	if is, err := readFile(p.dir, file); err != nil || is != value {
		return errors.Join(fmt.Errorf("%s is %s, not %s", file, is, value), err)
	}
	return nil
}

// close restores every limit, the last first, and gives the cgroup up. One that is
// gone with its container has none.
func (p *place) close() error {
	mu.Lock()
	defer mu.Unlock()
	delete(taken, p.holds)
	var errs []error
	for i := len(p.set) - 1; i >= 0; i-- {
		errs = append(errs, p.restore(p.set[i]))
	}
	if p.own != nil {
		if p.own.refs--; p.own.refs == 0 {
			delete(owns, p.own.dir)
			errs = append(errs, p.h.dissolve(p.own.dir, p.own.home))
		}
	}
	return errors.Join(errs...)
}

func (p *place) restore(s setting) error {
	err := write(p.dir, s.file, s.was)
	if gone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("restore %s: %w", s.file, err)
	}
	is, err := readFile(p.dir, s.file)
	if err == nil && is != s.was {
		return fmt.Errorf("%s is %s, not %s as it was", s.file, is, s.was)
	}
	if gone(err) {
		return nil
	}
	return err
}
