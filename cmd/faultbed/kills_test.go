package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"faultbed/fixtures"
	"faultbed/reports/history"
	"faultbed/suites/scenario"
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
	hit := map[string]int{}
	runtimes(t, func(t *testing.T, runtime string) {
		t.Logf("FAULTBED_KILL_SEED=%d", seed)
		share := map[string]int{"process": n - n/4, "docker": n / 4}[runtime]
		for i := range share {
			family := names[i%len(names)]
			s := byFamily[family][rng.IntN(len(byFamily[family]))]
			t.Run(fmt.Sprintf("%03d-%s", i, s), func(t *testing.T) {
				if killIn(t, rng, runtime, s) {
					hit[family]++
				}
			})
		}
	})
	t.Logf("killed while faults of these families were in force or planned: %v", hit)
}

// families are the scenarios with faults that a Go subject can run, by family of
// their faults.
func families(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for dir, from := range map[string]func(string) ([]*scenario.Scenario, error){
		"scenarios": func(d string) ([]*scenario.Scenario, error) { return scenario.LoadFS(fixtures.Scenarios, d) },
		"catalogue": func(d string) ([]*scenario.Scenario, error) { return scenario.LoadFS(fixtures.Catalogue, d) },
	} {
		all, err := from(dir)
		must(t, err)
		for _, s := range all {
			if len(s.Faults) == 0 || slices.Contains(s.Requires, "crash-python") {
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
func killIn(t *testing.T, rng *rand.Rand, runtime, name string) bool {
	before := machine(t)
	l := beginWith(t, runtime, "go", "1", name)
	loaded := rng.IntN(4) > 0
	if loaded {
		l.awaitOrEnd(l.anyLoad)
	}
	wait := time.Duration(rng.Int64N(int64(2500 * time.Millisecond)))
	sig := os.Kill
	if rng.IntN(5) == 0 {
		sig = os.Interrupt
	}
	select {
	case err := <-l.end:
		l.end <- err
	case <-time.After(wait):
	}
	l.signal(sig)
	code := l.exit()
	t.Logf("%v %v after %s: exit code %d", sig, wait.Round(time.Millisecond), map[bool]string{true: "the load's begin", false: "its start"}[loaded], code)
	if code, out, errs := call("clean"); code != exitOK || !strings.Contains(out, "verified: nothing is left") {
		t.Errorf("clean: exit code %d\n%s%s", code, out, errs)
	}
	nothingLeft(t, runtime, l.run)
	for what, now := range machine(t) {
		if now != before[what] {
			t.Errorf("%s changed:\nbefore:\n%s\nafter:\n%s", what, before[what], now)
		}
	}
	return loaded
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

// machine is what faults may change outside any subject: packet rules, cgroups
// and mounts of ours, the ephemeral ports.
func machine(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, tool := range []string{"iptables-save", "ip6tables-save"} {
		if b, err := exec.Command(tool).Output(); err == nil {
			out[tool] = firewall(b)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	out["mounts"] = lines(mounts, func(l string) bool { return strings.Contains(l, "faultbed") })
	for _, pattern := range []string{"/sys/fs/cgroup/*faultbed*", "/sys/fs/cgroup/*/*faultbed*", "/sys/fs/cgroup/*/*/*faultbed*"} {
		dirs, _ := filepath.Glob(pattern)
		out["cgroups "+pattern] = strings.Join(dirs, "\n")
	}
	ports, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	must(t, err)
	out["ports"] = string(ports)
	return out
}

// firewall is the rules of iptables-save without counters, and without the engine's
// own, which come and go with its networks.
func firewall(b []byte) string {
	return lines(b, func(l string) bool {
		return strings.HasPrefix(l, "-A") && !strings.Contains(l, "DOCKER") && !strings.Contains(l, "docker") && !strings.Contains(l, " br-") && !strings.Contains(l, "MASQUERADE")
	})
}

func lines(b []byte, keep func(string) bool) string {
	var out []string
	for _, l := range bytes.Split(b, []byte("\n")) {
		if keep(string(l)) {
			out = append(out, string(l))
		}
	}
	return strings.Join(out, "\n")
}
