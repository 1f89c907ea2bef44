// Package junit writes junit.xml, which CI systems show as a test report: a
// testsuite per group of scenarios and a testcase per cell, with the scenario as
// its class and the subject as its name.
//
// A failed cell is a failure, with its violations. An undecided cell, and a
// trial that was planned and never began, is an error and not skipped: most CI
// systems count skipped tests as green, and what was not measured must not read
// as a promise kept. So is the testcase "run" of a run that did not come to its end
// or whose bed can't be trusted. Skipped is only what the run skipped on purpose, with its
// reason. A testcase's time is the sum of its trials, from the start of the load.
//
// It is a summary: evidence stands in report.html and verdict.json. The same
// result gives the same bytes. Start with [Write].
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"faultbed/reports/gate"
	"faultbed/reports/internal/layout"
	"faultbed/reports/verdict"
)

// Bounds of one testcase's text: CI systems show it whole, or not at all.
const (
	maxViolations = 10
	maxText       = 400 // bytes of one violation or reason
)

type report struct {
	XMLName xml.Name `xml:"testsuites"`
	Name    string   `xml:"name,attr"`
	counts
	Time   string  `xml:"time,attr,omitempty"`
	Suites []suite `xml:"testsuite"`
}

type suite struct {
	Name string `xml:"name,attr"`
	counts
	Time       string     `xml:"time,attr,omitempty"`
	Timestamp  string     `xml:"timestamp,attr"`
	Properties []property `xml:"properties>property"`
	Cases      []testcase `xml:"testcase"`
}

type counts struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Skipped  int `xml:"skipped,attr"`
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testcase struct {
	Class   string  `xml:"classname,attr"`
	Name    string  `xml:"name,attr"`
	Time    string  `xml:"time,attr,omitempty"`
	Failure *result `xml:"failure"`
	Error   *result `xml:"error"`
	Skipped *result `xml:"skipped"`
	Out     *prose  `xml:"system-out"`
}

type result struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	prose
}

// prose is escaped text of several lines. encoding/xml would write each line
// break as a character reference, which nobody can read in a log.
type prose struct {
	Text string `xml:",innerxml"`
}

func newProse(lines ...string) prose {
	var b strings.Builder
	xml.EscapeText(&b, []byte("\n"+strings.Join(lines, "\n")+"\n")) // a Builder takes all
	return prose{strings.ReplaceAll(b.String(), "&#xA;", "\n")}
}

// Write renders a judged run. Where gates decided of it, each is a testsuite with
// a testcase per decision, and a cell that failed but that all of them let pass
// is skipped, with what they said, so that a CI system agrees with the gate.
// Characters that XML can't hold become U+FFFD.
func Write(w io.Writer, r verdict.Result, gates ...gate.Result) error {
	b, err := xml.MarshalIndent(newReport(r, gates), "", " ")
	if err != nil {
		return fmt.Errorf("junit.xml: %w", err)
	}
	if _, err := fmt.Fprintf(w, "%s%s\n", xml.Header, b); err != nil {
		return fmt.Errorf("junit.xml: %w", err)
	}
	return nil
}

func newReport(r verdict.Result, gates []gate.Result) report {
	out := report{Name: "faultbed " + r.Manifest.Run}
	if took := r.Manifest.Ended.Sub(r.Manifest.Started); !r.Manifest.Ended.IsZero() {
		out.Time = seconds(int64(took))
	}
	out.add(runSuite(r))
	m := layout.Of(r)
	for _, g := range m.Groups {
		out.add(newSuite(r, m.Subjects, g, gates))
	}
	for _, g := range gates {
		out.add(gateSuite(r, g))
	}
	return out
}

// runSuite has one testcase: whether the run came to its end and can be believed.
// Its cells may all have passed, and a CI system counts only testcases.
func runSuite(r verdict.Result) suite {
	s, t := emptySuite(r, "run"), testcase{Class: "run", Name: "run", Out: prosePtr(r.Reason)}
	if open := gate.Unfinished(r); open != "" {
		t.Error = &result{Message: layout.Clip(open, maxText), Type: "unfinished", prose: newProse(open)}
	}
	s.Cases = []testcase{t}
	return s
}

func (r *report) add(s suite) {
	for _, c := range s.Cases {
		s.counts.add(c.counts())
	}
	r.counts.add(s.counts)
	r.Suites = append(r.Suites, s)
}

func emptySuite(r verdict.Result, name string) suite {
	return suite{Name: name, Timestamp: r.Manifest.Started.UTC().Format("2006-01-02T15:04:05"), Properties: []property{
		{"run", r.Manifest.Run}, {"seed", fmt.Sprint(r.Manifest.Seed)}, {"runtime", r.Manifest.Runtime}}}
}

func newSuite(r verdict.Result, subjects []string, g layout.Group, gates []gate.Result) suite {
	s := emptySuite(r, g.Name)
	for _, row := range g.Rows {
		s.Cases = append(s.Cases, newCases(r, subjects, row, gates)...)
	}
	for _, key := range r.Missing {
		if layout.GroupOf(key) == g.Name {
			s.Cases = append(s.Cases, newMissing(layout.Split(key)))
		}
	}
	s.Time = seconds(took(r, func(t verdict.Trial) bool { return layout.GroupOf(t.Scenario) == g.Name }))
	return s
}

func newCases(r verdict.Result, subjects []string, row layout.Row, gates []gate.Result) (out []testcase) {
	for i, slots := range row.Slots {
		for _, s := range slots {
			switch {
			case s.Cell != nil:
				out = append(out, newCase(*s.Cell, layout.Trials(r, *s.Cell), gates))
			case s.Skip != "":
				out = append(out, testcase{Class: row.Scenario, Name: layout.Name(subjects[i], s.Variant), Skipped: &result{Message: s.Skip}})
			}
		}
	}
	return out
}

func newCase(c verdict.Cell, trials []verdict.Trial, gates []gate.Result) testcase {
	t := testcase{Class: c.Scenario, Name: layout.Name(c.Subject, c.Variant), Time: seconds(sum(trials))}
	out := newProse(c.Headline, c.Reason)
	t.Out = &out
	said := &result{Message: layout.Clip(c.Reason, maxText), Type: string(c.Verdict), prose: newProse(tell(trials)...)}
	switch let := letPass(c, gates); {
	case c.Verdict == verdict.Pass:
	case let != "":
		t.Skipped = &result{Message: layout.Clip("the gate lets it pass: "+let, maxText), prose: said.prose}
	case c.Verdict == verdict.Fail:
		t.Failure = said
	default:
		t.Error = said
	}
	return t
}

func newMissing(k layout.Key) testcase {
	return testcase{Class: k.Scenario, Name: layout.Name(k.Subject, k.Variant) + " trial " + k.Trial,
		Error: &result{Message: "planned, and never began: the run ended before", Type: "missing"}}
}

// tell lists what went wrong, trial by trial.
func tell(trials []verdict.Trial) (out []string) {
	for _, t := range trials {
		if t.Verdict == verdict.Pass {
			continue
		}
		out = append(out, fmt.Sprintf("trial %d: %s", t.Trial, t.Verdict))
		if t.Verdict == verdict.Inconclusive {
			out = append(out, indent(t.Reasons)...)
		}
		out = append(out, indent(found(t))...)
	}
	return out
}

func found(t verdict.Trial) (out []string) {
	shown := t.Violations[:min(len(t.Violations), maxViolations)]
	for _, v := range shown {
		out = append(out, fmt.Sprintf("%s at %.4f s: %s", v.Check, float64(v.At)/1e9, v.What))
	}
	if more := t.Found - len(shown); more > 0 {
		out = append(out, fmt.Sprintf("and %d more violations, see report.html", more))
	}
	return out
}

func indent(lines []string) (out []string) {
	for _, l := range lines {
		out = append(out, "  "+layout.Clip(l, maxText))
	}
	return out
}

func took(r verdict.Result, of func(verdict.Trial) bool) int64 {
	return sum(slices.DeleteFunc(slices.Clone(r.Trials), func(t verdict.Trial) bool { return !of(t) }))
}

func sum(trials []verdict.Trial) (ns int64) {
	for _, t := range trials {
		ns += t.Took
	}
	return ns
}

// seconds writes a time as CI systems read it, nothing if it is unknown.
func seconds(ns int64) string {
	if ns == 0 {
		return ""
	}
	return fmt.Sprintf("%.3f", float64(ns)/1e9)
}

func (c testcase) counts() counts {
	out := counts{Tests: 1}
	switch {
	case c.Failure != nil:
		out.Failures = 1
	case c.Error != nil:
		out.Errors = 1
	case c.Skipped != nil:
		out.Skipped = 1
	}
	return out
}

func (c *counts) add(more counts) {
	c.Tests += more.Tests
	c.Failures += more.Failures
	c.Errors += more.Errors
	c.Skipped += more.Skipped
}
