package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"faultbed/faults"
	"faultbed/reports/history"
	"faultbed/reports/schema"
)

// Engines that can execute a plan.
const (
	Timeline = "timeline"  // load, faults at planned instants
	Starting = "starting"  // a signal while the subject starts, at several offsets
	TLSBack  = "tls-back"  // the subject verifies the origin's chain
	TLSFront = "tls-front" // clients verify the subject's chain
)

// Scenario is a file of fixtures/scenarios. Durations are written "1.5s".
type Scenario struct {
	Name        string            `yaml:"name"`        // group/name
	Description string            `yaml:"description"` // one sentence, shown in the report
	Engine      string            `yaml:"engine"`      // timeline if empty
	Requires    []string          `yaml:"requires"`    // capabilities of the subject
	Exclusive   bool              `yaml:"exclusive"`   // it measures time: nothing else runs meanwhile
	Variants    []string          `yaml:"variants"`    // pid1, init
	Replicas    int               `yaml:"replicas"`    // 1 if 0
	Duration    schema.Duration   `yaml:"duration"`
	Timeout     schema.Duration   `yaml:"timeout"` // deadline of one request; 2 s if 0
	Propagation schema.Duration   `yaml:"propagation"`
	Out         schema.Duration   `yaml:"out"` // how long a restarted replica is out of the clients' list
	Settings    SettingsYAML      `yaml:"settings"`
	Load        []LoadItem        `yaml:"load"`
	Faults      []FaultItem       `yaml:"faults"`
	Expect      ExpectYAML        `yaml:"expect"`
	Offsets     []schema.Duration `yaml:"offsets"` // starting
	Cases       []string          `yaml:"cases"`   // tls
	Clients     []string          `yaml:"clients"` // tls-front

	doc *schema.Doc
}

// SettingsYAML overrides the subject's timeouts for this scenario.
type SettingsYAML struct {
	Grace          schema.Duration `yaml:"grace"`
	ShutdownDelay  schema.Duration `yaml:"shutdown_delay"`
	ReadHeader     schema.Duration `yaml:"read_header_timeout"`
	StreamIdle     schema.Duration `yaml:"stream_idle_timeout"`
	Connect        schema.Duration `yaml:"origin_connect_timeout"`
	ResponseHeader schema.Duration `yaml:"origin_response_header_timeout"`
}

// LoadItem is a number of arrivals of one class: at a rate, or a count at one
// instant.
type LoadItem struct {
	Class    string          `yaml:"class"`
	Rate     float64         `yaml:"rate"`     // per second
	Arrivals string          `yaml:"arrivals"` // poisson (default) or uniform
	From     schema.Duration `yaml:"from"`
	To       schema.Duration `yaml:"to"` // the scenario's duration if 0
	Count    int             `yaml:"count"`
	At       schema.Duration `yaml:"at"`
	Size     int64           `yaml:"size"` // bytes; 1024 if 0
	Hold     schema.Duration `yaml:"hold"`
	Needs    string          `yaml:"needs"` // capability without which this item is left out
}

// FaultItem is one planned fault.
type FaultItem struct {
	Fault   string          `yaml:"fault"`
	Leg     string          `yaml:"leg"`
	At      schema.Duration `yaml:"at"`
	For     schema.Duration `yaml:"for"`
	Replica int             `yaml:"replica"`
	With    map[string]any  `yaml:"with"`
}

// ExpectYAML is what is allowed while faults act; see history.Expectation.
type ExpectYAML struct {
	Allow      []string        `yaml:"allow"`
	Statuses   []int           `yaml:"statuses"`
	MinOK      float64         `yaml:"min_ok"`
	Recovery   schema.Duration `yaml:"recovery"`
	Drain      bool            `yaml:"drain"`
	Killed     bool            `yaml:"killed"`
	Dies       bool            `yaml:"dies"`
	Bystanders []string        `yaml:"bystanders"`
}

// Group is the part of the name before the slash.
func (s *Scenario) Group() string { return strings.Split(s.Name, "/")[0] }

// Load reads one scenario file and checks it; errors are *schema.Error.
func Load(file string, data []byte) (*Scenario, error) {
	doc, err := schema.Load(file, data, "scenario")
	if err != nil {
		return nil, err
	}
	s := &Scenario{Engine: Timeline, Replicas: 1, doc: doc}
	if err := doc.Decode(s); err != nil {
		return nil, err
	}
	s.defaults()
	return s, s.check()
}

func (s *Scenario) defaults() {
	s.Engine = cmp.Or(s.Engine, Timeline)
	s.Replicas = max(s.Replicas, 1)
	s.Timeout = cmp.Or(s.Timeout, schema.Duration(2*time.Second))
	for i := range s.Load {
		l := &s.Load[i]
		l.Size = cmp.Or(l.Size, 1024)
		l.Arrivals = cmp.Or(l.Arrivals, "poisson")
		if l.To == 0 {
			l.To = s.Duration
		}
	}
}

// check is what the JSON Schema can't say.
func (s *Scenario) check() error {
	if s.Engine == Timeline && s.Duration <= 0 {
		return s.doc.Errorf("$.name", "a timeline needs a duration")
	}
	if err := cmp.Or(s.checkDurations(), s.checkEngine()); err != nil {
		return err
	}
	arrivals := 0.0
	for i, l := range s.Load {
		at := fmt.Sprintf("$.load[%d]", i)
		arrivals += float64(l.Count) + l.Rate*time.Duration(l.To-l.From).Seconds()
		switch {
		case (l.Rate > 0) == (l.Count > 0):
			return s.doc.Errorf(at+".class", "want either rate or count")
		case l.At > s.Duration || l.From > s.Duration:
			return s.doc.Errorf(at+".class", "begins after the scenario's end at %v", time.Duration(s.Duration))
		case l.To > s.Duration || l.To < l.From:
			return s.doc.Errorf(at+".to", "is outside %v to %v", time.Duration(l.From), time.Duration(s.Duration))
		case arrivals > maxArrivals:
			return s.doc.Errorf(at+".class", "with it there are %.0f arrivals, more than %d in one trial", arrivals, maxArrivals)
		}
	}
	for i := range s.Faults {
		if err := s.checkFault(i); err != nil {
			return err
		}
	}
	return nil
}

// maxArrivals and maxDuration bound a plan, which is held in memory whole.
const (
	maxArrivals = 1_000_000
	maxDuration = schema.Duration(24 * time.Hour)
)

// checkDurations keeps sums of them from overflowing.
func (s *Scenario) checkDurations() error {
	at := map[string]schema.Duration{"$.duration": s.Duration, "$.timeout": s.Timeout, "$.propagation": s.Propagation, "$.out": s.Out,
		"$.settings": slices.Max([]schema.Duration{s.Settings.Grace, s.Settings.ShutdownDelay, s.Settings.ReadHeader,
			s.Settings.StreamIdle, s.Settings.Connect, s.Settings.ResponseHeader}), "$.expect": s.Expect.Recovery}
	for i, l := range s.Load {
		at[fmt.Sprintf("$.load[%d]", i)] = max(l.Hold, l.At, l.From, l.To)
	}
	for i, f := range s.Faults {
		at[fmt.Sprintf("$.faults[%d]", i)] = max(f.At, f.For)
	}
	for i, o := range s.Offsets {
		at[fmt.Sprintf("$.offsets[%d]", i)] = o
	}
	for _, path := range slices.Sorted(maps.Keys(at)) {
		if at[path] > maxDuration {
			return s.doc.Errorf(path, "%v is longer than %v", time.Duration(at[path]), time.Duration(maxDuration))
		}
	}
	return nil
}

// checkEngine wants what each engine can't do without.
func (s *Scenario) checkEngine() error {
	switch {
	case s.Engine == Starting && len(s.Offsets) == 0:
		return s.doc.Errorf("$.engine", "%s needs offsets", s.Engine)
	case (s.Engine == TLSBack || s.Engine == TLSFront) && len(s.Cases) == 0:
		return s.doc.Errorf("$.engine", "%s needs cases", s.Engine)
	case s.Engine == TLSFront && len(s.Clients) == 0:
		return s.doc.Errorf("$.engine", "%s needs clients", s.Engine)
	}
	return nil
}

func (s *Scenario) checkFault(i int) error {
	f, at := s.Faults[i], fmt.Sprintf("$.faults[%d]", i)
	k, ok := faults.Find(f.Fault)
	if !ok {
		return s.doc.Errorf(at+".fault", "unknown fault %q (faultbed list faults shows all)%s", f.Fault, meant(f.Fault))
	}
	if _, err := faults.Validate(f.Fault, f.With); err != nil {
		return s.doc.Errorf(at+blame(f, err), "%v", err)
	}
	switch {
	case len(k.Legs) > 0 && !slices.Contains(k.Legs, f.Leg):
		return s.doc.Errorf(at+".fault", "%s acts on leg %s, not %q", f.Fault, strings.Join(k.Legs, " or "), f.Leg)
	case f.At > s.Duration:
		return s.doc.Errorf(at+".at", "is after the scenario's end at %v", time.Duration(s.Duration))
	case f.For > s.Duration-f.At:
		return s.doc.Errorf(at+".for", "ends at %v, after the scenario's end at %v", time.Duration(f.At+f.For), time.Duration(s.Duration))
	case f.For > 0 && !k.Lifts:
		return s.doc.Errorf(at+".for", "%s is an instant, it can't last", f.Fault)
	case f.Replica >= s.Replicas:
		return s.doc.Errorf(at+".replica", "there are %d replicas, counted from 0", s.Replicas)
	}
	return nil
}

func meant(fault string) string {
	var names []string
	for _, k := range faults.Catalogue() {
		names = append(names, k.Name)
	}
	if n := schema.Nearest(fault, names); n != "" {
		return fmt.Sprintf(": did you mean %q?", n)
	}
	return ""
}

// blame is the path, below a fault, of the parameter that is bad.
func blame(f FaultItem, err error) string {
	var pe *faults.ParamError
	if !errors.As(err, &pe) || len(f.With) == 0 {
		return ".fault"
	}
	if _, given := f.With[pe.Param]; given && slices.ContainsFunc(params(f.Fault), func(p faults.Param) bool { return p.Name == pe.Param }) {
		return ".with." + pe.Param
	}
	return ".with"
}

func params(fault string) []faults.Param {
	k, _ := faults.Find(fault)
	return k.Params
}

// LoadFS reads all scenarios of a folder, sorted by name.
func LoadFS(fsys fs.FS, dir string) ([]*Scenario, error) {
	files, err := fs.Glob(fsys, path.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var out []*Scenario
	for _, f := range files {
		data, err := fs.ReadFile(fsys, f)
		if err != nil {
			return nil, err
		}
		s, err := Load(f, data)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *Scenario) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// outcomes turns YAML strings into outcomes; the schema has checked them.
func outcomes(in []string) []history.Outcome {
	var out []history.Outcome
	for _, s := range in {
		out = append(out, history.Outcome(s))
	}
	return out
}
