// Package schema reads faultbed's YAML files strictly: every file has a
// published JSON Schema (v1/*.json), and every mistake in it gets one clear
// error with file, line, column and excerpt.
//
// It refuses what a person does not mean to write: unknown and duplicate keys,
// several documents, anchors, aliases, tags, and files above 1 MiB. What a JSON
// Schema can't say (a fault that ends after its scenario) its caller checks and
// reports through [Doc.Errorf], which knows where each value stands.
//
// It knows nothing of subjects, scenarios or verdicts: their types and meaning
// are in packages proxy, suites/scenario and reports/verdict. A schema's file
// name is its version and its name; v1 only ever grows.
//
// Start with [Load], then [Doc.Decode] and [Doc.Errorf]; [DecodeYAML] is both
// for a caller that has nothing more to check. [Validate] is for the JSON that
// faultbed itself writes.
package schema

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed v1/*.json
var files embed.FS

// base makes the schemas' names absolute, so that they can refer to each other
// ("subject.json#/$defs/capability"). Nothing is ever fetched.
const base = "faultbed:///v1/"

// Names lists the published schemas, sorted.
func Names() []string {
	entries, _ := files.ReadDir("v1") // embedded: it is there
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), ".json"))
	}
	slices.Sort(out)
	return out
}

// JSON is the text of a published schema.
func JSON(name string) ([]byte, error) {
	b, err := files.ReadFile(path.Join("v1", name+".json"))
	if err != nil {
		return nil, fmt.Errorf("no schema %q: want one of %s", name, strings.Join(Names(), ", "))
	}
	return b, nil
}

// Validate checks a JSON text, such as a verdict.json, against a schema.
func Validate(name string, text []byte) error {
	if _, err := JSON(name); err != nil {
		return err
	}
	sch, err := compile(base + name + ".json")
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return sch.Validate(doc)
}

// compiler holds all schemas; [jsonschema.Compiler] is not safe for concurrent
// use, what it compiled is.
var compiler = sync.OnceValues(newCompiler)

var compiling sync.Mutex

func newCompiler() (*jsonschema.Compiler, error) {
	c := jsonschema.NewCompiler()
	c.RegisterFormat(&jsonschema.Format{Name: durationFormat, Validate: validDuration})
	c.AssertFormat()
	for _, name := range Names() {
		text, err := JSON(name)
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
		if err := c.AddResource(base+name+".json", doc); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
	}
	return c, nil
}

// compile is the compiled schema at a URL, a fragment included.
func compile(url string) (*jsonschema.Schema, error) {
	compiling.Lock()
	defer compiling.Unlock()
	c, err := compiler()
	if err != nil {
		return nil, err
	}
	return c.Compile(url)
}

// durationFormat is the JSON Schema format of a [Duration] in a file: Go's
// notation, not negative.
const durationFormat = "duration-go"

func validDuration(v any) error {
	s, ok := v.(string)
	if !ok {
		return nil // the schema's "type" says that it wants a string
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = errors.New("negative")
	}
	return err
}
