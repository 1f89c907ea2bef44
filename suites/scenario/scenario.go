package scenario

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"faultbed/fixtures/raw"
	"faultbed/fixtures/script"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
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

// LoadItem is a number of arrivals of one class: at a rate that may ramp, in
// bursts, as a trace says, or a count at one instant.
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
	RateTo   float64         `yaml:"rate_to"`     // the rate at To: it ramps evenly
	Burst    int             `yaml:"burst"`       // so many at once, every Every
	Every    schema.Duration `yaml:"every"`       //
	Trace    string          `yaml:"trace"`       // file beside the scenario: seconds, one arrival a line
	Client   string          `yaml:"client"`      // naive, careful (default) or retrying
	Lanes    int             `yaml:"connections"` // so few connections carry all; 0: as many as it takes
	Script   string          `yaml:"script"`      // what the origin does with each (package script)
	Raw      string          `yaml:"raw"`         // class raw: which bytes
	Needs    string          `yaml:"needs"`       // capability without which this item is left out

	trace     []int64 // ns from From
	firstLane int     // of this item: lanes are shared with no other
}

// FaultItem is one planned fault.
type FaultItem struct {
	Fault   string          `yaml:"fault"`
	ID      string          `yaml:"id"` // by which others refer to it
	Leg     string          `yaml:"leg"`
	At      schema.Duration `yaml:"at"`
	After   string          `yaml:"after"` // an event instead of At: see history.AwaitedEvents
	Delay   schema.Duration `yaml:"delay"` // from that event
	For     schema.Duration `yaml:"for"`
	Every   schema.Duration `yaml:"every"`  // it comes again so long after it came before
	Times   int             `yaml:"times"`  // so often in all
	Chance  float64         `yaml:"chance"` // of each to happen at all; 1 if 0
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
	MaxRSS     int64           `yaml:"max_rss"` // MiB
	MaxCPU     float64         `yaml:"max_cpu"` // cores
	Bystanders []string        `yaml:"bystanders"`
	Faulty     []string        `yaml:"faulty"`
	Again      []string        `yaml:"again"`
	Concurrent []string        `yaml:"concurrent"`
	Ends       string          `yaml:"ends"`
	Exit       []int           `yaml:"exit"`
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
	if err := s.traces(filepath.Dir(file)); err != nil {
		return nil, err
	}
	return s, s.check()
}

// maxTrace bounds a trace file; an arrival is about 10 bytes.
const maxTrace = 16 << 20

// traces reads the files that load items name.
func (s *Scenario) traces(dir string) error {
	for i := range s.Load {
		l := &s.Load[i]
		if l.Trace == "" {
			continue
		}
		at := fmt.Sprintf("$.load[%d].trace", i)
		f, err := os.Open(filepath.Join(dir, l.Trace))
		if err != nil {
			return s.doc.Errorf(at, "%v", err)
		}
		l.trace, err = readTrace(io.LimitReader(f, maxTrace))
		f.Close()
		if err != nil {
			return s.doc.Errorf(at, "%s: %v", l.Trace, err)
		}
	}
	return nil
}

// readTrace reads seconds from the trace's begin, one arrival a line, in any
// order. Empty lines and those that begin with # are skipped.
func readTrace(r io.Reader) ([]int64, error) {
	var out []int64
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		sec, err := strconv.ParseFloat(line, 64)
		if err != nil || !(sec >= 0 && sec <= time.Duration(maxDuration).Seconds()) {
			return nil, fmt.Errorf("line %d: %q: want seconds from the trace's begin, such as 0.25", n, line)
		}
		out = append(out, int64(sec*float64(time.Second)))
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, errors.New("no arrivals in it")
	}
	slices.Sort(out)
	return out, nil
}

func (s *Scenario) defaults() {
	s.Engine = cmp.Or(s.Engine, Timeline)
	s.Replicas = max(s.Replicas, 1)
	s.Timeout = cmp.Or(s.Timeout, schema.Duration(2*time.Second))
	lane := 1
	for i := range s.Load {
		l := &s.Load[i]
		l.firstLane, lane = lane, lane+l.Lanes
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
		arrivals += l.expected()
		do, bad := script.Parse(l.Script)
		switch {
		case l.sources() != 1:
			return s.doc.Errorf(at+".class", "want one of rate, burst, trace and count")
		case l.RateTo > 0 && l.Rate == 0:
			return s.doc.Errorf(at+".rate_to", "a ramp begins at a rate")
		case l.Burst > 0 && l.Every < schema.Duration(time.Millisecond):
			return s.doc.Errorf(at+".burst", "bursts come every so often: set every, at least 1ms")
		case bad != nil:
			return s.doc.Errorf(at+".script", "%v", bad)
		case l.Script != "" && l.cantTell(do) != "":
			return s.doc.Errorf(at+".script", "%s", l.cantTell(do))
		case l.Hold > 0 && !l.holds(do):
			return s.doc.Errorf(at+".class", "hold means nothing to class %s: its answer comes at once (class slow holds it back, script late or drip N too)", l.Class)
		case l.Class == "abort" && l.Hold == 0:
			return s.doc.Errorf(at+".class", "a client leaves at half of hold: set hold")
		case (l.Class == "raw") != (l.Raw != ""):
			return s.doc.Errorf(at+".class", "class raw and the key raw belong together")
		case l.Raw != "" && rawSets[l.Raw] == nil && !slices.Contains(raw.Names(), l.Raw):
			return s.doc.Errorf(at+".raw", "no raw request %q: want * for each in turn, core for those of the default campaign, or one of %s", l.Raw, strings.Join(raw.Names(), ", "))
		case l.Lanes > 0 && !pooled(l.Class):
			return s.doc.Errorf(at+".connections", "class %s has connections of its own", l.Class)
		case l.Client == "retrying" && !pooled(l.Class):
			return s.doc.Errorf(at+".client", "a retrying client sends short, slow and headers again, not %s", l.Class)
		case l.At > s.Duration || l.From > s.Duration:
			return s.doc.Errorf(at+".class", "begins after the scenario's end at %v", time.Duration(s.Duration))
		case l.To > s.Duration || l.To < l.From:
			return s.doc.Errorf(at+".to", "is outside %v to %v", time.Duration(l.From), time.Duration(s.Duration))
		case arrivals > maxArrivals:
			return s.doc.Errorf(at+".class", "with it there are %.0f arrivals, more than %d in one trial", arrivals, maxArrivals)
		}
	}
	for i := range s.Faults {
		if err := cmp.Or(s.checkFault(i), s.checkTiming(i), s.checkAfter(i), s.checkReach(i), s.checkBeside(i)); err != nil {
			return err
		}
	}
	if s.Expect.Ends != "" && !slices.ContainsFunc(s.Faults, FaultItem.takesTime) {
		return s.doc.Errorf("$.expect.ends", "no crash of the list takes a time (parameter seconds) that requests could end before or after")
	}
	if s.Engine == Timeline && len(s.Load) == 0 {
		return s.doc.Errorf("$.name", "without load nothing would be measured: name at least one item under load")
	}
	return nil
}

// takesTime tells whether a fault is a crash with a time of its own.
func (f FaultItem) takesTime() bool {
	with, err := faults.Validate(f.Fault, f.With)
	var w struct {
		Seconds int64 `json:"seconds"`
	}
	return err == nil && json.Unmarshal(with, &w) == nil && strings.HasPrefix(f.Fault, "crash.") && w.Seconds > 0
}

// checkReach refuses a fault that waits for a byte that no body of the load has.
func (s *Scenario) checkReach(i int) error {
	request, response := int64(0), int64(0)
	for _, l := range s.Load {
		switch history.Class(l.Class) {
		case history.Upload, history.Trailers, history.Expects, history.Writer:
			request, response = max(request, l.Size), max(response, 64)
		default:
			response = max(response, l.Size)
		}
	}
	f := s.Faults[i]
	with, err := faults.Validate(f.Fault, f.With)
	if err == nil {
		err = faults.Beyond(f.Fault, with, request, response)
	}
	if err != nil {
		return s.doc.Errorf(fmt.Sprintf("$.faults[%d]", i)+blame(f, err), "%v", err)
	}
	return nil
}

// checkBeside refuses a fault that can't bite while an earlier one of the list
// acts on the same leg.
func (s *Scenario) checkBeside(i int) error {
	f := s.Faults[i]
	with, err := faults.Validate(f.Fault, f.With)
	if err != nil {
		return err
	}
	for j, g := range s.Faults[:i] {
		together := f.Leg == g.Leg && f.Replica == g.Replica && s.together(i, j)
		other, err := faults.Validate(g.Fault, g.With)
		if err == nil && together {
			err = faults.Exclude(g.Fault, other, f.Fault, with)
		}
		if err != nil {
			return s.doc.Errorf(fmt.Sprintf("$.faults[%d].fault", i), "beside fault %d of the list: %v", j+1, err)
		}
	}
	return nil
}

// cantTell says why a script would not show in an item's answers; nothing if it
// does.
func (l LoadItem) cantTell(do script.Do) string {
	c := history.Class(l.Class)
	size, chunked := l.Size, false
	switch c {
	case history.Short, history.Fresh, history.Slow, history.Headers, history.Reader:
	case history.Upload, history.Expects, history.Writer:
		size = 64
	case history.Stream, history.Abort, history.Trailers:
		chunked = true
	default:
		return fmt.Sprintf("class %s takes no script", c)
	}
	uploads := c == history.Upload || c == history.Expects || c == history.Writer || c == history.Trailers
	switch {
	case do.Verb == "cut" && do.N >= size:
		return fmt.Sprintf("its answer has %d bytes: cut fewer", size)
	case do.Verb == "longer" && chunked:
		return fmt.Sprintf("the answer to class %s has no Content-Length that could be wrong", c)
	case do.Verb == "raw" && c != history.Short:
		return "raw is for class short"
	case (do.Verb == "unread" || do.Verb == "early" || do.Verb == "echo") && !uploads:
		return fmt.Sprintf("%s is for an upload, class %s has none", do.Verb, c)
	}
	return ""
}

// holds tells whether an item's hold has a meaning.
func (l LoadItem) holds(do script.Do) bool {
	switch c := history.Class(l.Class); c {
	case history.Slow, history.Stream, history.Abort, history.Events, history.Reader, history.Writer, history.H2Stream:
		return true
	default:
		return c.IsHeld() || do.Verb == "drip" || do.Verb == "late"
	}
}

// sources counts the ways in which an item says when its arrivals come.
func (l LoadItem) sources() (n int) {
	for _, given := range []bool{l.Rate > 0, l.Count > 0, l.Burst > 0, l.Trace != ""} {
		if given {
			n++
		}
	}
	return n
}

// expected is about how many arrivals an item makes.
func (l LoadItem) expected() float64 {
	span := time.Duration(l.To - l.From).Seconds()
	n := float64(l.Count) + max(l.Rate, l.RateTo)*span + float64(len(l.trace))
	if l.Every > 0 {
		n += float64(l.Burst) * (span/time.Duration(l.Every).Seconds() + 1)
	}
	return n
}

// pooled tells whether a class takes its connection from a pool and may be sent
// again.
func pooled(class string) bool { return class == "short" || class == "slow" || class == "headers" }

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
		at[fmt.Sprintf("$.load[%d]", i)] = max(l.Hold, l.At, l.From, l.To, l.Every)
	}
	for i, f := range s.Faults {
		at[fmt.Sprintf("$.faults[%d]", i)] = max(f.At, f.For, f.Delay, f.Every)
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
	case f.For > 0 && !k.Lifts:
		return s.doc.Errorf(at+".for", "%s is an instant, it can't last", f.Fault)
	case f.With["over"] == "lane" && !slices.ContainsFunc(s.Load, func(l LoadItem) bool { return l.Lanes > 0 }):
		return s.doc.Errorf(at+".with", "over: lane needs a load item with connections")
	case f.Replica >= s.Replicas:
		return s.doc.Errorf(at+".replica", "there are %d replicas, counted from 0", s.Replicas)
	case slices.ContainsFunc(s.Faults[:i], func(g FaultItem) bool { return f.ID != "" && g.ID == f.ID }):
		return s.doc.Errorf(at+".id", "another fault of the list has it already")
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
