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

// period is the length of one period of the kernel's bandwidth control, µs: its
// own default, and 1 % of it the least that it takes. In each the subject runs until its quota is used up and then stands
// still, all of it (sched-bwc.rst; cgroup-v2.rst, cpu.max).
const period = 100_000

// cpu is a processor quota.
var cpu = room.Kind{
	Name: "cpu", Sentence: "limits the subject's processor time to a percentage of one processor (cgroup quota, periods of 100 ms)",
	Touches: "periods", Bites: "one period in which the kernel throttled the subject (nr_throttled)", Lifts: true, Alone: true,
	Host:   "root and a cgroup with controller cpu",
	Params: []param.Param{{Name: "percent", Type: param.Int, Unit: "% of one processor", Min: 1, Max: 100, Doc: "all its processes together"}},
	Probe:  func() error { return cgroups("cpu") },
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		quota, err := quotaOf(with)
		if err != nil {
			return nil, err
		}
		p, err := machine.open(t, "cpu")
		if err != nil {
			return nil, err
		}
		stop, err := watch(t, "periods", p.throttled)
		if err == nil {
			if err = p.limitCPU(quota); err != nil {
				stop()
			}
		}
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		return room.LiftFunc(func(context.Context) error { stop(); return p.close() }), nil
	},
}

// quotaOf is the time in one period, µs.
func quotaOf(with json.RawMessage) (int64, error) {
	var w struct{ Percent int64 }
	err := json.Unmarshal(with, &w)
	return w.Percent * period / 100, err
}

func (p *place) limitCPU(quota int64) error {
	if p.v2 {
		return p.change("cpu.max", fmt.Sprint(quota, " ", period))
	}
	if err := p.change("cpu.cfs_period_us", strconv.Itoa(period)); err != nil {
		return err
	}
	return p.change("cpu.cfs_quota_us", strconv.FormatInt(quota, 10))
}

func (p *place) throttled() (int64, string, error) {
	n, err := readKey(p.dir, "cpu.stat", "nr_throttled")
	return n, "throttled by " + p.dir, err
}
