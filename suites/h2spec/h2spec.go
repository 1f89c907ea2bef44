// Package h2spec runs the conformance tests of github.com/summerwind/h2spec against
// the subjects that speak HTTP/2, in front of our origin, and holds each case against
// a baseline: what is known to fail, and why.
//
// The program is built from its own module (tools/h2spec, pinned) and runs as a
// process; its JUnit report is all that is read. It tests RFC 7540, whose successor
// RFC 9113 took some demands back: that is a reason in a baseline, not a change of
// it. No latency is measured, and no verdict of a run depends on it.
//
// A case that got worse than the baseline fails, one that got better is told. Start
// with [Run]; `make h2spec` prints what came of it.
package h2spec

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"faultbed/fixtures/load"
	"faultbed/proxy"
	"faultbed/suites/campaign"
	"faultbed/suites/scenario"
)

//go:embed baseline/*.json
var baselines embed.FS

// Known is a case of a baseline that does not pass, or not always.
type Known struct {
	Case    string `json:"case"` // group, section and number: "http2/6.5.3/1"
	Title   string `json:"title"`
	Outcome string `json:"outcome"` // fail, or either if it was seen to vary
	Why     string `json:"why"`
}

// Baseline is what is known of a subject.
type Baseline struct {
	Subject string  `json:"subject"`
	Cases   int     `json:"cases"` // that the program runs
	Known   []Known `json:"known"`
}

// Case is one case as it came out.
type Case struct {
	ID, Title string
	Failed    bool
	Detail    string // of the failure: what was expected and what came
}

// Result is a subject's cases beside its baseline.
type Result struct {
	Subject string
	Cases   []Case
	Worse   []Case  // failed, and should pass
	Better  []Known // passed, and was known to fail
	Missing int     // cases that the baseline counts and that did not run
}

// OK tells whether nothing got worse.
func (r Result) OK() bool { return len(r.Worse) == 0 && r.Missing == 0 }

// bed is the plan for which a subject is started.
const bed = `name: h2spec/bed
description: The subject in front of the origin, for h2spec.
requires: [http2]
duration: 1s
load: [{class: h2, count: 1}]
settings: {read_header_timeout: 5s, stream_idle_timeout: 5s}
`

// Run tests the named subjects in the process runtime. root is the module's folder,
// dir a new one for what the run leaves.
func Run(ctx context.Context, root, dir string, subjects ...string) (out []Result, err error) {
	program := filepath.Join(dir, "h2spec")
	build := exec.CommandContext(ctx, "go", "build", "-modfile", "tools/h2spec/go.mod", "-o", program, "github.com/summerwind/h2spec/cmd/h2spec")
	build.Dir = root
	if log, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build h2spec: %w: %s", err, log)
	}
	all, err := proxy.Embedded()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s *proxy.Spec) bool { return !slices.Contains(subjects, s.Name) || !s.Has("http2") })
	s, err := scenario.Load("bed.yaml", []byte(bed))
	if err != nil {
		return nil, err
	}
	c, err := campaign.Open(ctx, campaign.Options{Scenarios: []*scenario.Scenario{s}, Subjects: all, Seed: 1, Trials: 1, Runtime: "process", Out: filepath.Join(dir, "run")})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()
	for _, p := range c.Plans {
		var cases []Case
		err := c.Serve(ctx, p, func(ctx context.Context, at load.Endpoint) (err error) {
			cases, err = test(ctx, program, filepath.Join(dir, p.Subject+".xml"), at.TLS)
			return err
		})
		if err != nil {
			return out, fmt.Errorf("%s: %w", p.Subject, err)
		}
		b, err := baseline(p.Subject)
		if err != nil {
			return out, err
		}
		out = append(out, Compare(b, cases))
	}
	for _, s := range all {
		if !slices.ContainsFunc(out, func(r Result) bool { return r.Subject == s.Name }) {
			return out, fmt.Errorf("%s: it can't be had in the process runtime here", s.Name)
		}
	}
	return out, nil
}

// test runs the program once. It exits with 1 where a case failed.
func test(ctx context.Context, program, report, addr string) ([]Case, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, "-h", host, "-p", port, "-t", "-k", "-o", "2", "-j", report, "-P", "/fb/short/h2spec?size=64")
	log, failed := cmd.CombinedOutput()
	text, err := os.ReadFile(report)
	if err != nil {
		return nil, fmt.Errorf("h2spec: %w: %s", errors.Join(failed, err), log[max(0, len(log)-500):])
	}
	return parse(text)
}

// parse reads a JUnit report. A case's number is its place in its suite.
func parse(text []byte) (out []Case, err error) {
	var report struct {
		Suites []struct {
			Cases []struct {
				Package string  `xml:"package,attr"`
				Title   string  `xml:"classname,attr"`
				Failure *string `xml:"failure"`
				Error   *string `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &report); err != nil {
		return nil, fmt.Errorf("h2spec's report: %w", err)
	}
	for _, suite := range report.Suites {
		for i, c := range suite.Cases {
			one := Case{ID: fmt.Sprintf("%s/%d", c.Package, i+1), Title: c.Title}
			if detail := cmp.Or(c.Failure, c.Error); detail != nil {
				one.Failed, one.Detail = true, strings.Join(strings.Fields(*detail), " ")
			}
			out = append(out, one)
		}
	}
	return out, nil
}

func baseline(subject string) (b Baseline, err error) {
	text, err := baselines.ReadFile("baseline/" + subject + ".json")
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	return b, err
}

// Compare holds cases against a baseline.
func Compare(b Baseline, cases []Case) Result {
	r := Result{Subject: b.Subject, Cases: cases, Missing: max(0, b.Cases-len(cases))}
	for _, c := range cases {
		i := slices.IndexFunc(b.Known, func(k Known) bool { return k.Case == c.ID })
		switch {
		case c.Failed && i < 0:
			r.Worse = append(r.Worse, c)
		case !c.Failed && i >= 0 && b.Known[i].Outcome == "fail":
			r.Better = append(r.Better, b.Known[i])
		}
	}
	return r
}
