package reports_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"faultbed/reports"
	"faultbed/reports/history"
	"faultbed/reports/internal/sample"
)

// perTrial is how many requests a trial of the scale benchmark has.
const perTrial = 100_000

// cost is what a process that does nothing but judge a run has to say.
type cost struct {
	Judge  float64 // s
	CPU    float64 // s of all processors, for judging
	Render float64 // s
	Peak   float64 // MiB of resident memory
	Said   string
}

// BenchmarkScale judges runs of half a million and a million requests, and with
// FAULTBED_SCALE=5 of five, each in a process of its own:
//
//	FAULTBED_SCALE=5 go test -run '^$' -bench Scale -benchtime 1x -timeout 20m ./reports
//
// FAULTBED_SCALE_DIR keeps the runs there, so that they can be looked at.
func BenchmarkScale(b *testing.B) {
	sizes := []int{500_000, 1_000_000}
	if os.Getenv("FAULTBED_SCALE") == "5" {
		sizes = append(sizes, 5_000_000)
	}
	table := "\nrequests    judged s  of CPU s  rendered s  peak MiB  ledgers B/request  plan B/request  report MB\n"
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := os.Getenv("FAULTBED_SCALE_DIR")
			if dir == "" {
				dir = b.TempDir()
			}
			dir = filepath.Join(dir, fmt.Sprint(n))
			bulkRun(b, dir, n/perTrial)
			b.ResetTimer()
			var c cost
			for b.Loop() {
				c = judgeAlone(b, dir)
			}
			ledgers, plans := float64(size(b, dir, ".fbl"))/float64(n), float64(size(b, dir, "plan.json"))/float64(n)
			b.ReportMetric(c.Judge, "s/judge")
			b.ReportMetric(c.CPU, "CPU-s")
			b.ReportMetric(c.Peak, "MiB")
			b.ReportMetric(ledgers, "B/request")
			table += fmt.Sprintf("%9d  %9.1f  %8.1f  %10.1f  %8.0f  %17.1f  %14.1f  %9.1f\n", n, c.Judge, c.CPU, c.Render, c.Peak, ledgers, plans, float64(size(b, dir, "report.html"))/1e6)
		})
	}
	fmt.Println(table)
}

// bulkRun writes a lawful run of so many large trials, unless it is there.
func bulkRun(b testing.TB, dir string, trials int) {
	m := history.Manifest{Version: history.ManifestVersion, Run: "scale", Status: "complete", Args: []string{"run"}, Seed: 1, Trials: trials, Runtime: "process",
		Started: time.Unix(1_800_000_000, 0).UTC(), Ended: time.Unix(1_800_003_000, 0).UTC()}
	for n := range trials {
		m.Planned = append(m.Planned, fmt.Sprintf("network/bulk/go/%d", n+1))
	}
	if _, err := os.Stat(filepath.Join(dir, history.ManifestFile)); err == nil {
		return
	}
	var wg sync.WaitGroup
	for half := range 2 {
		wg.Go(func() {
			for n := half; n < trials; n += 2 {
				inPages(b, history.TrialDir(dir, m.Planned[n]), sample.Bulk(perTrial, n+1))
			}
		})
	}
	wg.Wait()
	if err := history.WriteJSON(filepath.Join(dir, history.ManifestFile), m); err != nil {
		b.Fatal(err)
	}
}

func inPages(b testing.TB, dir string, t *history.Trial) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Error(err)
		return
	}
	plan, err := t.Plan.Encode()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, history.PlanFile), plan, 0o644)
	}
	if err == nil {
		err = history.WriteJSON(filepath.Join(dir, history.TrialFile), t.Info)
	}
	if err != nil {
		b.Error(err)
	}
	for name, events := range map[string][]history.Event{"client.fbl": t.Client, "origin.fbl": t.Origin, "fault.fbl": t.Fault} {
		p, err := history.CreatePages(filepath.Join(dir, name))
		if err != nil {
			b.Error(err)
			return
		}
		if err := p.Append(events...); err != nil {
			b.Error(err)
		}
		if err := p.Close(); err != nil {
			b.Error(err)
		}
	}
}

// size is how many bytes the files of a run take whose names end so.
func size(b testing.TB, dir, end string) (n int64) {
	err := filepath.Walk(dir, func(path string, fi os.FileInfo, err error) error {
		if err == nil && strings.HasSuffix(path, end) {
			n += fi.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// judgeAlone has this test's program judge a run in a process of its own: the
// generator's memory does not count.
func judgeAlone(b testing.TB, dir string) (c cost) {
	cmd := exec.Command(os.Args[0], "-test.run", "^TestJudgeAlone$", "-test.v")
	cmd.Env = append(os.Environ(), "FAULTBED_JUDGE="+dir)
	out, err := cmd.CombinedOutput()
	_, text, ok := strings.Cut(string(out), "cost: ")
	text, _, _ = strings.Cut(text, "\n")
	if err != nil || !ok || json.Unmarshal([]byte(text), &c) != nil {
		b.Fatalf("%v: %s", err, out)
	}
	b.Logf("%s", c.Said)
	return c
}

// TestJudgeAlone is judgeAlone's other half.
func TestJudgeAlone(t *testing.T) {
	dir := os.Getenv("FAULTBED_JUDGE")
	if dir == "" {
		t.Skip("part of BenchmarkScale")
	}
	var c cost
	start := time.Now()
	res, drawings, err := reports.Judge(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.CPU = used(t)
	c.Judge, c.Said = time.Since(start).Seconds(), fmt.Sprintf("%s: %s", res.Verdict, res.Cells[0].Reason)
	start = time.Now()
	if err := reports.Write(dir, res, drawings); err != nil {
		t.Fatal(err)
	}
	c.Render, c.Peak = time.Since(start).Seconds(), peak(t)
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("cost: %s\n", b)
}

// used is this process's CPU time so far, s. On a busy machine it says more than
// the clock.
func used(t *testing.T) float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// peak is this process's largest resident memory, MiB. It is not what wait4(2)
// says of it, for that includes what its parent had when it was forked.
func peak(t *testing.T) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	var kib float64
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib / 1024
}
