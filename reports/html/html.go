package html

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"faultbed/reports/history"
	"faultbed/reports/internal/layout"
	"faultbed/reports/stats"
	"faultbed/reports/verdict"
)

//go:embed report.tmpl
var pageText string

//go:embed style.css
var style string

//go:embed timeline.js
var script string

// page is parsed once; a mistake in it is a mistake of this package.
var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"dur": layout.Dur, "durp": layout.DurPtr, "time": layout.Time, "share": layout.Share, "percent": layout.Percent, "bounds": layout.Bounds,
	"mark": layout.Mark, "name": layout.Name, "kinds": layout.Kinds, "exit": layout.ExitOf, "failures": failures,
	"anchor": anchor, "taken": func(d stats.Duration) string { return layout.Time(&d) }, "at": at, "bar": wide, "fates": layout.FatesOf, "bit": bit,
	"setting": layout.Setting, "calibrated": layout.Calibrated,
}).Parse(pageText))

// Write renders a judged run with the drawings of its trials, in any order; a
// trial without one is shown without a timeline.
func Write(w io.Writer, res verdict.Result, drawings []*Drawing) error {
	buf := bufio.NewWriter(w)
	if err := page.Execute(buf, newPage(res, drawings)); err != nil {
		return fmt.Errorf("report.html: %w", err)
	}
	return buf.Flush()
}

// policy allows the one script and the one style sheet of the file and nothing
// else: markup that came in with some text can neither run nor load anything.
func policy() string {
	return fmt.Sprintf("default-src 'none'; base-uri 'none'; form-action 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'", digest(script), digest(style))
}

func digest(s string) string {
	h := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(h[:])
}

// anchor is the fragment that opens a trial.
func anchor(key string) string { return "trial-" + key }

// at writes an instant of a trial in seconds from T0.
func at(ns int64) string { return fmt.Sprintf("%.4f", float64(ns)/1e9) }

// permille places a share on a scale of 0 to 1000, for the small interval bars.
func permille(f float64) int { return int(1000*f + 0.5) }

// bit writes what a fault touched: "1 signal", "14 connections".
func bit(f verdict.FaultBite) string {
	if f.Bites == 1 {
		return "1 " + strings.TrimSuffix(f.Touched, "s")
	}
	return fmt.Sprintf("%d %s", f.Bites, f.Touched)
}

// failures writes the counts of all outcomes but ok.
func failures(kinds map[history.Outcome]int) string { return layout.Kinds(kinds, history.OK) }
