package history_test

import (
	"bytes"
	"encoding/json"
	"fmt"
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

// TestPlansAreReadFast: what Encode writes is read line by line, and comes out
// as encoding/json reads it.
func TestPlansAreReadFast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := plan(1)
		p.Arrivals = nil
		words := rapid.StringMatching(`[ !#-[\]-~]{0,12}`).Filter(func(s string) bool { return !strings.ContainsAny(s, "<>&") }) // the encoder escapes these
		for i := range rapid.IntRange(1, 20).Draw(t, "arrivals") {
			p.Arrivals = append(p.Arrivals, history.Arrival{At: rapid.Int64().Draw(t, "at"), ID: fmt.Sprintf("%04d-ab", i), Class: history.Class(words.Draw(t, "class")),
				Replica: rapid.IntRange(0, 3).Draw(t, "replica"), Size: rapid.Int64().Draw(t, "size"), Hold: rapid.Int64().Draw(t, "hold"), Hook: words.Draw(t, "hook"),
				Param: words.Draw(t, "param"), Client: words.Draw(t, "client"), Lane: rapid.IntRange(0, 3).Draw(t, "lane"), Script: words.Draw(t, "script")})
		}
		b, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		var got history.Plan
		if !history.DecodePlan(b, &got) {
			t.Fatalf("not read:\n%s", b)
		}
		var want history.Plan
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

// FuzzPlan: whatever is read line by line, encoding/json reads the same.
func FuzzPlan(f *testing.F) {
	p := plan(1)
	p.Arrivals = append(p.Arrivals, history.Arrival{At: -7, ID: "0002-cd", Class: history.Stream, Replica: 1, Size: 3, Hold: 4, Hook: "panic", Param: "x", Client: "naive", Lane: 2, Script: "cut 3"})
	b, err := p.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var fast, slow history.Plan
		if !history.DecodePlan(b, &fast) {
			return
		}
		if err := json.Unmarshal(b, &slow); err != nil {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
		if d := cmp.Diff(slow, fast); d != "" {
			t.Fatal(d)
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
		write(t, filepath.Join(trial, history.OriginFile), "")
		write(t, filepath.Join(trial, history.FaultFile), "")
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

// TestReadRunWithDamage damages one file of a trial as no kill does: the others
// are there, and what is wrong is said of this one.
func TestReadRunWithDamage(t *testing.T) {
	newer := plan(1)
	newer.Version++
	for name, c := range map[string]struct{ status, file, text, says string }{
		"torn plan of a complete run": {"complete", history.PlanFile, "{", "plan.json: torn file"},
		"newer plan":                  {"running", history.PlanFile, encode(t, newer), "version 2 is newer"},
		"plan of another shape":       {"running", history.PlanFile, `{"version":"one"}`, "version"},
		"bad line in a ledger":        {"running", history.ClientFile, "x\n{\"kind\":\"note\"}\n", "client ledger: one line is no event and was left out, line 1"},
		"no plan, though it began":    {"complete", history.PlanFile, "gone", "plan.json: no such file"},
		"no ledger, though complete":  {"complete", history.FaultFile, "gone", "fault ledger: it is missing"},
		"bad trial.json":              {"complete", history.TrialFile, `{"t0":"now"}`, "trial.json: json: cannot unmarshal"},
		"a folder for a ledger":       {"complete", history.OriginFile, "folder", "origin ledger: it can't be read beyond line 0: is a directory"},
	} {
		dir := run(t, c.status)
		path := filepath.Join(history.TrialDir(dir, plan(1).Key()), c.file)
		switch os.Remove(path); c.text {
		case "gone":
		case "folder":
			write(t, filepath.Join(path, "x"), "")
		default:
			write(t, path, c.text)
		}
		r, err := history.ReadRun(dir)
		if err != nil || len(r.Trials) != 3 || len(r.Missing) != 1 {
			t.Errorf("%s: %v, %d trials, missing %v", name, err, len(r.Trials), r.Missing)
			continue
		}
		x := r.Trials[0]
		said := strings.Join(append(x.Defects, x.Info.Error), "; ")
		if !strings.Contains(said, c.says) || strings.Contains(said, dir) || x.Plan.Key() != plan(1).Key() {
			t.Errorf("%s: %s says %q", name, x.Plan.Key(), said)
		}
		if ofPlan := c.file == history.PlanFile; ofPlan != (x.Info.Status == history.Unreadable) {
			t.Errorf("%s: status %s", name, x.Info.Status)
		}
		if len(r.Trials[1].Defects)+len(r.Trials[2].Defects) > 0 {
			t.Errorf("%s: the others have defects too", name)
		}
	}
}

func TestReadRunRefuses(t *testing.T) {
	if _, err := history.ReadRun(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a run folder") {
		t.Errorf("an empty folder: %v", err)
	}
	dir := run(t, "complete")
	if err := history.WriteJSON(filepath.Join(dir, history.ManifestFile), history.Manifest{Version: history.ManifestVersion + 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := history.ReadRun(dir); err == nil || !strings.Contains(err.Error(), "version 2 of manifest.json is newer") {
		t.Errorf("a newer manifest: %v", err)
	}
}

// TestUnreadableKeys: whatever a key says, the trial without a plan is told by it.
func TestUnreadableKeys(t *testing.T) {
	for _, key := range []string{"drain/sigterm/go/pid1/12", "drain/sigterm/go/3"} {
		r := history.Run{Dir: t.TempDir()}
		write(t, filepath.Join(history.TrialDir(r.Dir, key), history.PlanFile), "[]")
		if x := r.Read(key); x.Plan.Key() != key || x.Info.Status != history.Unreadable {
			t.Errorf("%s: got %s, %s", key, x.Plan.Key(), x.Info.Status)
		}
	}
}

// TestT0IsFound again, where trial.json has lost it, in the requests themselves.
func TestT0IsFound(t *testing.T) {
	dir := run(t, "complete")
	trial := history.TrialDir(dir, plan(1).Key())
	write(t, filepath.Join(trial, history.TrialFile), `{"status":"complete"}`)
	write(t, filepath.Join(trial, history.ClientFile), `{"t":1009,"kind":"begin","node":"load","id":"0001-ab","planned":1005}`+"\n")
	x, err := history.ReadTrial(trial)
	if err != nil || x.Info.T0 != 1000 || len(x.Defects) != 1 || !strings.Contains(x.Defects[0], "no t0") {
		t.Errorf("t0 %d, defects %v, %v", x.Info.T0, x.Defects, err)
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

// TestFewerEventsThanWereWritten: a ledger that lost whole lines reads well, and
// trial.json tells on it.
func TestFewerEventsThanWereWritten(t *testing.T) {
	for name, c := range map[string]struct {
		info string
		want []string
	}{
		"as many":    {`{"status":"complete","events":{"client.ndjson":2,"origin.ndjson":1,"fault.ndjson":0}}`, nil},
		"an old run": {`{"status":"complete"}`, nil},
		"fewer":      {`{"status":"complete","events":{"client.ndjson":3,"origin.ndjson":1}}`, []string{"client ledger: 3 events were written and 2 are there"}},
		"a text of each, gone": {`{"status":"interrupted","events":{"client.ndjson":2,"origin.ndjson":1,"fault.ndjson":9}}`,
			[]string{"fault ledger: 9 events were written and 0 are there"}},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, history.PlanFile), encode(t, plan(1)))
		write(t, filepath.Join(dir, history.TrialFile), c.info)
		ledger(t, filepath.Join(dir, history.ClientFile), 2)
		ledger(t, filepath.Join(dir, history.OriginFile), 1)
		ledger(t, filepath.Join(dir, history.FaultFile), 0)
		got, err := history.ReadTrial(dir)
		if err != nil {
			t.Fatal(err)
		}
		said := slices.DeleteFunc(got.Defects, func(d string) bool { return !strings.Contains(d, "were written") })
		if !slices.Equal(said, c.want) {
			t.Errorf("%s: %q, want %q", name, said, c.want)
		}
	}
}
