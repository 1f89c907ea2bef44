package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// pids is a limit on tasks, which threads are too. Only fork(2) and clone(2) fail of
// it, with EAGAIN: a subject that starts neither feels nothing.
var pids = room.Kind{
	Name: "pids", Sentence: "limits how many processes and threads the subject may have (cgroup)",
	Touches: "forks", Lifts: true, Alone: true, Bites: "one process or thread that the kernel refused the subject (max of pids.events)",
	Host: "root and a cgroup with controller pids",
	Params: []param.Param{{Name: "headroom", Type: param.Int, Unit: "tasks", Min: 0, Max: 1 << 20, Default: int64(0),
		Doc: "so many more than there are at that moment"}},
	Probe: func() error { return cgroups("pids") },
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var w struct{ Headroom int64 }
		if err := json.Unmarshal(with, &w); err != nil {
			return nil, err
		}
		p, err := machine.open(t, "pids")
		if err != nil {
			return nil, err
		}
		stop, err := watch(t, "forks", p.refusedForks)
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		lift := room.LiftFunc(func(context.Context) error { stop(); return p.close() })
		if err := p.limitPIDs(w.Headroom); err != nil {
			return nil, errors.Join(err, lift(context.Background()))
		}
		return lift, nil
	},
}

// limitPIDs sets the limit. It is no error to set it below what is there already
// (cgroup-v2.rst, "PID"): then nothing more can be started.
func (p *place) limitPIDs(headroom int64) error {
	n, err := readInt(p.dir, "pids.current")
	if err != nil {
		return err
	}
	return p.change("pids.max", strconv.FormatInt(n+headroom, 10))
}

func (p *place) refusedForks() (int64, string, error) {
	n, err := readKey(p.dir, "pids.events", "max")
	is, _ := readInt(p.dir, "pids.current")
	return n, fmt.Sprintf("%d tasks in %s", is, p.dir), err
}
