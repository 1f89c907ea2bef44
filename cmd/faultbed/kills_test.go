package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"faultbed/fixtures"
	"faultbed/reports/history"
	"faultbed/suites/scenario"
	"github.com/google/nftables"
)

// kills is how many random moments TestKilledInAnyFault tries; FAULTBED_KILLS
// says another number (make kills: 200).
const kills = 4

// TestKilledInAnyFault kills or interrupts faultbed at random moments of random
// scenarios, those of the catalogue too: after clean, nothing of the run is left
// and the machine is as it was before.
func TestKilledInAnyFault(t *testing.T) {
	n, seed := kills, uint64(time.Now().UnixNano())
	if v, err := strconv.Atoi(os.Getenv("FAULTBED_KILLS")); err == nil {
		n = v
	}
	if s, err := strconv.ParseUint(os.Getenv("FAULTBED_KILL_SEED"), 10, 64); err == nil {
		seed = s
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	byFamily := families(t)
	names := sortedKeys(byFamily)
	var mu sync.Mutex
	hit := map[string]int{}
	runtimes(t, func(t *testing.T, runtime string) {
		t.Logf("FAULTBED_KILL_SEED=%d", seed)
		share := map[string]int{"process": n - n/4, "docker": n / 4}[runtime]
		if exec.CommandContext(t.Context(), "docker", "info").Run() != nil {
			share = n // there is no other
		}
		for i := range share {
			family := names[i%len(names)]
			s := byFamily[family][rng.IntN(len(byFamily[family]))]
			d := death{loaded: rng.IntN(4) > 0, wait: time.Duration(rng.Int64N(int64(2500 * time.Millisecond))), signal: os.Kill}
			if rng.IntN(5) == 0 {
				d.signal = os.Interrupt
			}
			t.Run(fmt.Sprintf("%03d-%s", i, s), func(t *testing.T) {
				if n > kills {
					t.Parallel() // go test -parallel says how many
				}
				if killIn(t, d, runtime, s) {
					mu.Lock()
					defer mu.Unlock()
					hit[family]++
				}
			})
		}
	})
	t.Logf("killed or interrupted under load, by family of the scenario's first fault: %v", hit)
	for _, f := range names {
		if n >= 10*len(names) && hit[f] == 0 {
			t.Errorf("no moment of load was met with faults of family %s", f)
		}
	}
}

// death is when and how faultbed ends.
type death struct {
	loaded bool // counted from the load's begin, not from its start
	wait   time.Duration
	signal os.Signal
}

// families are the scenarios with faults that a Go subject can run, by family of
// their faults.
func families(t *testing.T) map[string][]string {
	t.Helper()
	subjects, err := pickSubjects([]string{"go"})
	must(t, err)
	subject, out := subjects[0], map[string][]string{}
	for dir, from := range map[string]func(string) ([]*scenario.Scenario, error){
		"scenarios": func(d string) ([]*scenario.Scenario, error) { return scenario.LoadFS(fixtures.Scenarios, d) },
		"catalogue": func(d string) ([]*scenario.Scenario, error) { return scenario.LoadFS(fixtures.Catalogue, d) },
	} {
		all, err := from(dir)
		must(t, err)
		for _, s := range all {
			supported, _ := scenario.Supports(s, subject)
			here, _ := scenario.Here(s, "docker")
			if len(s.Faults) == 0 || !supported || !here {
				continue
			}
			family, _, _ := strings.Cut(s.Faults[0].Fault, ".")
			out[family] = append(out[family], s.Name)
		}
	}
	for _, names := range out {
		slices.Sort(names)
	}
	return out
}

func sortedKeys[V any](m map[string]V) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// killIn ends one campaign at a random moment and sees to what is left. It tells
// whether the moment was one of load.
func killIn(t *testing.T, d death, runtime, name string) bool {
	ports := read(t, "/proc/sys/net/ipv4/ip_local_port_range")
	l := beginBeside(t, runtime, name)
	if d.loaded {
		l.awaitOrEnd(l.anyLoad)
	}
	select {
	case err := <-l.end:
		l.end <- err
	case <-time.After(d.wait):
	}
	l.signal(d.signal)
	code := l.exit()
	t.Logf("%v %v after %s: exit code %d", d.signal, d.wait.Round(time.Millisecond), map[bool]string{true: "the load's begin", false: "its start"}[d.loaded], code)
	for try := 1; ; try++ { // runs that are killed beside this one may leave things while clean looks
		code, out, errs := call("clean")
		if code == exitOK && strings.Contains(out, "verified: nothing is left") {
			break
		}
		if try == 10 {
			t.Errorf("clean: exit code %d\n%s%s", code, out, errs)
			break
		}
	}
	nothingLeft(t, runtime, l.run)
	for _, x := range leftByFaults(t, l.run) {
		t.Errorf("left of run %s: %s", l.run, x)
	}
	if now := read(t, "/proc/sys/net/ipv4/ip_local_port_range"); now != ports {
		t.Errorf("the ephemeral ports were %s and are %s", ports, now)
	}
	return d.loaded && code != exitOK
}

// beginBeside begins a campaign while others are killed: one that refuses to start
// beside what is left of them tries again.
func beginBeside(t *testing.T, runtime, scenario string) *live {
	t.Helper()
	for until := time.Now().Add(patience); ; {
		l := beginWith(t, runtime, "go", "1", scenario)
		l.awaitOrEnd(func() bool { return l.stderr() != "" })
		select {
		case err := <-l.end:
			l.end <- err
			if strings.Contains(l.stderr(), "run faultbed clean") && time.Now().Before(until) {
				continue
			}
		default:
		}
		return l
	}
}

// awaitOrEnd is await, or the end of a faultbed that skipped all it was told.
func (l *live) awaitOrEnd(holds func() bool) {
	l.t.Helper()
	l.await("load", func() bool {
		select {
		case err := <-l.end:
			l.end <- err
			return true
		default:
			return holds()
		}
	})
}

// anyLoad tells whether a trial's client ledger has content; the self-test's does
// not count.
func (l *live) anyLoad() bool {
	found := false
	filepath.WalkDir(filepath.Join(l.out, "trials"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == history.ClientFile && !strings.Contains(path, "selftest") {
			st, err := d.Info()
			found = found || err == nil && st.Size() > 0
		}
		return nil
	})
	return found
}

// leftByFaults is what faults may leave outside any subject, by the run's mark: tables of
// packet rules, cgroups and mounts.
func leftByFaults(t *testing.T, run string) (out []string) {
	t.Helper()
	tables, err := new(nftables.Conn).ListTables()
	if err != nil {
		t.Log("packet rules are not looked at:", err)
	}
	for _, x := range tables {
		if strings.Contains(strings.ReplaceAll(x.Name, "_", "-"), run) {
			out = append(out, "table "+x.Name)
		}
	}
	for mount := range strings.Lines(read(t, "/proc/self/mountinfo")) {
		if strings.Contains(mount, run) {
			out = append(out, "mount "+mount)
		}
	}
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(d.Name(), run) {
			out = append(out, "cgroup "+path)
		}
		return nil
	})
	return out
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	must(t, err)
	return string(b)
}
