package schema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"faultbed/reports/history"
	"faultbed/reports/schema"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files")

// TestErrorTexts reads every file of testdata/errors, each with one mistake,
// and compares what the person is told with the .txt beside it.
func TestErrorTexts(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.yaml")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = schema.Load(name+".yaml", data, "subject")
			var se *schema.Error
			if !errors.As(err, &se) {
				t.Fatalf("want a *schema.Error, got %v", err)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", se.Error()+"\n"+se.Excerpt+"\n")
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("-want +got (-update rewrites):\n%s", d)
	}
}

// Drained has fields for some keys of good.
type Drained struct {
	Drain struct {
		Signal string          `yaml:"signal"`
		Grace  schema.Duration `yaml:"grace"`
		Codes  []int           `yaml:"exit_codes"`
	} `yaml:"drain"`
	Config map[string]string `yaml:"config"`
	Ready  struct {
		TCP     bool            `yaml:"tcp"`
		Timeout schema.Duration `yaml:"timeout"`
	} `yaml:"ready"`
}

const good = `# a comment
name: x
description: a proxy
get: {image: {ref: nginx}}
command: [nginx, "-g", daemon off;]
ready:
  tcp: true
drain:
  signal: QUIT
  grace: 1.5s
  exit_codes:
    - 0
    - 143
config:
  nginx.conf: |

    first
      {{.Second}}
  "a b": 'one {{.Line}}'
  folded: >
    x
capabilities: []
`

func load(t *testing.T, text string) *schema.Doc {
	t.Helper()
	d, err := schema.Load("x.yaml", []byte(text), "subject")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// all has a field for every key of good, so that Decode's strictness lets it pass.
type all struct {
	Name         string         `yaml:"name"`
	Description  string         `yaml:"description"`
	Get          map[string]any `yaml:"get"`
	Command      []string       `yaml:"command"`
	Capabilities []string       `yaml:"capabilities"`
	Drained      `yaml:",inline"`
}

func TestDecode(t *testing.T) {
	var v all
	v.Ready.Timeout = schema.Duration(7 * time.Second)
	if err := load(t, good).Decode(&v); err != nil {
		t.Fatal(err)
	}
	if v.Drain.Grace != schema.Duration(1500*time.Millisecond) || v.Drain.Codes[1] != 143 {
		t.Errorf("drain: %+v", v.Drain)
	}
	if v.Ready.Timeout != schema.Duration(7*time.Second) {
		t.Errorf("a missing key changed its field: %v", v.Ready.Timeout)
	}
	if want := "\nfirst\n  {{.Second}}\n"; v.Config["nginx.conf"] != want {
		t.Errorf("config %q, want %q", v.Config["nginx.conf"], want)
	}
}

func TestDecodeStrict(t *testing.T) {
	var v Drained // it has no field for name
	err := schema.DecodeYAML("x.yaml", []byte(good), "subject", &v)
	var se *schema.Error
	if !errors.As(err, &se) || se.Col != 1 || !strings.Contains(se.Msg, "unknown field") {
		t.Fatalf("want an unknown field at a top-level key, got %v", err)
	}
}

func TestPositions(t *testing.T) {
	d := load(t, good)
	for _, c := range []struct {
		path      string
		line, col int
	}{
		{"$", 2, 1},
		{"$.drain", 8, 1},
		{"$.drain.grace", 10, 10},
		{"$.drain.exit_codes", 11, 3},
		{"$.drain.exit_codes[1]", 13, 7},
		{"$.drain.exit_codes[7]", 11, 3},
		{"$.drain.absent.too", 8, 1},
		{"$.command[2]", 5, 24},
		{`$.config["nginx.conf"]`, 15, 3},
		{`$.config["a b"]`, 19, 10},
		{`$.config["broken`, 14, 1},
		{"$.get.image.ref", 4, 20},
	} {
		if line, col := d.At(c.path); line != c.line || col != c.col {
			t.Errorf("At(%s) = %d:%d, want %d:%d", c.path, line, col, c.line, c.col)
		}
	}
}

func TestErrorf(t *testing.T) {
	d := load(t, good)
	for _, c := range []struct {
		err  *schema.Error
		want string
	}{
		{d.Errorf("$.drain.grace", "must be %s", "more"), "x.yaml:10:10: must be more\n   9 |   signal: QUIT\n  10 |   grace: 1.5s\n     |          ^"},
		{d.KeyErrorf("$.drain.grace", "no"), "x.yaml:10:3: no\n   9 |   signal: QUIT\n  10 |   grace: 1.5s\n     |   ^"},
		{d.KeyErrorf("$.drain.absent", "no"), "x.yaml:8:1: no\n   7 |   tcp: true\n   8 | drain:\n     | ^"},
		{d.TextErrorf(`$.config["nginx.conf"]`, 3, 5, "what"), "x.yaml:18:9: what\n  17 |     first\n  18 |       {{.Second}}\n     |         ^"},
		{d.TextErrorf(`$.config["a b"]`, 1, 7, "what"), "x.yaml:19:17: what\n  18 |       {{.Second}}\n  19 |   \"a b\": 'one {{.Line}}'\n     |                 ^"},
		{d.TextErrorf(`$.config.folded`, 1, 1, "what"), "x.yaml:20:11: what\n  19 |   \"a b\": 'one {{.Line}}'\n  20 |   folded: >\n     |           ^"},
	} {
		if got := c.err.Error() + "\n" + c.err.Excerpt; got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

func TestPathFindsWhatItNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-zA-Z0-9 ."'\]\[$-]{1,8}`), 1, 8, rapid.ID).Draw(t, "keys")
		head, _, _ := strings.Cut(good, "config:\n")
		text := head + "capabilities: []\nconfig:\n"
		for _, k := range keys {
			text += "  " + strconv.Quote(k) + ": v\n"
		}
		d, err := schema.Load("x.yaml", []byte(text), "subject")
		if err != nil {
			t.Skip(err) // a key such as "." is no target
		}
		first := strings.Count(head, "\n") + 3
		for i, k := range keys {
			if line, _ := d.At(schema.Path("config", k)); line != first+i {
				t.Fatalf("%s is at line %d, want %d", schema.Path("config", k), line, first+i)
			}
		}
	})
}

func TestHostileInput(t *testing.T) {
	keys := strings.Builder{}
	for i := range 100_000 {
		fmt.Fprintf(&keys, "k%d: v\n", i)
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	for name, c := range map[string]struct{ text, want string }{
		"too large":   {strings.Repeat("#", schema.MaxSize+1), "more than 1048576"},
		"keys":        {keys.String(), "more than 20000 words"},
		"open lists":  {strings.Repeat("[", 10_000), "nested too deeply"},
		"open maps":   {strings.Repeat("{a: ", 4_000), "nested too deeply"},
		"dashes":      {strings.Repeat("- ", 10_000), "nested too deeply"},
		"questions":   {strings.Repeat("? ", 10_000), "nested too deeply"},
		"alias bomb":  {bomb, "aliases"},
		"long number": {"name: " + strings.Repeat("9", 1000), "name: want"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := schema.Load("x.yaml", []byte(c.text), "subject")
			var se *schema.Error
			if !errors.As(err, &se) || !strings.Contains(se.Msg, c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestDuration(t *testing.T) {
	type box struct{ D schema.Duration }
	b, err := json.Marshal(box{schema.Duration(1500 * time.Millisecond)})
	if err != nil || string(b) != `{"D":"1.5s"}` {
		t.Errorf("marshalled %s: %v", b, err)
	}
	var back box
	if err := json.Unmarshal(b, &back); err != nil || time.Duration(back.D) != 1500*time.Millisecond {
		t.Errorf("unmarshalled %v: %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"D":"2 s"}`), &back); err == nil {
		t.Error("read a bad duration")
	}
}

func TestNearest(t *testing.T) {
	words := []string{"grace", "signal", "exit_codes", "TERM", "tls-front"}
	for word, want := range map[string]string{
		"graec": "grace", "signals": "signal", "exitcodes": "exit_codes", "SIGTERM": "TERM", "term": "TERM",
		"tls_front": "tls-front", "zebra": "", "": "", "x": "",
	} {
		if got := schema.Nearest(word, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestUnknownSchema(t *testing.T) {
	_, err := schema.Load("x.yaml", nil, "nothing")
	if err == nil || !strings.Contains(err.Error(), "scenario, subject, verdict") {
		t.Errorf("got %v", err)
	}
}

// TestPublishedSchemas holds what explain relies on: every published schema
// compiles, is closed, and uses no propertyNames.
func TestPublishedSchemas(t *testing.T) {
	for _, name := range schema.Names() {
		text, err := schema.JSON(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("propertyNames")) {
			t.Errorf("%s uses propertyNames", name)
		}
		var doc struct{ Title, Description string }
		if err := json.Unmarshal(text, &doc); err != nil || doc.Title == "" || doc.Description == "" {
			t.Errorf("%s: wants title and description: %v", name, err)
		}
		_, err = schema.Load("x.yaml", []byte("{}"), name)
		if se := new(schema.Error); !errors.As(err, &se) {
			t.Errorf("%s on an empty mapping: %v", name, err)
		}
	}
}

// TestScenarioEnums holds the scenario schema against the ledgers' vocabulary.
func TestScenarioEnums(t *testing.T) {
	text, err := schema.JSON("scenario")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Defs struct {
			Outcomes struct {
				Items struct{ Enum []history.Outcome }
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(history.Outcomes(), doc.Defs.Outcomes.Items.Enum); d != "" {
		t.Errorf("outcomes, -history +schema:\n%s", d)
	}
}

// FuzzLoad: whatever the input, Load returns, an error stands inside the file,
// and what it accepts can be asked for any path.
func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/errors/*.yaml")
	more, _ := filepath.Glob("../../proxy/subjects/*.yaml")
	for _, file := range append(files, more...) {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "$.drain.grace")
	}
	f.Add([]byte(good), `$.config["nginx.conf"]`)
	f.Fuzz(func(t *testing.T, data []byte, path string) {
		d, err := schema.Load("x.yaml", data, "subject")
		if err != nil {
			holdsPosition(t, data, err)
			return
		}
		holdsPosition(t, data, d.Errorf(path, "x"))
		holdsPosition(t, data, d.TextErrorf(path, 3, 4, "x"))
		var v all
		if err := d.Decode(&v); err != nil {
			holdsPosition(t, data, err)
		}
	})
}

func holdsPosition(t *testing.T, data []byte, err error) {
	t.Helper()
	var se *schema.Error
	if !errors.As(err, &se) {
		t.Fatalf("not a *schema.Error: %v", err)
	}
	if strings.ContainsAny(se.Error(), "\n\r") {
		t.Errorf("the error has several lines: %q", se.Error())
	}
	lines := bytes.Count(data, []byte("\n")) + 1
	if se.Line > lines || (se.Line > 0) != (se.Col > 0) {
		t.Errorf("%d:%d is outside the %d lines", se.Line, se.Col, lines)
	}
	if n := strings.Count(se.Excerpt, "\n"); se.Line > 0 && (n < 1 || n > 2 || !strings.HasSuffix(se.Excerpt, "^")) {
		t.Errorf("excerpt %q", se.Excerpt)
	}
}
