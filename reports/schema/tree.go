package schema

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

type pos struct{ line, col int }

func at(t *token.Token) pos {
	if t == nil || t.Position == nil {
		return pos{1, 1}
	}
	return pos{t.Position.Line, t.Position.Column}
}

// node is a value and where it stands.
type node struct {
	key     pos  // of the key that holds it; zero in a list and at the root
	at      pos  // of its first character
	plain   any  // its value as JSON has it
	literal bool // a block scalar ("|"): its text begins on the next line
	order   []string
	fields  map[string]*node
	items   []*node
}

// mark is the place that an error about the node points at: a scalar itself,
// but the key of a mapping or list, whose own first character says little.
func (n *node) mark() pos {
	if (n.fields != nil || n.items != nil || n.plain == nil || n.literal) && n.key.line > 0 {
		return n.key
	}
	return n.at
}

// maxDepth bounds how deep values nest; no file of ours needs ten.
const maxDepth = 64

type builder struct{ src *source }

func (b builder) build(n ast.Node, key pos, depth int) (*node, *Error) {
	if depth > maxDepth {
		return nil, b.src.errorAt(key, "nested too deeply", "")
	}
	out := &node{key: key, at: at(n.GetToken())}
	switch n := n.(type) {
	case *ast.MappingNode:
		return out, b.mapping(out, n.Values, depth)
	case *ast.MappingValueNode:
		return out, b.mapping(out, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		return out, b.sequence(out, n, depth)
	case *ast.LiteralNode:
		out.at, out.plain, out.literal = at(n.Start), n.Value.Value, n.Start.Type == token.LiteralType
	case *ast.StringNode:
		out.plain = n.Value
	case *ast.IntegerNode:
		out.plain = n.Value
	case *ast.FloatNode:
		out.plain = n.Value
	case *ast.BoolNode:
		out.plain = n.Value
	case *ast.NullNode:
	default:
		return nil, b.src.errorAt(out.at, fmt.Sprintf("a %s is not supported here", strings.ToLower(n.Type().String())), "")
	}
	return out, nil
}

func (b builder) mapping(out *node, values []*ast.MappingValueNode, depth int) *Error {
	out.fields = map[string]*node{}
	plain := map[string]any{}
	out.plain = plain
	for i, v := range values {
		keyAt := at(v.Key.GetToken())
		if i == 0 && !v.IsFlowStyle {
			out.at = keyAt
		}
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			return b.src.errorAt(keyAt, fmt.Sprintf("key %s is not a string", v.Key), "put it in quotes")
		}
		if was := out.fields[key.Value]; was != nil {
			return b.src.errorAt(keyAt, fmt.Sprintf("duplicate key %q", key.Value), fmt.Sprintf("first on line %d", was.key.line))
		}
		n, err := b.build(v.Value, keyAt, depth+1)
		if err != nil {
			return err
		}
		out.order = append(out.order, key.Value)
		out.fields[key.Value], plain[key.Value] = n, n.plain
	}
	return nil
}

func (b builder) sequence(out *node, s *ast.SequenceNode, depth int) *Error {
	out.items = []*node{}
	plain := []any{}
	for _, v := range s.Values {
		n, err := b.build(v, pos{}, depth+1)
		if err != nil {
			return err
		}
		out.items, plain = append(out.items, n), append(plain, n.plain)
	}
	out.plain = plain
	return nil
}

// Path makes a path from keys (strings) and indices (ints): Path("faults", 1,
// "for") is `$.faults[1].for`, Path("config", "a.b") is `$.config["a.b"]`.
func Path(parts ...any) string {
	var b strings.Builder
	b.WriteByte('$')
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", p)
		case string:
			if strings.ContainsAny(p, `.[]"' `) || p == "" {
				fmt.Fprintf(&b, "[%q]", p)
			} else {
				b.WriteString("." + p)
			}
		}
	}
	return b.String()
}

// splitPath is the inverse of Path; what it can't read it leaves out.
func splitPath(path string) []string {
	var out []string
	rest := strings.TrimPrefix(path, "$")
	for rest != "" {
		var part string
		switch {
		case strings.HasPrefix(rest, `["`):
			q, err := strconv.QuotedPrefix(rest[1:])
			if err != nil {
				return out
			}
			part, _ = strconv.Unquote(q)
			rest = strings.TrimPrefix(rest[1+len(q):], "]")
		case rest[0] == '[':
			part, rest, _ = strings.Cut(rest[1:], "]")
		default:
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			part, rest = rest[:end], rest[end:]
		}
		out = append(out, part)
	}
	return out
}

// find is the node at a path, or the nearest one above it: what is missing is
// reported at what should hold it.
func (n *node) find(parts []string) (*node, bool) {
	for _, p := range parts {
		var next *node
		if n.fields != nil {
			next = n.fields[p]
		} else if i, err := strconv.Atoi(p); err == nil && i >= 0 && i < len(n.items) {
			next = n.items[i]
		}
		if next == nil {
			return n, false
		}
		n = next
	}
	return n, true
}
