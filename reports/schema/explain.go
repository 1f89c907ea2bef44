package schema

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// problem is one violation of the schema, in words.
type problem struct {
	at        pos
	rank      int // a missing key is told last: it may only be misspelt
	msg, hint string
}

// explain turns a validation error into the one that the person should see.
func (d *Doc) explain(err error) error {
	var ve *jsonschema.ValidationError
	if !errors.As(err, &ve) {
		return &Error{File: d.src.file, Msg: oneLine(err.Error())}
	}
	var all []problem
	for _, leaf := range leaves(ve) {
		all = append(all, d.describe(leaf)...)
	}
	p := slices.MinFunc(all, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.col, b.at.col), cmp.Compare(a.msg, b.msg))
	})
	return d.src.errorAt(p.at, p.msg, p.hint)
}

func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var out []*jsonschema.ValidationError
	for _, c := range e.Causes {
		out = append(out, leaves(c)...)
	}
	return out
}

// describe puts a violation into words. additionalProperties names the parent,
// and several keys at once: each becomes a problem at its own key. Schemas must
// not use propertyNames: jsonschema v6.0.3 gives its errors a location that it
// overwrites later. They use patternProperties and a $comment, which becomes the
// hint.
func (d *Doc) describe(e *jsonschema.ValidationError) []problem {
	n, _ := d.root.find(e.InstanceLocation)
	p := problem{at: n.mark()}
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		return d.unknown(e, n, k.Properties)
	case *kind.Required:
		p.rank, p.msg = 1, "missing key "+quoted(k.Missing)
	case *kind.Type:
		p.msg = fmt.Sprintf("want %s, got %s", wanted(e.SchemaURL, k.Want), got(n.plain))
		p.hint = cmp.Or(secondsHint(e.SchemaURL, n.plain), comment(e.SchemaURL))
	case *kind.Enum:
		p.msg = fmt.Sprintf("%s is not one of %s", got(n.plain), words(k.Want))
		p.hint = didYouMean(fmt.Sprint(n.plain), texts(k.Want))
	case *kind.Format:
		p.msg = fmt.Sprintf("want %s, got %s", wanted(e.SchemaURL, []string{"string"}), got(n.plain))
	case *kind.Pattern:
		p.msg = fmt.Sprintf("want %s, got %s", described(e.SchemaURL, k.Want), got(n.plain))
	case *kind.Minimum:
		p.msg = fmt.Sprintf("want at least %s, got %s", k.Want.RatString(), got(n.plain))
	case *kind.Maximum:
		p.msg = fmt.Sprintf("want at most %s, got %s", k.Want.RatString(), got(n.plain))
	case *kind.MinItems, *kind.MinLength:
		p.msg = "must not be empty"
	default:
		p.msg = fmt.Sprint(e.DetailedOutput().Error)
	}
	p.msg = d.name(e.InstanceLocation) + p.msg
	return []problem{p}
}

func (d *Doc) unknown(e *jsonschema.ValidationError, parent *node, keys []string) []problem {
	var known []string
	var comment string
	if s, err := compile(e.SchemaURL); err == nil {
		known, comment = slices.Sorted(maps.Keys(s.Properties)), s.Comment
	}
	var out []problem
	for _, key := range keys {
		hint := cmp.Or(comment, didYouMean(key, known), "known: "+strings.Join(known, ", "))
		out = append(out, problem{at: parent.fields[key].key, hint: hint,
			msg: d.name(e.InstanceLocation) + fmt.Sprintf("unknown key %q", key)})
	}
	return out
}

// name says which value is meant, as a prefix: "faults[1].for: ".
func (d *Doc) name(location []string) string {
	if len(location) == 0 {
		return ""
	}
	var parts []any
	for i, l := range location {
		n, _ := d.root.find(location[:i])
		if idx, err := strconv.Atoi(l); err == nil && n.fields == nil {
			parts = append(parts, idx)
		} else {
			parts = append(parts, l)
		}
	}
	return strings.TrimPrefix(strings.TrimPrefix(Path(parts...), "$"), ".") + ": "
}

var typeWords = map[string]string{"object": "a mapping", "array": "a list", "string": "a string",
	"number": "a number", "integer": "a whole number", "boolean": "true or false", "null": "nothing"}

func wanted(schemaURL string, types []string) string {
	if isDuration(schemaURL) {
		return `a duration such as "1.5s"`
	}
	var out []string
	for _, t := range types {
		out = append(out, typeWords[t])
	}
	return strings.Join(out, " or ")
}

func isDuration(schemaURL string) bool {
	s, err := compile(schemaURL)
	return err == nil && s.Format != nil && s.Format.Name == durationFormat
}

// secondsHint is for the commonest slip: a duration without its unit.
func secondsHint(schemaURL string, v any) string {
	switch v.(type) {
	case int64, uint64, float64:
		if isDuration(schemaURL) {
			return fmt.Sprintf("did you mean \"%vs\"?", v)
		}
	}
	return ""
}

// comment is a schema's own hint.
func comment(schemaURL string) string {
	if s, err := compile(schemaURL); err == nil {
		return s.Comment
	}
	return ""
}

// described is what a schema says that it wants, rather than its pattern.
func described(schemaURL, pattern string) string {
	s, err := compile(schemaURL)
	if err != nil || s.Description == "" {
		return pattern
	}
	return strings.TrimSuffix(s.Description, ".")
}

func got(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		return "a mapping"
	case []any:
		return "a list"
	case string:
		if r := []rune(v); len(r) > 60 {
			v = string(r[:60]) + "…"
		}
		return strconv.Quote(v)
	case bool:
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("the number %v", v)
}

func texts(vs []any) []string {
	var out []string
	for _, v := range vs {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

func words(vs []any) string { return strings.Join(texts(vs), ", ") }

func quoted(keys []string) string {
	q := make([]string, len(keys))
	for i, k := range keys {
		q[i] = strconv.Quote(k)
	}
	return strings.Join(q, ", ")
}
