package param_test

import (
	"errors"
	"testing"
	"time"

	"faultbed/faults/param"
)

func TestAbsent(t *testing.T) {
	given := func(name string) bool { return name == "when" }
	for _, c := range []struct {
		p    param.Param
		want any
		err  string
	}{
		{param.Param{Name: "a", Default: int64(3)}, int64(3), ""},
		{param.Param{Name: "a", Unless: "when"}, int64(0), ""},
		{param.Param{Name: "a", Unless: "other"}, nil, "a: missing: give it, or other"},
		{param.Param{Name: "a"}, nil, "a: missing"},
	} {
		v, err := c.p.Absent(given)
		var pe *param.Error
		if v != c.want || (c.err != "") != errors.As(err, &pe) || pe != nil && pe.Error() != c.err {
			t.Errorf("%+v: %v, %v", c.p, v, err)
		}
	}
}

func TestShown(t *testing.T) {
	second := param.Param{Type: param.Duration, Max: int64(time.Second)}
	for want, got := range map[string]string{
		"200ms":                  second.Shown(int64(200 * time.Millisecond)),
		"7":                      param.Param{Type: param.Int}.Shown(int64(7)),
		"none":                   param.Param{Type: param.Text}.Shown(""),
		"0.5":                    param.Param{Type: param.Share}.Shown(0.5),
		"0s to 1s":               second.Span(),
		"1 to 2 bytes":           param.Param{Type: param.Int, Min: 1, Max: 2, Unit: "bytes"}.Span(),
		"a, b":                   param.Param{Type: param.Enum, Of: []string{"a", "b"}}.Span(),
		"more than 0, at most 1": param.Param{Type: param.Share}.Span(),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// FuzzNormal: what a duration becomes is within its range and of its step.
func FuzzNormal(f *testing.F) {
	f.Add("200ms")
	f.Add("-1s")
	f.Add("1h")
	f.Add("1.5ms")
	f.Fuzz(func(t *testing.T, s string) {
		p := param.Param{Name: "d", Type: param.Duration, Min: 0, Max: int64(time.Minute), Step: int64(time.Millisecond)}
		v, err := p.Normal(s)
		if err != nil {
			return
		}
		if n := v.(int64); n < p.Min || n > p.Max || n%p.Step != 0 {
			t.Errorf("%q became %d", s, n)
		}
		if again, err := p.Normal(p.Shown(v)); err != nil || again != v {
			t.Errorf("%q became %v, then %v, %v", s, v, again, err)
		}
	})
}
