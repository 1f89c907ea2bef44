package faultbed_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// only lists imports that belong to some folders alone, each with the reason.
var only = []struct {
	imports string
	in      []string
	why     string
}{
	{"github.com/onsi/", []string{"suites/", "cmd/faultbed/specs.go"}, "engines and reports must be usable without Ginkgo"},
	{"github.com/testcontainers/", []string{"fixtures/engine", "fixtures/images", "fixtures/topology", "proxy/container"}, "what a bed is made of is known in one place"},
	{"github.com/moby/", []string{"fixtures/engine", "fixtures/images", "fixtures/topology", "proxy/container"}, "as testcontainers"},
	{"github.com/smallstep/", []string{"certs/authority"}, "79 modules behind one door"},
	{"go.step.sm/", []string{"certs/authority"}, "79 modules behind one door"},
	{"github.com/Shopify/toxiproxy/v2/client", []string{"faults/toxic"}, "its traps are fenced off in one place"},
	{"github.com/Shopify/toxiproxy/v2", []string{"cmd/labnode", "faults/toxic"}, "its server can crash, so it runs in a node"},
}

// below says what a layer may import of faultbed.
var below = []struct {
	layer string
	may   []string
	why   string
}{
	{"reports/history", nil, "the vocabulary is a leaf"},
	{"reports/schema", nil, "schemas are a leaf"},
	{"reports/", []string{"reports/"}, "an old run can be judged on a laptop with no Docker"},
	{"faults/", []string{"faults", "proxy/pidfd", "reports/history"}, "faults know no bed"},
	{"proxy/", []string{"proxy", "reports/history", "reports/schema"}, "subjects know no bed"},
	{"certs/", []string{"certs", "reports/history"}, "certificates know no bed"},
	{"fixtures/", []string{"fixtures", "certs", "faults/wire", "faults/dns", "reports/history"}, "instruments know no subject"},
	{"suites/", []string{"suites", "fixtures", "faults", "proxy", "certs", "reports", "cmd/"}, "imports point one way"},
}

func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	out := map[string]*ast.File{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "testdata" {
			return filepath.SkipDir // what tests build
		}
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		out[filepath.ToSlash(path)] = f
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func importsOf(f *ast.File) []string {
	var out []string
	for _, i := range f.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		out = append(out, p)
	}
	return out
}

func hasPrefix(s string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

func TestForeignImportsStayInTheirPlace(t *testing.T) {
	for path, f := range sources(t) {
		for _, imp := range importsOf(f) {
			for _, rule := range only {
				if strings.HasPrefix(imp, rule.imports) && !hasPrefix(path, rule.in) {
					t.Errorf("%s imports %s: only %s may, for %s", path, imp, strings.Join(rule.in, ", "), rule.why)
				}
			}
		}
	}
}

func TestImportsPointOneWay(t *testing.T) {
	for path, f := range sources(t) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, rule := range below {
			if !strings.HasPrefix(path, rule.layer) {
				continue
			}
			for _, imp := range importsOf(f) {
				own, ours := strings.CutPrefix(imp, "faultbed/")
				if ours && !strings.HasPrefix(own, strings.TrimSuffix(filepath.ToSlash(filepath.Dir(path)), "/")) && !hasPrefix(own, rule.may) {
					t.Errorf("%s imports %s, but %s", path, imp, rule.why)
				}
			}
			break
		}
	}
}

// TestPackagesAreExplained wants a package comment of 5 to 20 lines.
func TestPackagesAreExplained(t *testing.T) {
	lines := map[string]int{}
	for path, f := range sources(t) {
		dir := filepath.Dir(path)
		if strings.HasSuffix(path, "_test.go") || dir == "." {
			continue
		}
		lines[dir] += 0
		if f.Doc != nil {
			lines[dir] += strings.Count(strings.TrimSpace(f.Doc.Text()), "\n") + 1
		}
	}
	for dir, n := range lines {
		if n < 5 {
			t.Errorf("%s: package comment of %d lines, want at least 5: what it is, what it is not, where to start", dir, n)
		}
		if limit := 20; n > limit && dir != filepath.FromSlash("proxy/goproxy") { // its settings table is its documentation
			t.Errorf("%s: package comment of %d lines, want at most %d", dir, n, limit)
		}
	}
}
