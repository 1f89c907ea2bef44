package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// bench is one invocation.
type bench struct {
	config
	server  *server
	bins    map[string]string
	missing []missing
	tmp     string
	runs    int
	again   int // runs that replaced or failed to replace a disturbed one
}

// sample is one run of one client, as others saw it.
type sample struct {
	requests int64
	rate     float64 // requests/s between the first and the last arrival at the server
	perCPU   float64 // requests per second of the client's CPU time
	foreign  float64 // share of one core that other processes used
	stats    stats
	told     outcome
	at       []int64 // arrivals, if asked for
}

// busy is the share of one core from which a run is marked: others took time
// from the client or its server.
const busy = 0.12

// measure runs one client once and reads the clocks around it.
func (b *bench) measure(ctx context.Context, c client, j job, stall time.Duration) (sample, error) {
	b.calm(ctx)
	b.runs++
	j.url, j.addr, j.dir = b.server.url(), b.server.addr, filepath.Join(b.tmp, itoa(b.runs))
	if err := os.Mkdir(j.dir, 0o755); err != nil {
		return sample{}, err
	}
	defer os.RemoveAll(j.dir)
	if err := b.server.reset(ctx, stallAfter, stall); err != nil {
		return sample{}, err
	}
	from, err := read(b.server.cmd.Process.Pid)
	if err != nil {
		return sample{}, err
	}
	stdout, cpu, err := b.child(ctx, c, j)
	if err != nil {
		return sample{}, err
	}
	to, err := read(b.server.cmd.Process.Pid)
	if err != nil {
		return sample{}, err
	}
	return b.saw(ctx, c, j, stdout, cpu, foreign(from, to, cpu))
}

// child runs the client to its end; its CPU time is what wait4(2) gives for it.
func (b *bench) child(ctx context.Context, c client, j job) ([]byte, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, j.lasts+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.bins[c.bin], c.args(j)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if c.stdin != nil {
		cmd.Stdin = strings.NewReader(c.stdin(j))
	}
	if err := startOn(j.core, cmd); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", c.name, err)
	}
	if err := cmd.Wait(); err != nil {
		return nil, 0, fmt.Errorf("%s: %w: %s", c.name, err, firstLine(stderr.Bytes()))
	}
	return stdout.Bytes(), spent(cmd.ProcessState.SysUsage().(*syscall.Rusage)), nil
}

// saw puts together what the server, the kernel and the client say of a run.
func (b *bench) saw(ctx context.Context, c client, j job, stdout []byte, cpu time.Duration, foreign float64) (s sample, err error) {
	if s.stats, err = b.server.stats(ctx); err != nil {
		return s, err
	}
	s.requests, s.foreign = s.stats.Requests, foreign
	if s.requests < 2 || cpu <= 0 {
		return s, fmt.Errorf("%s: %d requests came in", c.name, s.requests)
	}
	s.rate = float64(s.requests-1) / (float64(s.stats.Last-s.stats.First) / 1e9)
	s.perCPU = float64(s.requests) / cpu.Seconds()
	if c.report == nil {
		return s, nil
	}
	if s.told, err = c.report(b, j, stdout); err != nil {
		return s, fmt.Errorf("%s: %w", c.name, err)
	}
	if j.rate == 0 {
		return s, nil // a closed loop has no schedule that arrivals could be held against
	}
	s.at, err = b.server.arrivals(ctx)
	return s, err
}

// calm waits until others leave the machine alone, 5 s at most.
func (b *bench) calm(ctx context.Context) {
	for range 20 {
		from, err := read(b.server.cmd.Process.Pid)
		if err != nil || ctx.Err() != nil {
			return
		}
		time.Sleep(250 * time.Millisecond)
		to, err := read(b.server.cmd.Process.Pid)
		if err != nil || foreign(from, to, 0) < busy {
			return
		}
	}
}

// present are the clients whose program is here and that were asked for.
func (b *bench) present(all []client) (out []client) {
	for _, c := range all {
		if b.bins[c.bin] != "" && (len(b.only) == 0 || c.name == ours || slices.Contains(b.only, c.bin)) {
			out = append(out, c)
		}
	}
	return out
}

// round runs every client once, in an order that is turned round each time, so
// that a drift of the machine does not always meet the same one.
func (b *bench) round(ctx context.Context, i int, cs []client, j job, stall time.Duration, into map[string][]sample) error {
	order := slices.Clone(cs)
	if i%2 == 1 {
		slices.Reverse(order)
	}
	for _, c := range order {
		s, err := b.calmest(ctx, c, j, stall)
		if err != nil {
			return err
		}
		into[c.name] = append(into[c.name], s)
		fmt.Fprintf(os.Stderr, "round %d %-26s %9d requests %6.1f µs CPU each, others %3.0f%% of a core\n", i+1, c.name, s.requests, 1e6/s.perCPU, 100*s.foreign)
	}
	return nil
}

// tries is how often a run is made until others leave it alone.
const tries = 3

// calmest is the first undisturbed run of up to three, or else the least
// disturbed. What the client did has no part in the choice.
func (b *bench) calmest(ctx context.Context, c client, j job, stall time.Duration) (best sample, err error) {
	for i := range tries {
		s, err := b.measure(ctx, c, j, stall)
		if err != nil {
			return s, err
		}
		if i > 0 {
			b.again++
		}
		if i == 0 || s.foreign < best.foreign {
			best = s
		}
		if best.foreign < busy {
			break
		}
	}
	return best, nil
}

// conditions says on what was measured.
func (b *bench) conditions(ctx context.Context) {
	fmt.Printf("%d cores, %s, kernel %s, %s\n", runtime.NumCPU(), cpuModel(), kernel(), runtime.Version())
	if runtime.NumCPU() < 2 {
		fmt.Println("one core only: client and server share it, so rates and CPU times are not comparable with other machines'")
	}
	for _, v := range b.versions(ctx) {
		fmt.Println(v)
	}
	for _, m := range b.missing {
		fmt.Printf("missing: %s: %s\n", m.name, m.why)
	}
	fmt.Println()
}

func cpuModel() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(data)) {
		if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return "unknown processor"
}

func kernel() string {
	data, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(data))
}

// versions are those of the peers, as go.mod, Debian or they themselves say.
func (b *bench) versions(ctx context.Context) (out []string) {
	for _, m := range []string{"github.com/tsenart/vegeta/v12", "fortio.org/fortio"} {
		if v, err := exec.CommandContext(ctx, "go", "list", "-C", filepath.Join(b.root, "tools", "peers"), "-m", m).Output(); err == nil {
			out = append(out, firstLine(v))
		}
	}
	for _, p := range []string{"wrk", "hey"} {
		if v, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Package} ${Version}", p).Output(); err == nil {
			out = append(out, firstLine(v)+" (Debian)")
		}
	}
	if bin := b.bins["k6"]; bin != "" {
		if v, err := exec.CommandContext(ctx, bin, "version").Output(); err == nil {
			out = append(out, firstLine(v))
		}
	}
	return out
}
