package history_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"faultbed/reports/history"
	"faultbed/reports/schema"
)

// sections are the tables of docs/ledgers.md by heading: the first column's names.
func sections(t *testing.T) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("../../docs/ledgers.md")
	if err != nil {
		t.Fatal(err)
	}
	out, heading := map[string][]string{}, ""
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
		if row, ok := strings.CutPrefix(line, "| `"); ok {
			name, _, _ := strings.Cut(row, "`")
			out[heading] = append(out[heading], name)
		}
	}
	return out
}

func fields(t reflect.Type) (out []string) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}

// constants are the values of this package's constants of a type, in order.
func constants(t *testing.T, typ string) (out []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); ok && id.Name == typ {
			s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, s)
		}
		return true
	})
	return out
}

// TestDocsDescribeEveryField holds docs/ledgers.md against the types: each field
// has its row, in order, and no row is of a field that is gone.
func TestDocsDescribeEveryField(t *testing.T) {
	docs := sections(t)
	for heading, typ := range map[string]reflect.Type{
		"manifest.json": reflect.TypeFor[history.Manifest](), "Skip": reflect.TypeFor[history.Skip](), "plan.json": reflect.TypeFor[history.Plan](),
		"Promise": reflect.TypeFor[history.Promise](), "Settings": reflect.TypeFor[history.Settings](), "Phase": reflect.TypeFor[history.Phase](),
		"Arrival": reflect.TypeFor[history.Arrival](), "Fault": reflect.TypeFor[history.Fault](), "Expectation": reflect.TypeFor[history.Expectation](),
		"trial.json": reflect.TypeFor[history.TrialInfo](), "Event": reflect.TypeFor[history.Event](),
	} {
		if d := cmp.Diff(fields(typ), docs[heading]); d != "" {
			t.Errorf("%v and section %q: -type +page\n%s", typ, heading, d)
		}
	}
}

func TestDocsDescribeEveryConstant(t *testing.T) {
	docs := sections(t)
	kinds := slices.Concat(docs["Client ledger"], docs["Origin ledger"], docs["Fault ledger"])
	for typ, rows := range map[string][]string{"Kind": kinds, "Outcome": docs["Outcomes"], "Class": docs["Classes"]} {
		want := constants(t, typ)
		if len(want) < 10 {
			t.Fatalf("found only %v of %s", want, typ)
		}
		if d := cmp.Diff(want, rows); d != "" {
			t.Errorf("%s: -constants +page\n%s", typ, d)
		}
	}
}

// TestEnumsAreTheSame holds the other lists of the vocabulary against it.
func TestEnumsAreTheSame(t *testing.T) {
	var listed []string
	for _, o := range history.Outcomes() {
		listed = append(listed, string(o))
	}
	if d := cmp.Diff(constants(t, "Outcome"), listed); d != "" {
		t.Errorf("Outcomes(): -constants +list\n%s", d)
	}
	text, err := schema.JSON("verdict")
	if err != nil {
		t.Fatal(err)
	}
	type enum struct{ Enum []string }
	var s struct {
		Defs struct {
			Outcome, Class enum
			Event          struct{ Properties struct{ Kind enum } }
			Kinds          struct{ Properties map[string]any }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	for typ, got := range map[string][]string{"Outcome": s.Defs.Outcome.Enum, "Class": s.Defs.Class.Enum, "Kind": s.Defs.Event.Properties.Kind.Enum} {
		if d := cmp.Diff(constants(t, typ), got); d != "" {
			t.Errorf("%s in the schema of verdict.json: -constants +schema\n%s", typ, d)
		}
	}
	for _, o := range listed {
		if s.Defs.Kinds.Properties[o] == nil {
			t.Errorf("the schema's counts lack %s", o)
		}
	}
}

func TestHeldClasses(t *testing.T) {
	var held []string
	for _, c := range constants(t, "Class") {
		if history.Class(c).IsHeld() {
			held = append(held, c)
		}
	}
	if d := cmp.Diff([]string{"websocket", "idle", "silent", "half-header"}, held); d != "" {
		t.Error(d)
	}
}
