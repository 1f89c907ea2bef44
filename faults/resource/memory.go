package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"faultbed/faults/param"
	"faultbed/faults/room"
	"faultbed/proxy/pidfd"
)

// memory is a memory limit. A limit alone kills nobody: the kernel first takes back
// what it can, and kills a process of the group when that is not enough for the
// next page that one asks for. So a limit near the use, and load, is what kills.
var memory = room.Kind{
	Name: "memory", Sentence: "limits the subject's memory (cgroup), so that what the load makes it need beyond ends in reclaim and then in an OOM kill",
	Touches: "limit hits", Lifts: true, Alone: true,
	Bites: "one time that the use met the limit (failcnt, or max of memory.events); the detail says how many processes were killed",
	Host:  "root and a cgroup with controller memory",
	Params: []param.Param{
		{Name: "bytes", Type: param.Int, Unit: "bytes", Max: 1 << 40, Default: int64(0), Doc: "the limit, unless it is 0; what the subject uses already must fit (v1 refuses less)"},
		{Name: "headroom", Type: param.Int, Unit: "bytes", Min: 0, Max: 1 << 40, Unless: "bytes", Doc: "so much more than the subject uses at that moment, without caches of files: those the kernel takes back first"},
		{Name: "squeeze", Type: param.Enum, Of: []string{"no", "yes"}, Default: "no", Doc: "yes: a process of ours in the same cgroup takes what is left, and the subject is the first that the kernel may kill (the limit is rounded up to 1000 pages)"},
	},
	Probe: func() error { return cgroups("memory") },
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var w memoryWith
		if err := json.Unmarshal(with, &w); err != nil {
			return nil, err
		}
		p, err := machine.open(t, "memory")
		if err != nil {
			return nil, err
		}
		stop, err := watch(t, "limit hits", p.memoryHits)
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		s := &squeeze{was: map[int]string{}}
		lift := room.LiftFunc(func(context.Context) error {
			err := s.end() // before the limit: it would take more
			stop()
			return errors.Join(err, p.close())
		})
		if err = p.limitMemory(t.PID, w); err == nil && w.Squeeze == "yes" {
			err = s.begin(t, p.dir)
		}
		if err != nil {
			return nil, errors.Join(err, lift(context.Background()))
		}
		return lift, nil
	},
}

type memoryWith struct {
	Bytes, Headroom int64
	Squeeze         string
}

// memoryFiles are what a version of cgroups calls it.
type memoryFiles struct{ use, limit, swap string }

func (p *place) memoryFiles() memoryFiles {
	if p.v2 {
		return memoryFiles{"memory.current", "memory.max", "memory.swap.max"}
	}
	return memoryFiles{"memory.usage_in_bytes", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"}
}

// limitMemory sets the limit. A subject allocates while it is being read what it
// uses, so one that was exceeded meanwhile is tried again a little higher.
func (p *place) limitMemory(pid int, w memoryWith) error {
	f := p.memoryFiles()
	var err error
	for range 10 {
		var use int64
		if use, err = p.kept(f); err != nil {
			return err
		}
		n := use + w.Headroom
		if w.Bytes > 0 {
			n = w.Bytes - p.elsewhere(pid)
		}
		if n < use {
			return fmt.Errorf("the subject uses %d bytes already, more than the limit", use+w.Bytes-n)
		}
		if err = p.change(f.limit, pages(n, w.Squeeze == "yes")); !busy(err) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		return err
	}
	return p.limitSwap(f)
}

// kept is what the subject uses and can't be taken back, without swapping.
func (p *place) kept(f memoryFiles) (int64, error) {
	n, err := readInt(p.dir, f.use)
	for _, key := range []string{"active_file", "inactive_file"} {
		cache, bad := readKey(p.dir, "memory.stat", key)
		n, err = n-cache, errors.Join(err, bad)
	}
	return max(n, 0), err
}

// limitSwap keeps the subject from going to disk instead: v2 has a limit of its own
// for that, v1 one for both together, which gets a page more, because the kernel
// asks it first and does not count its refusals. Without swap accounting there is
// neither.
func (p *place) limitSwap(f memoryFiles) error {
	limit, err := readInt(p.dir, f.limit)
	if err != nil {
		return err
	}
	swap := "0"
	if !p.v2 {
		swap = pages(limit+int64(os.Getpagesize()), false)
	}
	if err := p.change(f.swap, swap); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// pages is a number of bytes in whole pages, as the kernel keeps limits: what it is
// asked for is what is read back. To choose whom to kill it reckons in thousandths
// of the limit, cut to whole pages, so that oom_score_adj is nothing below 1000
// pages: choosing rounds up to a multiple of that.
func pages(n int64, choosing bool) string {
	size := int64(os.Getpagesize())
	n = max(n/size, 1)
	if choosing {
		n = (n + 999) / 1000 * 1000
	}
	return strconv.FormatInt(n*size, 10)
}

// elsewhere is what the subject uses that is not counted in its cgroup: memory stays
// where it was when a process moves (memory.rst, "move charges"; cgroup-v2.rst,
// "memory ownership"), so one that was made for it counts new memory only.
func (p *place) elsewhere(pid int) (n int64) {
	if p.own == nil {
		return 0
	}
	for _, pid := range append([]int{pid}, pidfd.Descendants(pid)...) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if f := strings.Fields(string(b)); len(f) > 2 {
			resident, _ := strconv.ParseInt(f[1], 10, 64)
			shared, _ := strconv.ParseInt(f[2], 10, 64)
			n += (resident - shared) * int64(os.Getpagesize())
		}
	}
	return n
}

// memoryHits counts how often the use met the limit.
func (p *place) memoryHits() (n int64, detail string, err error) {
	stat := "memory.oom_control"
	if p.v2 {
		stat = "memory.events"
		n, err = readKey(p.dir, stat, "max")
	} else {
		n, err = readInt(p.dir, "memory.failcnt")
	}
	if err != nil {
		return 0, "", err
	}
	kills, err := readKey(p.dir, stat, "oom_kill")
	return n, fmt.Sprintf("killed for want of memory: %d processes of %s", kills, p.dir), err
}
