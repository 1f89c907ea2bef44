// Package param is one parameter of a fault: its name, unit and range, and the
// check that a value given in YAML keeps them.
//
// It knows no fault. The injectors that describe their own faults (faults/wire)
// and the catalogue that joins them (package faults) share it, so that each
// fault says in its own file what it takes.
//
// Start with [Param] and [Param.Normal].
package param

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Types of parameters.
const (
	Duration = "duration" // "200ms" in YAML, ns in a plan
	Int      = "int"
	Enum     = "enum"
	Share    = "share" // a part of all: more than 0, at most 1
	Text     = "text"  // letters, digits, dot, dash and underscore; may be empty
)

// Param is one parameter. Durations are written "200ms" in YAML and are
// nanoseconds in a plan.
type Param struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"` // duration, int, enum, share, text
	Unit    string   `json:"unit,omitempty"`
	Min     int64    `json:"min,omitempty"`
	Max     int64    `json:"max,omitempty"`
	Step    int64    `json:"step,omitempty"`    // what the injector's unit can express; 0: all
	Default any      `json:"default,omitempty"` // required if nil
	Unless  string   `json:"unless,omitempty"`  // not required if this parameter is given: then it is 0
	Of      []string `json:"of,omitempty"`
	Doc     string   `json:"doc"`
}

// Error is a value, or the lack of one, that a fault can't take.
type Error struct {
	Param, Problem string
}

func (e *Error) Error() string { return e.Param + ": " + e.Problem }

// Errorf is an error about a parameter.
func Errorf(param, format string, args ...any) error {
	return &Error{Param: param, Problem: fmt.Sprintf(format, args...)}
}

var plain = regexp.MustCompile(`^[A-Za-z0-9._-]{0,64}$`)

// Normal is a value as a plan holds it: durations in ns, whole numbers as int64.
func (p Param) Normal(v any) (any, error) {
	switch p.Type {
	case Enum:
		if s, ok := v.(string); ok && slices.Contains(p.Of, s) {
			return s, nil
		}
		return nil, fmt.Errorf("%v is not one of %s", v, strings.Join(p.Of, ", "))
	case Text:
		if s, ok := v.(string); ok && plain.MatchString(s) {
			return s, nil
		}
		return nil, fmt.Errorf("%v is no text of letters, digits, dots, dashes and underscores, 64 at most", v)
	case Share:
		return share(v)
	case Duration:
		return p.duration(v)
	}
	n, err := integer(v)
	if err != nil {
		return nil, err
	}
	return p.within(n, n)
}

// Absent is the value of a parameter that was not given; given names those that were.
func (p Param) Absent(given func(name string) bool) (any, error) {
	switch {
	case p.Default != nil:
		return p.Default, nil
	case p.Unless != "" && given(p.Unless):
		return int64(0), nil
	case p.Unless != "":
		return nil, Errorf(p.Name, "missing: give it, or %s", p.Unless)
	}
	return nil, Errorf(p.Name, "missing")
}

func (p Param) duration(v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("%v is no duration such as \"200ms\"", v)
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return nil, fmt.Errorf("%q is no duration such as \"200ms\"", s)
	}
	return p.within(int64(d), d)
}

func (p Param) within(n int64, shown any) (any, error) {
	if n < p.Min || n > p.Max {
		return nil, fmt.Errorf("%v is outside %s", shown, p.Span())
	}
	if p.Step > 0 && n%p.Step != 0 {
		return nil, fmt.Errorf("%v is no multiple of %v", shown, time.Duration(p.Step))
	}
	return n, nil
}

// Span is the range with its unit, for people: "0s to 1m0s", "1 to 100 bytes".
func (p Param) Span() string {
	switch p.Type {
	case Duration:
		return fmt.Sprintf("%v to %v", time.Duration(p.Min), time.Duration(p.Max))
	case Int:
		return strings.TrimSpace(fmt.Sprintf("%d to %d %s", p.Min, p.Max, p.Unit))
	case Share:
		return "more than 0, at most 1"
	case Text:
		return "text"
	}
	return strings.Join(p.Of, ", ")
}

// Shown is a value of a plan, for people.
func (p Param) Shown(v any) string {
	if n, ok := v.(int64); ok {
		if p.Type == Duration {
			return time.Duration(n).String()
		}
		return strconv.FormatInt(n, 10)
	}
	if v == "" {
		return "none"
	}
	return fmt.Sprint(v)
}

func share(v any) (any, error) {
	f, ok := v.(float64)
	if n, err := integer(v); err == nil {
		f, ok = float64(n), true
	}
	if !ok || !(f > 0 && f <= 1) { // NaN is neither
		return nil, fmt.Errorf("%v is no number above 0 and at most 1", v)
	}
	return f, nil
}

func integer(v any) (int64, error) {
	switch n := v.(type) {
	case int:
		return int64(n), nil
	case int64:
		return n, nil
	case uint64:
		if n > math.MaxInt64 {
			return 0, fmt.Errorf("%d is too large", n)
		}
		return int64(n), nil
	case float64:
		if n != math.Trunc(n) || math.Abs(n) > 1<<53 {
			return 0, fmt.Errorf("%v is no whole number", n)
		}
		return int64(n), nil
	}
	return 0, fmt.Errorf("%v is no whole number", v)
}
