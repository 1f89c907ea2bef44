package history_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"faultbed/reports/history"
)

func plan(trial int) history.Plan {
	return history.Plan{Version: history.PlanVersion, Scenario: "drain/sigterm", Engine: "timeline", Subject: "go", Variant: "pid1", Seed: 1, Trial: trial,
		Arrivals: []history.Arrival{{At: 5, ID: "0001-ab", Class: history.Short}},
		Faults:   []history.Fault{{ID: "f1", Kind: "wire.rst", With: json.RawMessage(`{"at_byte":1}`)}}}
}

func encode(t *testing.T, p history.Plan) string {
	t.Helper()
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPlanKey(t *testing.T) {
	p := plan(12)
	if k := p.Key(); k != "drain/sigterm/go/pid1/12" {
		t.Errorf("got %s", k)
	}
	p.Variant = ""
	if k := p.Key(); k != "drain/sigterm/go/12" {
		t.Errorf("got %s", k)
	}
}

// TestPlanEncodeIsStable: a plan that is read and written again has the same
// bytes, which is what a replay is compared by.
func TestPlanEncodeIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan(rapid.IntRange(1, 99).Draw(t, "trial"))
		p.Seed = rapid.Uint64().Draw(t, "seed")
		p.Description = rapid.String().Draw(t, "description")
		p.Duration = rapid.Int64().Draw(t, "duration")
		p.Expect.MinOK = rapid.Float64Range(0, 1).Draw(t, "minOk")
		p.Offsets = rapid.SliceOf(rapid.Int64()).Draw(t, "offsets")
		first, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		var back history.Plan
		if err := json.Unmarshal(first, &back); err != nil {
			t.Fatal(err)
		}
		second, err := back.Encode()
		if err != nil || !bytes.Equal(first, second) || !bytes.HasSuffix(first, []byte("}\n")) {
			t.Fatalf("%v\n%s\n%s", err, first, second)
		}
	})
}

// run makes a run folder of four planned trials, of which the last never began.
func run(t *testing.T, status string) string {
	t.Helper()
	dir := t.TempDir()
	m := history.Manifest{Version: 1, Status: status}
	for n := 1; n <= 4; n++ {
		p := plan(n)
		m.Planned = append(m.Planned, p.Key())
		if n == 4 {
			break
		}
		trial := history.TrialDir(dir, p.Key())
		write(t, filepath.Join(trial, history.PlanFile), encode(t, p))
		if err := history.WriteJSON(filepath.Join(trial, history.TrialFile), history.TrialInfo{Status: "complete", T0: 1}); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(trial, history.ClientFile), `{"t":9,"kind":"end","node":"load","id":"a"}`+"\n"+`{"t":3,"kind":"begin","node":"load","id":"a"}`+"\n")
	}
	if err := history.WriteJSON(filepath.Join(dir, history.ManifestFile), m); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReadRun(t *testing.T) {
	r, err := history.ReadRun(run(t, "complete"))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Trials) != 3 || !slices.Equal(r.Missing, []string{"drain/sigterm/go/pid1/4"}) {
		t.Errorf("%d trials, missing %v", len(r.Trials), r.Missing)
	}
	x := r.Trials[1]
	if d := cmp.Diff(encode(t, plan(2)), encode(t, x.Plan)); d != "" {
		t.Error(d)
	}
	if x.Info.Status != "complete" || x.Torn || len(x.Client) != 2 || x.Client[0].T != 3 {
		t.Errorf("info %+v, torn %v, client %v", x.Info, x.Torn, x.Client)
	}
}

// TestReadRunOfKilledRun cuts one file after another, as a SIGKILL of the bed
// may, and wants a run that can still be reported.
func TestReadRunOfKilledRun(t *testing.T) {
	dir := run(t, "running")
	first := history.TrialDir(dir, plan(1).Key())
	for name, c := range map[string]struct {
		file, text string
		trials     int
		torn       bool
		status     string
	}{
		"plan torn":        {history.PlanFile, encode(t, plan(1))[:100], 2, false, ""},
		"plan empty":       {history.PlanFile, "", 2, false, ""},
		"trial.json torn":  {history.TrialFile, `{"runtime":`, 3, false, "running"},
		"trial.json empty": {history.TrialFile, "", 3, false, "running"},
		"ledger torn":      {history.FaultFile, `{"t":1`, 3, true, "complete"},
	} {
		path := filepath.Join(first, c.file)
		was, _ := os.ReadFile(path)
		write(t, path, c.text)
		r, err := history.ReadRun(dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(r.Trials) != c.trials || len(r.Trials)+len(r.Missing) != 4 {
			t.Errorf("%s: %d trials, missing %v", name, len(r.Trials), r.Missing)
		}
		if x := r.Trials[0]; c.trials == 3 && (x.Torn != c.torn || x.Info.Status != c.status) {
			t.Errorf("%s: torn %v, status %q", name, x.Torn, x.Info.Status)
		}
		write(t, path, string(was))
	}
	if err := os.Remove(filepath.Join(first, history.TrialFile)); err != nil {
		t.Fatal(err)
	}
	if r, err := history.ReadRun(dir); err != nil || r.Trials[0].Info.Status != "running" {
		t.Errorf("without trial.json: %v", err)
	}
}

// TestReadRunRefuses what no kill explains.
func TestReadRunRefuses(t *testing.T) {
	newer := plan(1)
	newer.Version++
	for name, c := range map[string]struct{ status, file, text, says string }{
		"torn plan of a complete run": {"complete", history.PlanFile, "{", history.PlanFile},
		"newer plan":                  {"running", history.PlanFile, encode(t, newer), "newer"},
		"plan of another shape":       {"running", history.PlanFile, `{"version":"one"}`, "version"},
		"bad line in a ledger":        {"running", history.ClientFile, "x\n{}\n", "line 1"},
	} {
		dir := run(t, c.status)
		write(t, filepath.Join(history.TrialDir(dir, plan(1).Key()), c.file), c.text)
		if _, err := history.ReadRun(dir); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := history.ReadRun(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a run folder") {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestWriteJSONReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	for _, text := range []string{"first", "second"} {
		if err := history.WriteJSON(path, text); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "\"second\"\n" {
		t.Errorf("%q, %v", b, err)
	}
	if names, _ := filepath.Glob(filepath.Dir(path) + "/*"); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
	if err := history.WriteJSON(path, func() {}); err == nil {
		t.Error("what can't be written is no error")
	}
}
