package gate

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"faultbed/reports/check"
	"faultbed/reports/schema"
)

// File is a gate's file. The zero File has no limits: no promise may be broken.
type File struct {
	Limits   []Limit `yaml:"limits"`
	Baseline string  `yaml:"baseline"` // run folder, relative to the file; the caller reads it
	Known    []Known `yaml:"known"`

	name string
	doc  *schema.Doc
}

// BaselineError is err as a mistake at the place where the file names its
// baseline.
func (f *File) BaselineError(err error) error { return f.doc.Errorf("$.baseline", "%v", err) }

// Where is the cells that a rule is for; empty globs match all.
type Where struct {
	Scenario string `yaml:"scenario"`
	Subject  string `yaml:"subject"`
	Variant  string `yaml:"variant"`
}

// Limit is one limit; exactly one of FailureRate, DrainTime and RequestsFailed is
// set.
type Limit struct {
	Where          `yaml:",inline"`
	FailureRate    Percent         `yaml:"failure_rate"`
	DrainTime      schema.Duration `yaml:"drain_time"`
	Quantile       float64         `yaml:"quantile"` // of DrainTime; 0.5 by default
	RequestsFailed Percent         `yaml:"requests_failed"`
	Epoch          string          `yaml:"epoch"`      // of RequestsFailed; all by default
	Confidence     Percent         `yaml:"confidence"` // of each bound; 95 % by default

	line int
}

// Known is a failure that is excused up to and including a day.
type Known struct {
	Where  `yaml:",inline"`
	Check  string `yaml:"check"` // names, separated by commas
	Reason string `yaml:"reason"`
	Issue  string `yaml:"issue"`
	Until  string `yaml:"until"` // 2027-03-01, UTC

	checks []string
	until  time.Time
	line   int
}

// Percent is a share; files write it as "5%".
type Percent float64

// UnmarshalText reads "5%".
func (p *Percent) UnmarshalText(b []byte) error {
	s, ok := strings.CutSuffix(string(b), "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if !ok || err != nil {
		return fmt.Errorf("%q is no percentage such as 5%%", b)
	}
	*p = Percent(f / 100)
	return nil
}

// MarshalText writes "5%".
func (p Percent) MarshalText() ([]byte, error) {
	return []byte(strconv.FormatFloat(100*float64(p), 'g', 10, 64) + "%"), nil
}

// String is as people write it: "5 %".
func (p Percent) String() string { return strconv.FormatFloat(100*float64(p), 'g', 4, 64) + " %" }

// Load reads a gate's file and checks it; mistakes are *[schema.Error].
func Load(name string, data []byte) (*File, error) {
	doc, err := schema.Load(name, data, "gate")
	if err != nil {
		return nil, err
	}
	f := &File{name: name, doc: doc}
	if err := doc.Decode(f); err != nil {
		return nil, err
	}
	for i := range f.Limits {
		at := schema.Path("limits", i)
		f.Limits[i].line, _ = doc.At(at + ".scenario")
		if key, msg := f.Limits[i].complete(); msg != "" {
			return nil, doc.Errorf(at+"."+key, "%s", msg)
		}
	}
	for i := range f.Known {
		at := schema.Path("known", i)
		f.Known[i].line, _ = doc.At(at + ".scenario")
		if key, msg := f.Known[i].complete(); msg != "" {
			return nil, doc.Errorf(at+"."+key, "%s", msg)
		}
	}
	return f, nil
}

// complete fills in defaults and says what is wrong at which key.
func (l *Limit) complete() (key, msg string) {
	n := 0
	for _, set := range []bool{l.FailureRate != 0, l.DrainTime != 0, l.RequestsFailed != 0} {
		if set {
			n++
		}
	}
	if l.Confidence == 0 {
		l.Confidence = 0.95
	}
	key, bad := l.Where.bad()
	switch {
	case bad != "":
		return key, bad
	case n != 1:
		return "scenario", "want exactly one of failure_rate, drain_time and requests_failed, above 0: that nothing ever fails no number of trials can show"
	case l.FailureRate >= 1 || l.RequestsFailed >= 1:
		return "scenario", "a limit of 100 % or more limits nothing"
	case l.Confidence < 0.5 || l.Confidence >= 1:
		return "confidence", fmt.Sprintf("want 50%% to below 100%%, got %s", l.Confidence)
	case l.Quantile != 0 && l.DrainTime == 0:
		return "quantile", "only drain_time has a quantile"
	case l.Epoch != "" && l.RequestsFailed == 0:
		return "epoch", "only requests_failed has an epoch"
	}
	if l.Quantile == 0 {
		l.Quantile = 0.5
	}
	if l.Epoch == "" {
		l.Epoch = "all"
	}
	return "", ""
}

func (k *Known) complete() (key, msg string) {
	if key, msg = k.Where.bad(); msg != "" {
		return key, msg
	}
	var err error
	if k.until, err = time.Parse(time.DateOnly, k.Until); err != nil {
		return "until", fmt.Sprintf("%q is no date such as 2027-03-01", k.Until)
	}
	names := checkNames()
	for c := range strings.SplitSeq(k.Check, ",") {
		c = strings.TrimSpace(c)
		if !slices.Contains(names, c) {
			return "check", fmt.Sprintf("unknown check %q%s", c, meant(c, names))
		}
		k.checks = append(k.checks, c)
	}
	return "", ""
}

func meant(word string, known []string) string {
	if s := schema.Nearest(word, known); s != "" {
		return fmt.Sprintf(": did you mean %q?", s)
	}
	return ": faultbed list checks shows all"
}

func checkNames() (out []string) {
	for _, c := range check.All() {
		out = append(out, c.Name)
	}
	return out
}

// bad says which glob is none.
func (w Where) bad() (key, msg string) {
	for key, glob := range map[string]string{"scenario": w.Scenario, "subject": w.Subject, "variant": w.Variant} {
		if _, err := path.Match(glob, ""); err != nil {
			return key, fmt.Sprintf("%q: %v", glob, err)
		}
	}
	return "", ""
}

// Matches tells whether a cell is meant.
func (w Where) Matches(scenario, subject, variant string) bool {
	return matches(w.Scenario, scenario) && matches(w.Subject, subject) && matches(w.Variant, variant)
}

func matches(glob, name string) bool {
	ok, err := path.Match(glob, name)
	return glob == "" || err == nil && ok
}

// String names the cells: "drain/* on go".
func (w Where) String() string {
	s := w.Scenario
	if w.Subject != "" && w.Subject != "*" {
		s += " on " + w.Subject
	}
	if w.Variant != "" && w.Variant != "*" {
		s += " [" + w.Variant + "]"
	}
	return s
}

// rule is a limit in words, as [Decision.Rule] has it.
func (l Limit) rule() string {
	switch {
	case l.FailureRate != 0:
		return fmt.Sprintf("at most %s of trials fail", l.FailureRate)
	case l.DrainTime != 0:
		return fmt.Sprintf("%s of drains take at most %s", Percent(l.Quantile), l.DrainTime)
	case l.Epoch == "all":
		return fmt.Sprintf("at most %s of requests fail", l.RequestsFailed)
	}
	return fmt.Sprintf("at most %s of requests fail %s", l.RequestsFailed, map[string]string{
		"before": "before the faults", "during": "while faults act", "after": "after the faults"}[l.Epoch])
}
