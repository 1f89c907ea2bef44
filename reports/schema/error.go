package schema

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error is one mistake in one file.
type Error struct {
	File    string
	Line    int    // from 1; 0 if the mistake is the file itself
	Col     int    // in characters, from 1
	Msg     string // lower case, one line
	Excerpt string // the line, the one before it, and a caret; no final newline
	Hint    string // what to do about it; may be empty
}

// Error is one line: `subjects/x.yaml:5:3: drain: unknown key "graec" (did you mean "grace"?)`.
func (e *Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s = fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Col)
	}
	s += ": " + e.Msg
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// source is a file's text, for positions and excerpts.
type source struct {
	file  string
	lines []string
}

func newSource(file string, data []byte) *source {
	text := strings.ReplaceAll(strings.ToValidUTF8(string(data), "\uFFFD"), "\r\n", "\n")
	return &source{file, strings.Split(text, "\n")}
}

// errorAt makes an error; a position outside the text is moved into it.
func (s *source) errorAt(p pos, msg, hint string) *Error {
	p = s.clamp(p)
	return &Error{File: s.file, Line: p.line, Col: p.col, Msg: oneLine(msg), Hint: hint, Excerpt: s.excerpt(p)}
}

func (s *source) clamp(p pos) pos {
	p.line = min(max(p.line, 1), len(s.lines))
	p.col = min(max(p.col, 1), utf8.RuneCountInString(s.lines[p.line-1])+1)
	return p
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// excerptWidth bounds what is shown of a line, in characters.
const excerptWidth = 100

func (s *source) excerpt(p pos) string {
	var b strings.Builder
	from := max(0, p.col-excerptWidth+10)
	if n := p.line - 1; n > 0 && from == 0 && strings.TrimSpace(s.lines[n-1]) != "" {
		fmt.Fprintf(&b, "%4d | %s\n", n, window(s.lines[n-1], 0))
	}
	fmt.Fprintf(&b, "%4d | %s\n", p.line, window(s.lines[p.line-1], from))
	fmt.Fprintf(&b, "     | %s^", strings.Repeat(" ", p.col-1-from))
	return b.String()
}

// window is excerptWidth printable characters of a line; a tab counts as one,
// so that the caret stands below what it means.
func window(line string, from int) string {
	r := []rune(line)
	r = r[min(from, len(r)):]
	r = r[:min(len(r), excerptWidth)]
	for i, c := range r {
		if c < ' ' || c == 0x7f {
			r[i] = ' '
		}
	}
	return strings.TrimRight(string(r), " ")
}
