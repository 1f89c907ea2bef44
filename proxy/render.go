package proxy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"faultbed/reports/schema"
)

// Rendered is a subject ready to start: what [Launch] wants of it.
type Rendered struct {
	Command []string
	Env     map[string]string
	Files   map[string][]byte // absolute path → content: Files and Config of the file
}

// part is one template and where it stands in the file.
type part struct {
	path string // in the YAML
	key  string // target or variable; empty for an element of the command
	kind string // command, env, config
	text *template.Template
}

// maxRendered bounds what one template may become, in bytes.
const maxRendered = 1 << 20

var funcs = template.FuncMap{
	"seconds": seconds,
	"dur":     func(d time.Duration) string { return seconds(d) + "s" },
	"millis":  time.Duration.Milliseconds,
	"less":    less,
	"least":   func(a, b time.Duration) time.Duration { return min(a, b) },
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// less is a duration less margins, each a duration or a text such as "200ms".
func less(d time.Duration, margins ...any) (time.Duration, error) {
	left := d
	for _, m := range margins {
		switch m := m.(type) {
		case time.Duration:
			left -= m
		case string:
			v, err := time.ParseDuration(m)
			if err != nil {
				return 0, err
			}
			left -= v
		default:
			return 0, fmt.Errorf("less: want a duration, got %v", m)
		}
	}
	return max(left, d/2), nil
}

// parse reads every template of the file.
func (s *Spec) parse() error {
	add := func(kind, key, text string, at string) error {
		t, err := template.New("t").Option("missingkey=error").Funcs(funcs).Parse(text)
		if err == nil {
			err = supported(t)
		}
		s.parts = append(s.parts, part{path: at, key: key, kind: kind, text: t})
		return s.templateError(at, err)
	}
	for i, text := range s.Command {
		if err := add("command", "", text, schema.Path("command", i)); err != nil {
			return err
		}
	}
	for _, k := range slices.Sorted(maps.Keys(s.Env)) {
		if err := add("env", k, s.Env[k], schema.Path("env", k)); err != nil {
			return err
		}
	}
	for _, k := range slices.Sorted(maps.Keys(s.Config)) {
		if err := add("config", k, s.Config[k], schema.Path("config", k)); err != nil {
			return err
		}
	}
	return nil
}

// supported refuses what could run for ever: a loop over a number, or templates
// that call each other. Nothing in Params needs either. It also finds fields that
// there are not, in branches that no rendering takes too.
func supported(t *template.Template) error {
	if len(t.Templates()) > 1 {
		return errors.New("template: t:1: define and block are not supported")
	}
	if t.Tree == nil {
		return nil
	}
	return walker{t.Tree}.walk(t.Root, reflect.TypeFor[Params]())
}

type walker struct{ tree *parse.Tree }

// walk checks a node where the dot has that type; nil if it is not known.
func (w walker) walk(n parse.Node, dot reflect.Type) error {
	switch n := n.(type) {
	case *parse.RangeNode, *parse.TemplateNode:
		where, _ := w.tree.ErrorContext(n)
		return fmt.Errorf("template: %s: range and template are not supported", where)
	case *parse.ListNode:
		return all(w, n.Nodes, dot)
	case *parse.IfNode:
		return w.branch(&n.BranchNode, dot, dot)
	case *parse.WithNode:
		return w.branch(&n.BranchNode, dot, w.typeOf(n.Pipe, dot))
	case *parse.ActionNode:
		return w.walk(n.Pipe, dot)
	case *parse.PipeNode:
		return all(w, n.Cmds, dot)
	case *parse.CommandNode:
		return all(w, n.Args, dot)
	case *parse.ChainNode:
		return w.walk(n.Node, dot)
	case *parse.FieldNode:
		return w.chain(n, dot, n.Ident, len("."+n.Ident[0]))
	case *parse.VariableNode:
		if n.Ident[0] == "$" {
			return w.chain(n, reflect.TypeFor[Params](), n.Ident[1:], 0)
		}
	}
	return nil
}

func all[N parse.Node](w walker, nodes []N, dot reflect.Type) error {
	for _, n := range nodes {
		if err := w.walk(n, dot); err != nil {
			return err
		}
	}
	return nil
}

func (w walker) branch(n *parse.BranchNode, dot, inside reflect.Type) error {
	if err := w.walk(n.Pipe, dot); err != nil {
		return err
	}
	if err := w.walk(n.List, inside); err != nil || n.ElseList == nil {
		return err
	}
	return w.walk(n.ElseList, dot)
}

// typeOf is the type of a pipeline that is nothing but fields of the dot.
func (w walker) typeOf(p *parse.PipeNode, dot reflect.Type) reflect.Type {
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return nil
	}
	f, ok := p.Cmds[0].Args[0].(*parse.FieldNode)
	if !ok {
		return nil
	}
	for _, name := range f.Ident {
		dot = member(dot, name)
	}
	return dot
}

// chain follows .A.B.C. The parser's position of a chain is that of its second
// field, if it has one: before is how far the first stands from there.
func (w walker) chain(n parse.Node, t reflect.Type, names []string, before int) error {
	at := int(n.Position())
	if len(names) > 1 {
		at -= before
	}
	for _, name := range names {
		if t == nil {
			return nil
		}
		next := member(t, name)
		if next == nil {
			where, _ := w.tree.ErrorContext(&parse.FieldNode{NodeType: parse.NodeField, Pos: parse.Pos(at), Ident: names})
			return fmt.Errorf("template: %s: can't evaluate field %s in type %s", where, name, t)
		}
		t, at = next, at+len("."+name)
	}
	return nil
}

// member is the type of a field or of what a method returns; nil if there is none.
func member(t reflect.Type, name string) reflect.Type {
	if t == nil {
		return nil
	}
	if m, ok := t.MethodByName(name); ok {
		return m.Type.Out(0)
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	f, ok := t.FieldByName(name)
	if !ok {
		return nil
	}
	return f.Type
}

// Render fills in the templates. Elements of the command and variables that
// render empty are left out. Errors are *[schema.Error] at the template's place
// in the file if it is to blame, otherwise they name the parameter.
func (s *Spec) Render(p Params) (Rendered, error) {
	p = s.complete(p)
	if err := p.check(); err != nil {
		return Rendered{}, fmt.Errorf("subject %s: %w", s.Name, err)
	}
	r := Rendered{Env: map[string]string{}, Files: map[string][]byte{}}
	for target, data := range s.sources {
		r.Files[resolve(p.Dir, target)] = data
	}
	for _, t := range s.parts {
		w := &bounded{}
		if err := t.text.Execute(w, p); err != nil {
			return Rendered{}, s.templateError(t.path, err)
		}
		switch text := w.buf.String(); {
		case t.kind == "config":
			r.Files[resolve(p.Dir, t.key)] = w.buf.Bytes()
		case text == "":
		case t.kind == "env":
			r.Env[t.key] = text
		default:
			r.Command = append(r.Command, text)
		}
	}
	if len(r.Command) == 0 {
		return Rendered{}, s.doc.Errorf("$.command", "command: every element renders empty")
	}
	return r, nil
}

func resolve(dir, target string) string {
	if path.IsAbs(target) {
		return target
	}
	return path.Join(dir, target)
}

func (s *Spec) complete(p Params) Params {
	d := DefaultSettings()
	p.Grace = cmp.Or(p.Grace, time.Duration(s.Drain.Grace))
	p.Settings = Settings{
		ReadHeaderTimeout:     cmp.Or(p.Settings.ReadHeaderTimeout, d.ReadHeaderTimeout),
		StreamIdleTimeout:     cmp.Or(p.Settings.StreamIdleTimeout, d.StreamIdleTimeout),
		ConnectTimeout:        cmp.Or(p.Settings.ConnectTimeout, d.ConnectTimeout),
		ResponseHeaderTimeout: cmp.Or(p.Settings.ResponseHeaderTimeout, d.ResponseHeaderTimeout),
		KeepaliveTimeout:      cmp.Or(p.Settings.KeepaliveTimeout, d.KeepaliveTimeout),
		ShutdownDelay:         p.Settings.ShutdownDelay,
	}
	switch {
	case p.Program != "":
	case s.Get.Executable != nil:
		p.Program = s.Get.Executable.Path
	case s.Process != nil:
		p.Program = s.Process.Program
	}
	return p
}

// check refuses parameters that would only fail later, inside the program.
func (p Params) check() error {
	addrs := []struct{ name, addr string }{{"listen", p.Listen}, {"origin", p.Origin.Addr}}
	if p.ListenTLS != "" {
		addrs = append(addrs, struct{ name, addr string }{"TLS listen", p.ListenTLS})
	}
	for _, a := range addrs {
		if host(a.addr) == "" || port(a.addr) < 1 || port(a.addr) > 65535 {
			return fmt.Errorf("%s address %q: want host:port", a.name, a.addr)
		}
	}
	switch {
	case !path.IsAbs(p.Dir):
		return fmt.Errorf("folder %q is not absolute", p.Dir)
	case p.ListenTLS != "" && (p.TLS.Cert == "" || p.TLS.Key == ""):
		return errors.New("a TLS listener needs a certificate and a key")
	case p.Origin.TLS && (p.Origin.CA == "" || p.Origin.Name == ""):
		return errors.New("an origin with TLS needs a CA and a name")
	}
	return nil
}

// bounded is a buffer that refuses to grow beyond maxRendered.
type bounded struct{ buf bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.buf.Len()+len(p) > maxRendered {
		return 0, fmt.Errorf("renders to more than %d bytes", maxRendered)
	}
	return b.buf.Write(p)
}

// tryRender renders with the combinations that templates mostly branch on, so
// that a template that does not render is found when the file is read.
func (s *Spec) tryRender() error {
	for _, p := range samples() {
		if _, err := s.Render(p); err != nil {
			return err
		}
	}
	return nil
}

func samples() []Params {
	var out []Params
	for i := range 8 {
		p := Params{Dir: "/dir", Program: "/program", Listen: "127.0.0.1:8080", Origin: Origin{Addr: "127.0.0.1:9000"}, CrashHooks: i&4 > 0}
		if i&1 > 0 {
			p.ListenTLS, p.TLS = "127.0.0.1:8443", TLS{"/dir/cert.pem", "/dir/key.pem"}
		}
		if i&2 > 0 {
			p.Origin.TLS, p.Origin.CA, p.Origin.Name = true, "/dir/ca.pem", "origin.test"
		}
		out = append(out, p)
	}
	return out
}

var (
	// templateText is the form of text/template's errors: line from 1, column
	// from 0 (left out by its parser).
	templateText = regexp.MustCompile(`(?s)^template: t:(\d+)(?::(\d+))?: (?:executing "t" at <.*?>: )?(.*)$`)
	noField      = regexp.MustCompile(`^can't evaluate field (\S+) in type (\S+)$`)
	noFunction   = regexp.MustCompile(`^function "(\S+)" not defined$`)
)

// templateError puts an error of text/template at its place in the file.
func (s *Spec) templateError(at string, err error) error {
	if err == nil {
		return nil
	}
	m := templateText.FindStringSubmatch(err.Error())
	if m == nil {
		return s.doc.Errorf(at, "template: %v", err)
	}
	line, _ := strconv.Atoi(m[1])
	col, _ := strconv.Atoi(m[2])
	msg, hint := m[3], ""
	if f := noField.FindStringSubmatch(msg); f != nil {
		msg, hint = "unknown field ."+f[1], suggest(f[1], fields(f[2]))
	} else if f := noFunction.FindStringSubmatch(msg); f != nil {
		msg, hint = "unknown function "+f[1], suggest(f[1], slices.Sorted(maps.Keys(funcs)))
	}
	e := s.doc.TextErrorf(at, line, col+1, "template: %s", msg)
	e.Hint = hint
	return e
}

func suggest(word string, known []string) string {
	if n := schema.Nearest(word, known); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	if len(known) == 0 {
		return ""
	}
	return "known: " + strings.Join(known, ", ")
}

// fields are the names that a template may use of a type of Params.
func fields(typeName string) []string {
	for _, v := range []any{Params{}, Origin{}, TLS{}, Settings{}} {
		t := reflect.TypeOf(v)
		if t.String() != typeName {
			continue
		}
		var out []string
		for i := range t.NumField() {
			out = append(out, t.Field(i).Name)
		}
		for i := range t.NumMethod() {
			out = append(out, t.Method(i).Name)
		}
		return out
	}
	return nil
}
