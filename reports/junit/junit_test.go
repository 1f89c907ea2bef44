package junit

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"faultbed/reports/history"
	"faultbed/reports/internal/sample"
	"faultbed/reports/verdict"
)

var update = flag.Bool("update", false, "write the golden file anew")

func render(t *testing.T, r verdict.Result) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	const golden = "testdata/junit.xml"
	got := render(t, verdict.Judge(sample.Run(1)))
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("-want +got (go test -update writes it anew):\n%s", diff)
	}
}

// seen is junit.xml as a CI system counts it: from its elements, by its own types.
type seen struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Skipped  int `xml:"skipped,attr"`
	Suites   []struct {
		Name     string `xml:"name,attr"`
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Errors   int    `xml:"errors,attr"`
		Skipped  int    `xml:"skipped,attr"`
		Cases    []struct {
			Class   string     `xml:"classname,attr"`
			Name    string     `xml:"name,attr"`
			Failure []struct{} `xml:"failure"`
			Error   []struct {
				Type string `xml:"type,attr"`
			} `xml:"error"`
			Skipped []struct{} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// TestCountsAgree parses the file back and counts it against the result: nothing
// that is not a pass may read as one.
func TestCountsAgree(t *testing.T) {
	r := verdict.Judge(sample.Run(2))
	r.Missing = append(r.Missing, "later/never-reached/go/1") // a group that has nothing else
	var got seen
	if err := xml.Unmarshal(render(t, r), &got); err != nil {
		t.Fatal(err)
	}
	cells := map[verdict.Verdict]int{}
	for _, c := range r.Cells {
		cells[c.Verdict]++
	}
	want := [4]int{1 + len(r.Cells) + len(r.Manifest.Skipped) + len(r.Missing), cells[verdict.Fail], 1 + cells[verdict.Inconclusive] + len(r.Missing), len(r.Manifest.Skipped)}
	if head := [4]int{got.Tests, got.Failures, got.Errors, got.Skipped}; head != want {
		t.Errorf("the report says %v tests, failures, errors, skipped; the result has %v", head, want)
	}
	var sum [4]int
	names := map[string]bool{}
	for _, s := range got.Suites {
		var own [4]int
		for _, c := range s.Cases {
			own[0], own[1], own[2], own[3] = own[0]+1, own[1]+len(c.Failure), own[2]+len(c.Error), own[3]+len(c.Skipped)
			if names[c.Class+" "+c.Name] {
				t.Errorf("two testcases are called %s %s", c.Class, c.Name)
			}
			names[c.Class+" "+c.Name] = true
			if !strings.HasPrefix(c.Class+"/", s.Name+"/") {
				t.Errorf("%s is in suite %s", c.Class, s.Name)
			}
		}
		if said := [4]int{s.Tests, s.Failures, s.Errors, s.Skipped}; said != own {
			t.Errorf("suite %s says %v and holds %v", s.Name, said, own)
		}
		for i := range sum {
			sum[i] += own[i]
		}
	}
	if sum != want {
		t.Errorf("elements say %v, the result %v", sum, want)
	}
}

// TestHostileTextIsValidXML wants a file that a strict parser accepts, with the
// same elements as without the hostile text.
func TestHostileTextIsValidXML(t *testing.T) {
	plain := elements(t, render(t, verdict.Judge(sample.Run(1))))
	run := sample.Hostile(sample.Run(1), "]]></failure><testcase name=\"x\"/>&bad;\x00\x1b[31m\xff\ufffe<!--")
	for i := range run.Manifest.Skipped {
		run.Manifest.Skipped[i].Reason += "\x00\"><failure>"
	}
	hostile := elements(t, render(t, verdict.Judge(run)))
	if diff := cmp.Diff(plain, hostile); diff != "" {
		t.Errorf("-without +with hostile text:\n%s", diff)
	}
}

func elements(t *testing.T, file []byte) map[string]int {
	t.Helper()
	out := map[string]int{}
	d := xml.NewDecoder(bytes.NewReader(file))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok {
			out[e.Name.Local]++
		}
	}
}

// TestEmptyRun has nothing measured: one must still get a file that says so, and no time.
func TestEmptyRun(t *testing.T) {
	b := render(t, verdict.Judge(&history.Run{}))
	var got seen
	if err := xml.Unmarshal(b, &got); err != nil || got.Tests != 1 || got.Errors != 1 || bytes.Contains(b, []byte(" time=")) {
		t.Errorf("%v %s", err, b)
	}
}

// TestTheRunItselfIsATestcase: whatever its cells say, a run that can't be believed
// has an error.
func TestTheRunItselfIsATestcase(t *testing.T) {
	clean := verdict.Judge(sample.Run(1))
	clean.Missing = nil
	clean.SelfTest = &verdict.SelfTest{Verdict: verdict.Pass}
	for name, c := range map[string]struct {
		spoil  func(*verdict.Result)
		errors int
	}{
		"whole":       {func(*verdict.Result) {}, 0},
		"interrupted": {func(r *verdict.Result) { r.Manifest.Status = "interrupted" }, 1},
		"missing":     {func(r *verdict.Result) { r.Missing = []string{"drain/sigterm/go/9"} }, 1},
		"self-test":   {func(r *verdict.Result) { r.SelfTest = &verdict.SelfTest{Verdict: verdict.Inconclusive, Reason: "late"} }, 1},
	} {
		r := clean
		c.spoil(&r)
		var got seen
		if err := xml.Unmarshal(render(t, r), &got); err != nil {
			t.Fatal(err)
		}
		s := got.Suites[0]
		if s.Name != "run" || len(s.Cases) != 1 || s.Cases[0].Name != "run" || s.Cases[0].Class != "run" || s.Errors != c.errors || len(s.Cases[0].Error) != c.errors {
			t.Errorf("%s: %+v, want %d errors", name, s, c.errors)
		}
	}
}
