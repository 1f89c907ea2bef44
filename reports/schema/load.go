package schema

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxSize is the size above which a file is refused, in bytes.
const MaxSize = 1 << 20

// maxTokens bounds the words and signs of a file: the parser's time grows with
// their square. Our files have a thousand.
const maxTokens = 20_000

// Doc is a file that keeps to its schema. It is read-only and safe for
// concurrent use.
type Doc struct {
	src  *source
	body ast.Node
	root *node
}

// DecodeYAML is [Load] and [Doc.Decode] in one.
func DecodeYAML(file string, data []byte, schemaName string, out any) error {
	d, err := Load(file, data, schemaName)
	if err != nil {
		return err
	}
	return d.Decode(out)
}

// Load parses a file of one YAML document and checks it against a schema
// ("subject" is v1/subject.json). The name is for messages only. Mistakes in the
// file are *[Error]; of several the one that comes first, save that a key that
// is missing comes after a key that is misspelt.
func Load(file string, data []byte, schemaName string) (*Doc, error) {
	if _, err := JSON(schemaName); err != nil {
		return nil, err
	}
	d, err := parse(file, data)
	if err != nil {
		return nil, err
	}
	sch, cerr := compile(base + schemaName + ".json")
	if cerr != nil {
		return nil, cerr
	}
	if err := sch.Validate(d.root.plain); err != nil {
		return nil, d.explain(err)
	}
	return d, nil
}

func parse(file string, data []byte) (*Doc, *Error) {
	src := &source{file: file, lines: []string{""}}
	if len(data) > MaxSize {
		return nil, &Error{File: file, Msg: fmt.Sprintf("the file has %d bytes, more than %d", len(data), MaxSize)}
	}
	src = newSource(file, data)
	f, err := parseAST(src, data)
	if err != nil {
		return nil, err
	}
	var docs []*ast.DocumentNode
	for _, doc := range f.Docs {
		if hasBody(doc) {
			docs = append(docs, doc)
		}
	}
	switch {
	case len(docs) == 0:
		return nil, &Error{File: file, Msg: "the file is empty"}
	case len(docs) > 1:
		return nil, src.errorAt(at(docs[1].Start), "a second document begins: want one per file", "")
	}
	root, err := builder{src}.build(docs[0].Body, pos{}, 0)
	if err != nil {
		return nil, err
	}
	return &Doc{src: src, body: docs[0].Body, root: root}, nil
}

func hasBody(d *ast.DocumentNode) bool {
	if d.Body == nil {
		return false
	}
	_, comment := d.Body.(*ast.CommentGroupNode)
	return !comment
}

// parseAST parses what screen let pass. The parser is not ours: should it panic
// on some input, that input is a syntax error and not our end.
func parseAST(src *source, data []byte) (f *ast.File, e *Error) {
	defer func() {
		if r := recover(); r != nil {
			f, e = nil, &Error{File: src.file, Msg: fmt.Sprintf("syntax: this can't be parsed: %v", r)}
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if err := screen(src, tokens); err != nil {
		return nil, err
	}
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // our message is better
	if err != nil {
		return nil, src.yamlError(err, "syntax: ")
	}
	return f, nil
}

// screen refuses what we never need before the parser meets it: references that
// grow (alias bombs), and nesting that would exhaust a recursive parser's stack.
func screen(src *source, tokens token.Tokens) *Error {
	if len(tokens) > maxTokens {
		return src.errorAt(at(tokens[maxTokens]), fmt.Sprintf("the file has more than %d words and signs", maxTokens), "")
	}
	flow, run := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			return src.errorAt(at(t), "anchors, aliases and merge keys are not supported", "write the value out")
		case token.TagType, token.DirectiveType:
			return src.errorAt(at(t), "tags and directives are not supported", "put a value that begins so in quotes")
		case token.InfinityType, token.NanType:
			return src.errorAt(at(t), "want a finite number", "")
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		}
		if t.Type == token.SequenceEntryType || t.Type == token.MappingKeyType {
			run++
		} else {
			run = 0
		}
		if flow > maxDepth || run > maxDepth {
			return src.errorAt(at(t), "nested too deeply", "")
		}
	}
	return nil
}

// yamlError turns an error of the YAML library into ours.
func (s *source) yamlError(err error, prefix string) *Error {
	var ye yaml.Error
	if errors.As(err, &ye) {
		p := s.clamp(at(ye.GetToken()))
		line := s.lines[p.line-1]
		if i := strings.IndexByte(line, '\t'); i >= 0 && strings.TrimLeft(line[:i], " ") == "" {
			return s.errorAt(pos{p.line, i + 1}, prefix+"a tab in the indentation", "indent with spaces")
		}
		return s.errorAt(p, prefix+ye.GetMessage(), "")
	}
	return &Error{File: s.file, Msg: oneLine(prefix + err.Error())}
}

// Decode fills out, a pointer to a struct with yaml tags, strictly: a key
// without a field is an error. Fields whose key is missing keep their value.
func (d *Doc) Decode(out any) error {
	if err := yaml.NodeToValue(d.body, out, yaml.Strict()); err != nil {
		return d.src.yamlError(err, "")
	}
	return nil
}

// At is the position of a path such as `$.faults[1].for` (see [Path]), from 1.
// If there is nothing at the path, it is that of the nearest thing above.
func (d *Doc) At(path string) (line, col int) {
	n, _ := d.root.find(splitPath(path))
	p := d.src.clamp(n.mark())
	return p.line, p.col
}

// Has tells whether there is something at a path.
func (d *Doc) Has(path string) bool {
	_, found := d.root.find(splitPath(path))
	return found
}

// Errorf is an error about the value at a path; see [Doc.At].
func (d *Doc) Errorf(path, format string, args ...any) *Error {
	line, col := d.At(path)
	return d.src.errorAt(pos{line, col}, fmt.Sprintf(format, args...), "")
}

// KeyErrorf is as Errorf, but points at the key rather than its value.
func (d *Doc) KeyErrorf(path, format string, args ...any) *Error {
	n, found := d.root.find(splitPath(path))
	p := n.mark()
	if found && n.key.line > 0 {
		p = n.key
	}
	return d.src.errorAt(p, fmt.Sprintf(format, args...), "")
}

// TextErrorf is an error inside the text at a path, such as a template: line and
// col count within the text, from 1. Where the text was folded or escaped, its
// beginning is as near as it gets.
func (d *Doc) TextErrorf(path string, line, col int, format string, args ...any) *Error {
	n, _ := d.root.find(splitPath(path))
	return d.src.errorAt(d.src.inside(n, line, col), fmt.Sprintf(format, args...), "")
}

func (s *source) inside(n *node, line, col int) pos {
	first := s.lines[s.clamp(n.at).line-1]
	switch text, ok := n.plain.(string); {
	case !ok:
		return n.mark()
	case n.literal:
		return pos{n.at.line + line, s.indent(n.at.line) + col}
	case line == 1 && strings.Contains(first, text):
		return pos{n.at.line, utf8.RuneCountInString(first[:strings.Index(first, text)]) + col}
	}
	return n.at
}

// indent is the indentation of the block scalar that begins after a line.
func (s *source) indent(header int) int {
	for _, l := range s.lines[min(header, len(s.lines)):] {
		if text := strings.TrimLeft(l, " "); text != "" {
			return len(l) - len(text)
		}
	}
	return 0
}
