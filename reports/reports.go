// Package reports writes what a run is read by: verdict.json, report.html,
// junit.xml and summary.md, all from one judged result.
//
// The packages below it do the work: history is the vocabulary and the run
// folder, check finds violations, stats counts, verdict judges, and html,
// markdown and junit render; schema holds the published JSON Schemas. None of
// them needs Docker or anything else of faultbed. Start with [Write].
package reports

import (
	"bytes"
	"io"
	"os"
	"path/filepath"

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

// Write renders a judged run into its folder. The same result gives the same
// bytes. Each file is replaced whole.
func Write(dir string, r verdict.Result, trials []*history.Trial) error {
	if err := history.WriteJSON(filepath.Join(dir, VerdictFile), r); err != nil {
		return err
	}
	for name, render := range map[string]func(io.Writer) error{
		HTMLFile:     func(w io.Writer) error { return html.Write(w, r, trials) },
		JUnitFile:    func(w io.Writer) error { return junit.Write(w, r) },
		MarkdownFile: func(w io.Writer) error { return markdown.Write(w, r) },
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
