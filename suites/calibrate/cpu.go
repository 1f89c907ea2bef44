package calibrate

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// ticks is the unit of times in /proc/PID/stat, which is 100 a second for every
// reader (proc(5), USER_HZ).
const ticks = 100

// span is how long a share of the processor is measured: ten of the kernel's
// periods.
const span = time.Second

// cpuShares takes which part of one processor the relay's process got, in percent,
// while it had as much to do as it could, n times.
func cpuShares(n int) measurement {
	return func(ctx context.Context, b *bench, g gauge) (out []float64, err error) {
		pid := b.target(ctx, "g").PID
		err = b.under(ctx, g, func(addr string) error {
			stop, err := b.busy(ctx, addr)
			if err != nil {
				return err
			}
			defer stop()
			out, err = again(n, func() (float64, error) { return share(pid) })
			return err
		})
		return out, err
	}
}

// busy has the relay pass on all that it can until stop is called.
func (b *bench) busy(ctx context.Context, addr string) (stop func(), err error) {
	l, err := dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	var over atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !over.Load() && l.ask(1<<20) == nil {
		}
	}()
	return func() { over.Store(true); l.Close(); <-done }, nil
}

func share(pid int) (float64, error) {
	from, err := spent(pid)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	time.Sleep(span)
	to, err := spent(pid)
	return 100 * (to - from) / time.Since(begun).Seconds(), err
}

// spent is the processor time of a process so far, s.
func spent(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(f))
	}
	user, err := strconv.Atoi(f[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(f[12])
	return float64(user+system) / ticks, err
}
