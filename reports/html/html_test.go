package html

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	xhtml "golang.org/x/net/html"

	"faultbed/reports/check"
	"faultbed/reports/history"
	"faultbed/reports/internal/layout"
	"faultbed/reports/internal/sample"
	"faultbed/reports/stats"
	"faultbed/reports/verdict"
)

func render(t *testing.T, run *history.Run) (string, verdict.Result) {
	t.Helper()
	r := verdict.Judge(run)
	var b bytes.Buffer
	if err := Write(&b, r, drawings(t, run)); err != nil {
		t.Fatal(err)
	}
	return b.String(), r
}

// drawings are those of a run in memory.
func drawings(t testing.TB, run *history.Run) (out []*Drawing) {
	t.Helper()
	for _, x := range run.Trials {
		d, err := Draw(check.New(x), verdict.JudgeTrial(x))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, d)
	}
	return out
}

// element is a start tag with its attributes and, for style and script, its text.
type element struct {
	name string
	attr map[string]string
	text string
}

// elements parses a page as a browser's tokenizer does.
func elements(page string) (out []element) {
	z := xhtml.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case xhtml.ErrorToken:
			return out
		case xhtml.StartTagToken, xhtml.SelfClosingTagToken:
			tok := z.Token()
			e := element{name: tok.Data, attr: map[string]string{}}
			for _, a := range tok.Attr {
				e.attr[a.Key] = a.Val
			}
			out = append(out, e)
		case xhtml.TextToken:
			if n := len(out); n > 0 && (out[n-1].name == "script" || out[n-1].name == "style") && out[n-1].text == "" {
				out[n-1].text = string(z.Text())
			}
		}
	}
}

func TestSameInputSameBytes(t *testing.T) {
	a, _ := render(t, sample.Run(1))
	b, _ := render(t, sample.Run(1))
	if a != b {
		t.Error("two renderings differ")
	}
}

// TestFetchesNothing wants a page that a browser can show with no network: no
// address outside the page, no inline handler or style, and a policy that allows
// exactly the script and the style that are there.
func TestFetchesNothing(t *testing.T) {
	page, _ := render(t, sample.Run(1))
	var policies []string
	for _, e := range elements(page) {
		if e.attr["http-equiv"] == "Content-Security-Policy" {
			policies = append(policies, e.attr["content"])
		}
		for name, value := range e.attr {
			if strings.HasPrefix(name, "on") || slices.Contains([]string{"src", "srcset", "style", "action", "data", "poster", "background"}, name) ||
				(name == "href" && !strings.HasPrefix(value, "#")) {
				t.Errorf("<%s %s=%q>", e.name, name, value)
			}
		}
		if slices.Contains([]string{"link", "base", "iframe", "object", "embed", "img", "form"}, e.name) {
			t.Errorf("<%s> in the page", e.name)
		}
		if e.name == "style" || (e.name == "script" && e.attr["type"] == "") {
			sum := sha256.Sum256([]byte(e.text))
			want := fmt.Sprintf("%s-src 'sha256-%s'", e.name, base64.StdEncoding.EncodeToString(sum[:]))
			if len(policies) != 1 || !strings.Contains(policies[0], want) {
				t.Errorf("the policy %q does not allow the <%s> that follows it", policies, e.name)
			}
		}
		if e.name == "style" && regexp.MustCompile(`url\(|@import`).MatchString(e.text) {
			t.Error("the style sheet loads something")
		}
	}
	if len(policies) != 1 || !strings.HasPrefix(policies[0], "default-src 'none';") || strings.Contains(policies[0], "unsafe") {
		t.Errorf("policies %q", policies)
	}
	for _, url := range regexp.MustCompile(`https?://[^"'\s<]+`).FindAllString(page, -1) {
		if url != "http://www.w3.org/2000/svg" { // a name, not an address
			t.Errorf("address %s", url)
		}
	}
}

// part is the page's text of one trial.
func part(t *testing.T, page, key string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, fmt.Sprintf(`<details class="trial" id="trial-%s"`, key))
	if !ok {
		t.Fatalf("trial %s is not in the page", key)
	}
	rest, _, _ = strings.Cut(rest, `<details class="trial"`)
	return rest
}

func TestEverythingIsThere(t *testing.T) {
	page, r := render(t, sample.Run(2))
	matrix := page[strings.Index(page, `<section id="matrix">`):]
	matrix = matrix[:strings.Index(matrix, "</section>")]
	if first := strings.Index(page, "<section"); first != strings.Index(page, `<section id="matrix">`) {
		t.Error("the summary is not the first section")
	}
	slots := map[verdict.Verdict]int{}
	for _, e := range elements(matrix) {
		if v, ok := strings.CutPrefix(e.attr["class"], "slot "); ok && e.name == "a" {
			slots[verdict.Verdict(v)]++
		}
	}
	if d := cmp.Diff(layout.Count(r), slots); d != "" {
		t.Errorf("cells of the result and of the matrix:\n%s", d)
	}
	for _, c := range r.Cells {
		if !strings.Contains(matrix, `>`+c.Scenario+`</th>`) || !strings.Contains(matrix, fmt.Sprintf(`href="#trial-%s/`, strings.Join([]string{c.Scenario, c.Subject}, "/"))) {
			t.Errorf("%s on %s is not in the matrix", c.Scenario, c.Subject)
		}
	}
	for _, x := range r.Trials {
		text := part(t, page, x.Key)
		for _, v := range x.Violations {
			if !strings.Contains(text, "<b>"+v.Check+"</b>") {
				t.Errorf("%s: nothing of %s", x.Key, v.Check)
			}
		}
		for _, f := range x.Faults {
			if !strings.Contains(text, f.ID+" "+f.Kind) {
				t.Errorf("%s: nothing of fault %s", x.Key, f.ID)
			}
		}
	}
	for _, s := range append(r.Missing, r.Manifest.Skipped[0].Reason) {
		if !strings.Contains(page, s) {
			t.Errorf("nothing of %s", s)
		}
	}
}

// TestTimelineData wants in the data that the script draws what the ledgers hold.
func TestTimelineData(t *testing.T) {
	run := sample.Run(1)
	page, r := render(t, run)
	for i, x := range run.Trials {
		if x.Plan.Engine != "timeline" {
			continue
		}
		data, _, _ := strings.Cut(part(t, page, x.Plan.Key()), "</script>")
		_, data, _ = strings.Cut(data, `<script type="application/json">`)
		var tl timeline
		if err := json.Unmarshal([]byte(data), &tl); err != nil {
			t.Fatalf("%s: %v", x.Plan.Key(), err)
		}
		ends := map[history.Outcome]int{}
		for _, e := range x.Client {
			if e.Kind == history.End {
				ends[e.Outcome]++
			}
		}
		drawn := map[history.Outcome]int{}
		for _, o := range tl.Req.Out {
			drawn[tl.Outcomes[o]]++
		}
		if d := cmp.Diff(ends, drawn); d != "" {
			t.Errorf("%s: outcomes in the ledger and in the timeline:\n%s", x.Plan.Key(), d)
		}
		if n := len(tl.Req.ID); len(tl.Req.Plan) != n || len(tl.Req.Lag) != n || len(tl.Req.Took) != n || len(tl.Req.Class) != n || len(tl.Req.Conn) != n {
			t.Errorf("%s: columns of different length", x.Plan.Key())
		}
		if len(tl.Faults) != len(r.Trials[i].Faults) {
			t.Errorf("%s: %d faults drawn of %d", x.Plan.Key(), len(tl.Faults), len(r.Trials[i].Faults))
		}
	}
}

// TestHostileTextStaysText renders texts that try to break out of every context
// and wants the same elements and attributes as without them.
func TestHostileTextStaysText(t *testing.T) {
	plain, _ := render(t, sample.Run(1))
	want := shape(plain)
	for _, markup := range []string{
		`</script><script>alert(1)</script>`, `<!--<script>`, `]]>--></style><img src=x onerror=alert(1)>`,
		`" onmouseover="alert(1)" x="`, `' autofocus onfocus='alert(1)`, "</details></table>\x00\u2028\xff", `</title><svg/onload=alert(1)>`, `{{.}}${alert(1)}`,
	} {
		run := sample.Hostile(sample.Run(1), markup)
		for i := range run.Manifest.Skipped {
			run.Manifest.Skipped[i].Reason += markup
		}
		page, _ := render(t, run)
		if d := cmp.Diff(want, shape(page)); d != "" {
			t.Errorf("%q changes the page:\n%s", markup, d)
		}
	}
}

// shape counts elements with the names of their attributes. A title or a link's
// text may change; what there is may not.
func shape(page string) map[string]int {
	out := map[string]int{}
	for _, e := range elements(page) {
		out[e.name+" "+strings.Join(slices.Sorted(maps.Keys(e.attr)), " ")]++
	}
	return out
}

// TestSizeIsBounded wants a run of hundreds of trials to stay readable in a
// browser, and every timeline that is left out to be said so.
func TestSizeIsBounded(t *testing.T) {
	run := sample.Run(14)
	page, r := render(t, run)
	const perTrial = 12_000 // tables
	if limit := 2*maxTimelines + len(r.Trials)*perTrial; len(page) > limit {
		t.Errorf("%d bytes for %d trials, want at most %d", len(page), len(r.Trials), limit)
	}
	drawn, told := strings.Count(page, `<script type="application/json">`), strings.Count(page, `<p class="note">The timeline is left out`)
	if drawn+told != len(r.Trials) || told == 0 {
		t.Errorf("%d timelines drawn, %d left out, of %d; want some left out", drawn, told, len(r.Trials))
	}
	for _, x := range r.Trials {
		if x.Verdict == verdict.Fail && !strings.Contains(part(t, page, x.Key), `<script type="application/json">`) {
			t.Errorf("%s failed and has no timeline, though others have", x.Key)
		}
	}
}

// TestWithoutLedgers renders a verdict.json whose ledgers are gone.
func TestWithoutLedgers(t *testing.T) {
	run := sample.Run(1)
	var b bytes.Buffer
	if err := Write(&b, verdict.Judge(run), nil); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "The ledgers of this trial were not read."); n != len(run.Trials) {
		t.Errorf("said for %d of %d trials", n, len(run.Trials))
	}
	b.Reset()
	if err := Write(&b, verdict.Judge(&history.Run{}), nil); err != nil || !strings.Contains(b.String(), "nothing was measured") {
		t.Errorf("an empty run: %v", err)
	}
}

// TestLargeTrialsAreSampled draws a few of many requests, and counts all.
func TestLargeTrialsAreSampled(t *testing.T) {
	x := sample.Bulk(20_000, 1)
	lost := x.Plan.Arrivals[10].ID // one failure before the fault, which a check names
	for i := range x.Client {
		if e := &x.Client[i]; e.ID == lost && e.Kind == history.End {
			e.Outcome, e.Status = history.Reset, 0
		}
	}
	j := verdict.JudgeTrial(x)
	if len(j.Violations) == 0 || j.Violations[0].ID != lost {
		t.Fatalf("violations %+v", j.Violations)
	}
	tl := newTimeline(check.New(x), j)
	n := len(tl.Req.ID)
	if n > maxDrawn+len(j.Violations) || n < maxDrawn*9/10 || tl.Of != 20_000 {
		t.Errorf("%d drawn of %d", n, tl.Of)
	}
	counts, rates := map[history.Outcome]int{}, map[history.Outcome]int{}
	for i, o := range tl.Outcomes {
		if c := tl.Counts[i]; c > 0 {
			counts[o] = c
		}
	}
	for _, r := range tl.Rates {
		rates[tl.Outcomes[r[1]]] += int(r[2])
	}
	want, drawn := map[history.Outcome]int{}, map[history.Outcome]int{}
	for _, e := range x.Client {
		if e.Kind == history.End {
			want[e.Outcome]++
		}
	}
	for _, o := range tl.Req.Out {
		drawn[tl.Outcomes[o]]++
	}
	if d := cmp.Diff(want, counts); d != "" {
		t.Errorf("counts: -ledger +page\n%s", d)
	}
	if d := cmp.Diff(want, rates); d != "" {
		t.Errorf("rates: -ledger +page\n%s", d)
	}
	if drawn[history.EOF] != want[history.EOF] || drawn[history.Reset] != 1 {
		t.Errorf("what is rare is not all there: %v of %v", drawn, want)
	}
	if len(tl.Req.Bad) != 1 || tl.Req.ID[tl.Req.Bad[0]] != lost {
		t.Errorf("the one that a violation names is not drawn: %v", tl.Req.Bad)
	}
	at := int64(0)
	for i, d := range tl.Req.Plan {
		if at += d; i > 0 && d < 0 {
			t.Fatalf("request %d was planned before the one before it", i)
		}
	}
	if end := x.Plan.Arrivals[19_999].At / tick; at < end*99/100 {
		t.Errorf("the last drawn is at %d of %d: not from the whole trial", at, end)
	}
}

// TestTrialsPerCell: a budget gives cells different numbers, and no one number is
// said then.
func TestTrialsPerCell(t *testing.T) {
	of := func(decided, undecided int) verdict.Cell {
		return verdict.Cell{Trials: stats.Interval{N: decided}, Undecided: undecided}
	}
	for want, cells := range map[int][]verdict.Cell{3: {of(3, 0), of(1, 2)}, 0: {of(3, 0), of(2, 0)}, 5: {of(0, 5)}} {
		if got := perCell(cells); got != want {
			t.Errorf("%v: %d, want %d", cells, got, want)
		}
	}
}
