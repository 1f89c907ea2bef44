package verdict_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"faultbed/reports/check"
	"faultbed/reports/history"
	"faultbed/reports/html"
	"faultbed/reports/verdict"
)

// fileNames are what a trial's folder holds of a trial.
var fileNames = []string{history.PlanFile, history.TrialFile, history.ClientFile, history.OriginFile, history.FaultFile}

// folder is a trial as files.
func folder(t testing.TB, x *history.Trial) map[string][]byte {
	t.Helper()
	plan, err := x.Plan.Encode()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{history.PlanFile: plan}
	if files[history.TrialFile], err = json.Marshal(x.Info); err != nil {
		t.Fatal(err)
	}
	for name, es := range map[string][]history.Event{history.ClientFile: x.Client, history.OriginFile: x.Origin, history.FaultFile: x.Fault} {
		var b bytes.Buffer
		for _, e := range es {
			if err := json.NewEncoder(&b).Encode(e); err != nil {
				t.Fatal(err)
			}
		}
		files[name] = b.Bytes()
	}
	return files
}

// runOf is a run folder with those trials; the files of the first may be damaged.
func runOf(t testing.TB, damage func(files map[string][]byte), trials ...*history.Trial) string {
	t.Helper()
	dir := t.TempDir()
	m := history.Manifest{Version: 1, Status: "complete"}
	for i, x := range trials {
		m.Planned = append(m.Planned, x.Plan.Key())
		files := folder(t, x)
		if i == 0 {
			damage(files)
		}
		trial := history.TrialDir(dir, x.Plan.Key())
		if err := os.MkdirAll(trial, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, b := range files {
			if err := os.WriteFile(filepath.Join(trial, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := history.WriteJSON(filepath.Join(dir, history.ManifestFile), m); err != nil {
		t.Fatal(err)
	}
	return dir
}

func second(x *history.Trial) { x.Plan.Trial = 2 }

// replace changes the first occurrence in a file, which must be there.
func replace(file, old, with string) func(map[string][]byte) {
	return func(files map[string][]byte) {
		if !bytes.Contains(files[file], []byte(old)) {
			panic(file + " has no " + old)
		}
		files[file] = bytes.Replace(files[file], []byte(old), []byte(with), 1)
	}
}

// TestDamage damages one of two good trials: it is undecided and says why in a
// plain sentence, and the other passes as it did.
func TestDamage(t *testing.T) {
	ends := func(id string, at string) string {
		return `{"t":` + at + `,"kind":"end","node":"load","id":"` + id + `"`
	}
	for name, c := range map[string]struct {
		damage func(map[string][]byte)
		says   string
	}{
		"a line of the client ledger": {replace(history.ClientFile, `{"t"`, `{"t`), "client ledger: one line is no event and was left out, line 1"},
		"a value of the wrong type":   {replace(history.FaultFile, `"count":2`, `"count":"2"`), "fault ledger: one line is no event and was left out, line 2"},
		"zeros in the origin ledger":  {func(f map[string][]byte) { f[history.OriginFile] = make([]byte, 4096) }, "a ledger ends in the middle of a line"},
		"the last line cut": {func(f map[string][]byte) {
			f[history.ClientFile] = f[history.ClientFile][:len(f[history.ClientFile])-20]
		}, "a ledger ends in the middle of a line"},
		"a plan from the future":       {replace(history.PlanFile, `"version": 1`, `"version": 7`), "the trial is unreadable: plan.json: its version 7 is newer than this faultbed knows (1)"},
		"no origin ledger":             {func(f map[string][]byte) { delete(f, history.OriginFile) }, "origin ledger: it is missing"},
		"no plan":                      {func(f map[string][]byte) { delete(f, history.PlanFile) }, "the trial is unreadable: plan.json: no such file"},
		"half a plan":                  {func(f map[string][]byte) { f[history.PlanFile] = f[history.PlanFile][:99] }, "the trial is unreadable: plan.json: torn file"},
		"a plan that is a list":        {func(f map[string][]byte) { f[history.PlanFile] = []byte("[]") }, "the trial is unreadable: plan.json: json: cannot unmarshal array"},
		"another trial's plan":         {replace(history.PlanFile, `"trial": 1`, `"trial": 9`), "plan.json is of another trial, network/back-rst/go/9"},
		"half a trial.json":            {func(f map[string][]byte) { f[history.TrialFile] = f[history.TrialFile][:30] }, "trial.json is missing or torn"},
		"a trial.json of another kind": {replace(history.TrialFile, `"t0":1000000000000`, `"t0":"noon"`), "trial.json: json: cannot unmarshal string"},
		"no t0":                        {replace(history.TrialFile, `"t0":1000000000000,`, ""), "trial.json has no t0, though requests were begun; it was taken from request a"},
		"an id that began twice": {func(f map[string][]byte) {
			f[history.ClientFile] = append(f[history.ClientFile], `{"t":1002900000000,"kind":"begin","node":"load","id":"a","class":"short","planned":1002900000000}`+"\n"...)
		}, "client ledger: 1 request began a second time, the first is a"},
		"an id that ended twice": {func(f map[string][]byte) {
			f[history.ClientFile] = append(f[history.ClientFile], ends("c", "1002900000000")+`,"planned":1002000000000,"outcome":"ok"}`+"\n"...)
		}, "client ledger: 1 request ended a second time, the first is c"},
		"an end of nothing": {func(f map[string][]byte) {
			f[history.ClientFile] = append(f[history.ClientFile], ends("z", "1002900000000")+`,"outcome":"ok"}`+"\n"...)
		}, "client ledger: 1 request ended and never began, the first is z"},
		"an end before its begin": {replace(history.ClientFile, ends("a", "1000105000000"), ends("a", "1000098000000")), "clocks ran backwards in 1 request, by up to 2.000001ms: a was sent after its end"},
		"sent after its end":      {replace(history.ClientFile, `"sent":1002000000001`, `"sent":1002007000000`), "clocks ran backwards in 1 request, by up to 2ms: c was sent after its end"},
		"began before it was planned": {replace(history.ClientFile, `{"t":1000100000000,"kind":"begin"`, `{"t":1000090000000,"kind":"begin"`),
			"clocks ran backwards in 1 request, by up to 10ms: a began before it was planned"},
		"at the origin before it began": {func(f map[string][]byte) {
			f[history.OriginFile] = []byte(`{"t":1000098000000,"kind":"request","node":"origin","id":"a"}` + "\n")
		}, "clocks ran backwards in 1 request, by up to 2ms: a reached the origin before it began"},
	} {
		r, err := verdict.JudgeDir(runOf(t, c.damage, timeline(), timeline(second)))
		if err != nil || len(r.Trials) != 2 || len(r.Missing) > 0 {
			t.Errorf("%s: %v, %d trials, missing %v", name, err, len(r.Trials), r.Missing)
			continue
		}
		bad, good := r.Trials[0], r.Trials[1]
		if said := strings.Join(bad.Reasons, "; "); bad.Verdict != verdict.Inconclusive || !strings.Contains(said, c.says) {
			t.Errorf("%s: %s: %q, want %q", name, bad.Verdict, said, c.says)
		}
		if good.Verdict != verdict.Pass || (name != "another trial's plan" && bad.Key != timeline().Plan.Key()) {
			t.Errorf("%s: the other is %s: %q; keys %s, %s", name, good.Verdict, good.Reasons, bad.Key, good.Key)
		}
		if c := r.Cells[0]; len(r.Cells) != 1 || c.Undecided != 1 || c.Verdict != verdict.Inconclusive || c.Description != timeline().Plan.Description {
			t.Errorf("%s: %d cells, the first %s: %s", name, len(r.Cells), c.Verdict, c.Reason)
		}
	}
}

// TestDamageExcusesNoForeignBytes: another's bytes are evidence in what is left.
func TestDamageExcusesNoForeignBytes(t *testing.T) {
	r, err := verdict.JudgeDir(runOf(t, replace(history.FaultFile, `{"t"`, "x"), timeline(crosstalk)))
	if err != nil || r.Verdict != verdict.Fail || !slices.ContainsFunc(r.Trials[0].Reasons, func(s string) bool { return strings.HasPrefix(s, "fault ledger: ") }) {
		t.Errorf("%v, %s: %q", err, r.Verdict, r.Trials[0].Reasons)
	}
}

// TestTwoThreadsAreNoDefect: times that contradict each other by less than a
// millisecond were read by two threads.
func TestTwoThreadsAreNoDefect(t *testing.T) {
	r, err := verdict.JudgeDir(runOf(t, replace(history.ClientFile, `"sent":1002000000001`, `"sent":1002005900000`), timeline()))
	if err != nil || r.Trials[0].Verdict != verdict.Pass {
		t.Errorf("%v, %q", err, r.Trials[0].Reasons)
	}
}

// FuzzJudge judges a trial of which any file may hold anything. Whatever it is,
// there is a verdict that can be written down and drawn, and what could not be
// read is no pass.
func FuzzJudge(f *testing.F) {
	for _, x := range []*history.Trial{timeline(), drained(), timeline(crosstalk, failed), toxic("toxic.bandwidth", `{"rate":200}`, 41)} {
		files := folder(f, x)
		f.Add(files[fileNames[0]], files[fileNames[1]], files[fileNames[2]], files[fileNames[3]], files[fileNames[4]])
	}
	f.Fuzz(func(t *testing.T, plan, info, client, origin, fault []byte) {
		dir := t.TempDir()
		for i, b := range [][]byte{plan, info, client, origin, fault} {
			if err := os.WriteFile(filepath.Join(dir, fileNames[i]), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		x, err := history.ReadTrial(dir)
		if err != nil {
			return // the run's reader tells: TestDamage
		}
		j := verdict.JudgeTrial(x)
		if _, err := json.Marshal(j); err != nil {
			t.Fatal(err)
		}
		if _, err := html.Draw(check.New(x), j); err != nil {
			t.Fatal(err)
		}
		if len(j.Reasons) == 0 || (j.Verdict == verdict.Pass && (len(x.Defects) > 0 || x.Torn)) {
			t.Fatalf("%s: %q, torn %v, defects %q", j.Verdict, j.Reasons, x.Torn, x.Defects)
		}
	})
}
