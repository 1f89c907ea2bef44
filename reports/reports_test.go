package reports_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"faultbed/reports"
	"faultbed/reports/check"
	"faultbed/reports/history"
	"faultbed/reports/html"
	"faultbed/reports/internal/sample"
	"faultbed/reports/schema"
	"faultbed/reports/verdict"
)

// TestWrite renders into a folder twice: all four files, nothing beside them,
// the same bytes, and a verdict.json that keeps its schema and reads back.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	run := sample.Run(1)
	res := verdict.Judge(run)
	var drawings []*html.Drawing
	for i, x := range run.Trials {
		d, err := html.Draw(check.New(x), res.Trials[i])
		if err != nil {
			t.Fatal(err)
		}
		drawings = append(drawings, d)
	}
	var first map[string][]byte
	for range 2 {
		if err := reports.Write(dir, res, drawings); err != nil {
			t.Fatal(err)
		}
		files := map[string][]byte{}
		names, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files[filepath.Base(name)] = b
		}
		for _, name := range []string{reports.VerdictFile, reports.HTMLFile, reports.JUnitFile, reports.MarkdownFile} {
			if len(files[name]) == 0 || (first != nil && !bytes.Equal(first[name], files[name])) {
				t.Errorf("%s: %d bytes, or not the same twice", name, len(files[name]))
			}
		}
		if len(files) != 4 {
			t.Errorf("files %v", names)
		}
		first = files
	}
	if err := schema.Validate("verdict", first[reports.VerdictFile]); err != nil {
		t.Error(err)
	}
	var back verdict.Result
	if err := json.Unmarshal(first[reports.VerdictFile], &back); err != nil || back.Verdict != res.Verdict || len(back.Trials) != len(res.Trials) {
		t.Errorf("%v, %s with %d trials", err, back.Verdict, len(back.Trials))
	}
}

// TestRejudgedFromDisk writes a run folder, reads it and judges it: the result is
// that of the run in memory. This is what "report" does with an old run.
func TestRejudgedFromDisk(t *testing.T) {
	dir, run := t.TempDir(), sample.Run(1)
	run.Trials = slices.DeleteFunc(run.Trials, func(x *history.Trial) bool { return x.Torn }) // said by a file's end, below
	for _, x := range run.Trials {
		store(t, history.TrialDir(dir, x.Plan.Key()), x)
	}
	run.Manifest.Planned, run.Missing = nil, nil
	for _, x := range run.Trials {
		run.Manifest.Planned = append(run.Manifest.Planned, x.Plan.Key())
	}
	if err := history.WriteJSON(filepath.Join(dir, history.ManifestFile), run.Manifest); err != nil {
		t.Fatal(err)
	}
	got, err := verdict.JudgeDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(verdict.Judge(run))
	b, _ := json.Marshal(got)
	if !bytes.Equal(a, b) {
		t.Errorf("judged from disk it is another result: %d bytes, in memory %d", len(b), len(a))
	}
	torn := filepath.Join(history.TrialDir(dir, run.Trials[0].Plan.Key()), history.FaultFile)
	f, err := os.OpenFile(torn, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"t":`)
	f.Close()
	if got, err = verdict.JudgeDir(dir); err != nil || got.Trials[0].Verdict != verdict.Inconclusive {
		t.Errorf("a torn ledger: %v, %s", err, got.Trials[0].Verdict)
	}
}

// TestFormOfLedgersIsNoMatter judges one run from text and from pages, with one
// processor and with several: the same four files, byte for byte.
func TestFormOfLedgersIsNoMatter(t *testing.T) {
	dir := t.TempDir()
	m := history.Manifest{Version: 1, Status: "complete", Run: "one"}
	trials := sample.Run(1).Trials[:6]
	for n := range 3 {
		x := sample.Bulk(4000, n+1)
		x.Client[17*n].T -= 5_000_000 // order is the reader's work
		trials = append(trials, x)
	}
	for _, x := range trials {
		m.Planned = append(m.Planned, x.Plan.Key())
		store(t, history.TrialDir(dir, x.Plan.Key()), x)
	}
	if err := history.WriteJSON(filepath.Join(dir, history.ManifestFile), m); err != nil {
		t.Fatal(err)
	}
	text := render(t, dir)
	pages := 0
	for _, x := range trials {
		for _, name := range []string{history.ClientFile, history.OriginFile, history.FaultFile} {
			path := filepath.Join(history.TrialDir(dir, x.Plan.Key()), name)
			if err := history.Compress(path); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(path); os.IsNotExist(err) {
				pages++
			}
		}
	}
	if pages != 6 {
		t.Errorf("%d ledgers are in pages, want both of the three large trials", pages)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, n := range []int{1, 4} {
		runtime.GOMAXPROCS(n)
		for name, b := range render(t, dir) {
			if !bytes.Equal(b, text[name]) {
				t.Errorf("%s is another from pages, with %d processors", name, n)
			}
		}
	}
}

// render judges and renders a run folder and returns the files.
func render(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	res, drawings, err := reports.Judge(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := reports.Write(dir, res, drawings); err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, name := range []string{reports.VerdictFile, reports.HTMLFile, reports.JUnitFile, reports.MarkdownFile} {
		if out[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func store(t *testing.T, dir string, x *history.Trial) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	plan, err := x.Plan.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, history.PlanFile), plan, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := history.WriteJSON(filepath.Join(dir, history.TrialFile), x.Info); err != nil {
		t.Fatal(err)
	}
	for name, events := range map[string][]history.Event{history.ClientFile: x.Client, history.OriginFile: x.Origin, history.FaultFile: x.Fault} {
		l, err := history.CreateLedger(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Append(events...); err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
}
