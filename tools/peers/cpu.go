package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// anywhere is no core in particular.
const anywhere = -1

// startOn starts cmd on one core, if there are two to keep client and server
// apart. The child inherits the thread's affinity, and a Go program sizes its
// scheduler by it.
func startOn(core int, cmd *exec.Cmd) error {
	if core == anywhere || runtime.NumCPU() < 2 {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("affinity: %w", err)
	}
	one.Set(nth(before, core))
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("affinity: %w", err)
	}
	err := cmd.Start()
	return firstErr(err, unix.SchedSetaffinity(0, &before))
}

// nth is the n-th core that this process may use.
func nth(set unix.CPUSet, n int) int {
	for cpu := 0; ; cpu++ {
		if set.IsSet(cpu) {
			if n == 0 {
				return cpu
			}
			n--
		}
	}
}

func firstErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// usage is a reading of who used the machine's cores.
type usage struct {
	at     time.Time
	busy   time.Duration // all cores, all processes
	server time.Duration
	own    time.Duration // this process without its children
}

func read(server int) (usage, error) {
	busy, err := machine()
	if err != nil {
		return usage{}, err
	}
	srv, err := process(server)
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return usage{time.Now(), busy, srv, spent(&r)}, err
}

// foreign is the share of one core that others used between two readings: not
// the server, not this process, not the client.
func foreign(from, to usage, client time.Duration) float64 {
	others := (to.busy - from.busy) - (to.server - from.server) - (to.own - from.own) - client
	return max(0, float64(others)/float64(to.at.Sub(from.at)))
}

func spent(r *syscall.Rusage) time.Duration {
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// tick is the unit of /proc: USER_HZ is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// machine is the time that all cores were busy: the cpu line of /proc/stat less
// idle, iowait, and guest time, which user time includes.
func machine() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseStat(b)
}

func parseStat(b []byte) (time.Duration, error) {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	f := strings.Fields(string(line))
	if len(f) < 9 || f[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var sum int64
	for _, i := range []int{1, 2, 3, 6, 7, 8} { // user nice system irq softirq steal
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * tick, nil
}

// process is the CPU time of a running process.
func process(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseProcess(b)
}

func parseProcess(b []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(b, ')') // the command's name may hold anything
	if end < 0 {
		return 0, fmt.Errorf("/proc/PID/stat: %q", b)
	}
	f := strings.Fields(string(b[end+1:]))
	if len(f) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat: %q", b)
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * tick, firstErr(err1, err2)
}
