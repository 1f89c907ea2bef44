package markdown

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"faultbed/reports/history"
	"faultbed/reports/internal/sample"
	"faultbed/reports/verdict"
)

var update = flag.Bool("update", false, "write the golden file anew")

func render(t *testing.T, r verdict.Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	const golden = "testdata/summary.md"
	got := render(t, verdict.Judge(sample.Run(1)))
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("-want +got (go test -update writes it anew):\n%s", diff)
	}
}

// TestTellsWhatIsWrong wants the verdict first, and every failed and undecided
// cell, every skipped one and every trial that never began.
func TestTellsWhatIsWrong(t *testing.T) {
	r := verdict.Judge(sample.Run(2))
	got := render(t, r)
	if first, _, _ := strings.Cut(got, "\n"); !strings.Contains(first, string(r.Verdict)) {
		t.Errorf("the first line is %q", first)
	}
	for _, c := range r.Cells {
		told := strings.Contains(got, fmt.Sprintf("- **%s on %s", text(c.Scenario, maxWord), text(c.Subject, maxWord)))
		if c.Verdict != verdict.Pass && !told {
			t.Errorf("%s on %s is %s, which is not told", c.Scenario, c.Subject, c.Verdict)
		}
	}
	for _, s := range r.Manifest.Skipped {
		if !strings.Contains(got, fmt.Sprintf("- %s on %s: %s\n", s.Scenario, s.Subject, text(s.Reason, maxReason))) {
			t.Errorf("%v is not told", s)
		}
	}
	for _, key := range r.Missing {
		if !strings.Contains(got, "- "+key+"\n") {
			t.Errorf("%s never began, which is not told", key)
		}
	}
}

const markup = "<script>alert(1)</script>\n## head | cell `code` ![i](http://x/) @team #1 $x$\u202e\x00\xff**"

// TestHostileTextStaysText renders a hostile run and looks for anything that
// markdown or GitHub would act on and that the same run without it has not.
func TestHostileTextStaysText(t *testing.T) {
	hostile := func() *history.Run {
		run := sample.Hostile(sample.Run(1), markup)
		for i := range run.Manifest.Skipped {
			run.Manifest.Skipped[i].Reason += markup
		}
		run.Missing = append(run.Missing, markup)
		return run
	}
	got := render(t, verdict.Judge(hostile()))
	for _, live := range []string{"<script", "\n## head", "@team", "#1", "http://", "![", "\u202e", "\x00", "\xff"} {
		if strings.Contains(got, live) {
			t.Errorf("%q got through", live)
		}
	}
	if !strings.Contains(got, `&lt;script&gt;alert(1)&lt;/script&gt; #`+parts+`#`+parts+` head \| cell`) {
		t.Error("the hostile text is not shown at all")
	}
	plain := render(t, verdict.Judge(sample.Run(1)))
	if tags(got) != tags(plain) {
		t.Errorf("tags %s, without the hostile text %s", tags(got), tags(plain))
	}
	for i, l := range strings.Split(got, "\n") {
		columns := func(s string) int { return strings.Count(strings.ReplaceAll(s, `\|`, ""), "|") }
		if strings.HasPrefix(l, "|") && columns(l) != columns(strings.Split(got, "\n")[4]) {
			t.Errorf("line %d of the matrix has other columns than its head: %s", i+1, l)
		}
	}
}

// tags counts what HTML there is.
func tags(s string) string {
	out := ""
	for _, tag := range []string{"<details>", "</details>", "<summary>", "</summary>", "<"} {
		if tag == "<" {
			s = strings.ReplaceAll(s, "<br>", "")
		}
		out += fmt.Sprintf("%s %d ", tag, strings.Count(s, tag))
	}
	return out
}

// TestSizeIsBounded wants every section of a huge result cut, each with its
// sentence, and what is left to be whole.
func TestSizeIsBounded(t *testing.T) {
	r := verdict.Judge(sample.Run(1))
	for range 6 {
		for i, c := range slices.Clone(r.Cells) {
			c.Scenario += fmt.Sprintf("-%d", len(r.Cells)+i)
			c.Reason += strings.Repeat("<", 10_000)
			r.Cells = append(r.Cells, c)
		}
		r.Missing = append(r.Missing, slices.Repeat([]string{"a/" + strings.Repeat("&", 1000)}, 50)...)
		r.Manifest.Skipped = append(r.Manifest.Skipped, slices.Repeat([]history.Skip{{Scenario: "a/b", Reason: strings.Repeat("&", 1000)}}, 50)...)
	}
	r.Reason = strings.Repeat("<", 10_000)
	got := render(t, r)
	if len(got) > Limit || len(got) < Limit/2 || !utf8.ValidString(got) {
		t.Errorf("%d bytes, want at most %d and most of that used; valid UTF-8: %v", len(got), Limit, utf8.ValidString(got))
	}
	for _, unit := range []string{"failed cells", "undecided cells", "trials", "skipped cells", "facts"} {
		if !strings.Contains(got, unit+" are left out to keep this short") {
			t.Errorf("nothing says that %s are left out", unit)
		}
	}
	if !strings.HasSuffix(got, howTo) {
		t.Error("how to judge it again is cut off")
	}
	if a, b := strings.Count(got, "<details>"), strings.Count(got, "</details>"); a != b {
		t.Errorf("%d details opened, %d closed", a, b)
	}
}

func TestTextKeepsWords(t *testing.T) {
	for in, want := range map[string]string{
		"plain words":   "plain words",
		"a\n\tb":        "a b",
		"a|b":           `a\|b`,
		"1 < 2 & 3":     "1 &lt; 2 &amp; 3",
		"drain-time":    "drain-time",
		"42 % [1.0, 2]": `42 % \[1.0, 2\]`,
	} {
		if got := text(in, 100); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := text(strings.Repeat("ä", 10), 5); got != "ää…" {
		t.Errorf("clipped to %q", got)
	}
}
