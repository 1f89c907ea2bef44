package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"faultbed/reports/history"
	"faultbed/reports/verdict"
)

// lossLimit is what a SIGKILL may cost of a ledger.
const lossLimit = 200 * time.Millisecond

// moment is when faultbed is killed: so long after a stage has begun.
type moment struct {
	stage string
	after time.Duration
}

// spans are how long stages last, about: moments are drawn from them.
var spans = map[string]map[string][2]time.Duration{
	"process": {"setup": {0, 1200 * time.Millisecond}, "trial": {400 * time.Millisecond, 2500 * time.Millisecond}, "teardown": {0, 30 * time.Millisecond}},
	"docker":  {"setup": {0, 3 * time.Second}, "trial": {400 * time.Millisecond, 2500 * time.Millisecond}, "teardown": {0, time.Second}},
}

// moments draws n of each stage.
func moments(rng *rand.Rand, runtime string, n int) (out []moment) {
	for range n {
		for _, stage := range []string{"setup", "trial", "teardown"} {
			span := spans[runtime][stage]
			out = append(out, moment{stage, span[0] + time.Duration(rng.Int64N(int64(span[1]-span[0])))})
		}
	}
	return out
}

// TestKilled kills faultbed at random moments: the next run refuses, clean
// removes what is left, the report of what was measured says no pass, and of a
// ledger under load no more than its last 200 ms are missing.
func TestKilled(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("FAULTBED_KILL_SEED"), 10, 64); err == nil {
		seed = s
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	runtimes(t, func(t *testing.T, runtime string) {
		t.Logf("FAULTBED_KILL_SEED=%d", seed)
		n := map[string]int{"process": 2, "docker": 1}[runtime]
		for _, m := range moments(rng, runtime, n) {
			t.Run(fmt.Sprintf("%s+%v", m.stage, m.after.Round(time.Millisecond)), func(t *testing.T) {
				lost := kill(t, runtime, m)
				if lost > lossLimit+steadyGap {
					t.Logf("%v of a ledger were lost; once more, for it may have been the machine", lost)
					lost = kill(t, runtime, m)
				}
				if lost > lossLimit+steadyGap {
					t.Errorf("%v of a ledger under load were lost, more than %v", lost, lossLimit+steadyGap)
				}
			})
		}
	})
}

// kill begins a campaign, kills it and sees to what is left. It returns the most
// that is missing at the end of a ledger that was under load.
func kill(t *testing.T, runtime string, m moment) time.Duration {
	subjects := "go"
	if runtime == "process" {
		subjects = "go,nginx" // which writes over its environment; left out where it is not installed
	}
	l := begin(t, runtime, subjects)
	l.reach(m)
	at := history.Now()
	l.signal(os.Kill)
	switch code := l.exit(); code {
	case -1:
	case exitOK:
		t.Log("it had ended before")
	default:
		t.Fatalf("it ended by itself with exit code %d\n%s", code, l.stderr())
	}
	refuses(t, runtime, l)
	if code, out, errs := call("clean"); code != exitOK || !strings.Contains(out, "verified: nothing is left") {
		t.Errorf("clean: exit code %d\n%s%s", code, out, errs)
	}
	nothingLeft(t, runtime, l.run)
	reported(t, l)
	return l.lost(t, m, at)
}

// reach waits for a moment, or for the end of a faultbed that was quicker.
func (l *live) reach(m moment) {
	switch m.stage {
	case "trial":
		l.await("load", l.loaded)
	case "teardown":
		l.await("the teardown", l.says("removing the bed"))
	}
	select {
	case err := <-l.end:
		l.end <- err
	case <-time.After(m.after):
	}
}

// refuses sees that no run starts beside what is left.
func refuses(t *testing.T, runtime string, l *live) {
	t.Helper()
	if len(left(t, runtime, l.run)) == 0 {
		t.Log("nothing was left")
		return
	}
	code, _, errs := call("run", "--runtime", runtime, "--subject", "go", "--scenario", "network/latency", "--out", l.out+"-next")
	if code != exitEnvironment || !strings.Contains(errs, "run faultbed clean") {
		t.Errorf("a run beside what is left: exit code %d, want %d\n%s", code, exitEnvironment, errs)
	}
}

// reported sees that a killed run, if it got as far as a manifest, is judged,
// and not as if it had been whole.
func reported(t *testing.T, l *live) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(l.out, history.ManifestFile)); err != nil {
		t.Log("killed before its manifest:", err)
		return
	}
	if code, _, errs := call("report", l.out, "--quiet"); code != exitOK {
		t.Fatalf("report: exit code %d\n%s", code, errs)
	}
	res := judgement(t, l.out)
	t.Logf("manifest %s, verdict %s: %s", res.Manifest.Status, res.Verdict, res.Reason)
	if res.Verdict == verdict.Pass && res.Manifest.Status != "complete" {
		t.Errorf("a run that was killed before its end passes: %s", res.Reason)
	}
}

// lost is how long before the kill the last event of a ledger under load is, the
// worst of all trials. A trial killed in mid-load must be among them.
func (l *live) lost(t *testing.T, m moment, at int64) (worst time.Duration) {
	t.Helper()
	loaded := 0
	for _, f := range l.trials(history.PlanFile) {
		trial, err := history.ReadTrial(filepath.Dir(f))
		must(t, err)
		if !underLoad(trial, at) {
			continue
		}
		loaded++
		gap := time.Duration(at - trial.Client[len(trial.Client)-1].T)
		t.Logf("%s: the last of %d events is %v before the kill", trial.Plan.Key(), len(trial.Client), gap)
		worst = max(worst, gap)
	}
	if m.stage == "trial" && loaded == 0 {
		t.Error("no trial was under load")
	}
	return worst
}

// underLoad tells whether arrivals were due all through the time that may be
// missing.
func underLoad(t *history.Trial, at int64) bool {
	from, to := t.Info.T0+int64(lossLimit+2*steadyGap), t.Info.T0+t.Plan.Duration
	return t.Info.T0 != 0 && len(t.Client) > 0 && from < at && at < to
}
