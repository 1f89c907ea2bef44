// Package reports writes what a run is read by: verdict.json, report.html,
// junit.xml and summary.md, all from one judged result.
//
// The packages below it do the work: history is the vocabulary and the run
// folder, check finds violations, stats counts, verdict judges, compare tells
// runs apart, gate decides, and html, markdown and junit render; schema holds the
// published JSON Schemas. None of them needs Docker or anything else of
// faultbed. Start with [Judge] and [Write].
package reports

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"faultbed/reports/check"
	"faultbed/reports/gate"
	"faultbed/reports/history"
	"faultbed/reports/html"
	"faultbed/reports/junit"
	"faultbed/reports/markdown"
	"faultbed/reports/verdict"
)

// Names of the rendered files in a run folder.
const (
	VerdictFile  = "verdict.json"
	HTMLFile     = "report.html"
	JUnitFile    = "junit.xml"
	MarkdownFile = "summary.md"
)

// Judge judges a run folder, a few trials at a time, and keeps of each what
// [Write] needs to draw it.
func Judge(dir string) (verdict.Result, []*html.Drawing, error) {
	var mu sync.Mutex
	var drawings []*html.Drawing
	var errs []error
	res, err := verdict.JudgeDir(dir, func(v *check.View, t verdict.Trial) {
		d, err := html.Draw(v, t)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			errs = append(errs, err)
			return
		}
		drawings = append(drawings, d)
	})
	return res, drawings, errors.Join(append(errs, err)...)
}

// Write renders a judged run into its folder, with what gates decided of it. The same result gives the same
// bytes, whatever the order of the drawings. Each file is replaced whole.
func Write(dir string, r verdict.Result, drawings []*html.Drawing, gates ...gate.Result) error {
	if err := history.WriteJSON(filepath.Join(dir, VerdictFile), r); err != nil {
		return err
	}
	for name, render := range map[string]func(io.Writer) error{
		HTMLFile:     func(w io.Writer) error { return html.Write(w, r, drawings) },
		JUnitFile:    func(w io.Writer) error { return junit.Write(w, r, gates...) },
		MarkdownFile: func(w io.Writer) error { return markdown.Write(w, r, gates...) },
	} {
		var buf bytes.Buffer
		if err := render(&buf); err != nil {
			return err
		}
		tmp := filepath.Join(dir, name+".tmp")
		if err := os.WriteFile(tmp, buf.Bytes(), 0o644); err != nil {
			return err
		}
		if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
