// Package faults is the catalogue of what faultbed can do to a bed: each fault
// in one sentence, with its parameters, units and ranges, and where it acts.
//
// It does not act itself: faults/toxic speaks to toxiproxy, faults/wire is our
// own relay, and signals go through the subject's driver. What it does is
// refuse a bad parameter before anything starts, which matters most for
// toxiproxy, whose process a bad attribute kills.
//
// Start with [Catalogue] and [Validate].
package faults

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// By is who carries a fault out.
type By string

// The injectors.
const (
	Toxiproxy By = "toxiproxy" // bytes of a leg, through Shopify/toxiproxy v2.12.0
	Wire      By = "wire"      // connections of a leg, through our own relay
	Origin    By = "origin"    // the origin itself
	Process   By = "process"   // the subject's process
	Hook      By = "hook"      // a crash hook that the subject's YAML declares
)

// Kind is one fault of the catalogue.
type Kind struct {
	Name     string   `json:"name"`
	Sentence string   `json:"sentence"`
	By       By       `json:"by"`
	Legs     []string `json:"legs,omitempty"` // front, back
	Params   []Param  `json:"params,omitempty"`
	Lifts    bool     `json:"lifts"`           // it has an end; otherwise it is an instant
	Needs    string   `json:"needs,omitempty"` // capability that the subject must declare
	Touches  string   `json:"touches"`         // unit of its bites
}

// Param is one parameter. Durations are written "200ms" in YAML and are
// nanoseconds in a plan.
type Param struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"` // duration, int, enum
	Unit    string   `json:"unit,omitempty"`
	Min     int64    `json:"min,omitempty"`
	Max     int64    `json:"max,omitempty"`
	Step    int64    `json:"step,omitempty"`    // what the injector's unit can express; 0: all
	Default any      `json:"default,omitempty"` // required if nil
	Of      []string `json:"of,omitempty"`
	Doc     string   `json:"doc"`
}

var (
	both    = []string{"front", "back"}
	back    = []string{"back"}
	towards = Param{Name: "direction", Type: "enum", Of: []string{"down", "up", "both"}, Default: "down", Doc: "down: server to client; up: client to server"}
	which   = Param{Name: "match", Type: "enum", Of: []string{"all", "new", "live"}, Default: "all", Doc: "connections opened after the injection, open at it, or both"}
	atByte  = Param{Name: "at_byte", Type: "int", Unit: "bytes", Min: 0, Max: 1 << 40, Doc: "bytes of the direction that pass before"}
	limited = Param{Name: "limit", Type: "int", Unit: "connections", Min: 0, Max: 1 << 20, Default: int64(0), Doc: "touch at most so many; 0: no limit"}
	every   = Param{Name: "every", Type: "int", Unit: "connections", Min: 1, Max: 1 << 20, Default: int64(1), Doc: "touch every nth connection that matches"}
	maxTime = int64(time.Minute)
)

func duration(name string, def any, doc string) Param {
	return Param{Name: name, Type: "duration", Min: 0, Max: maxTime, Default: def, Doc: doc}
}

func stepped(step time.Duration, name string, def any, doc string) Param {
	p := duration(name, def, doc)
	p.Step = int64(step)
	return p
}

// Catalogue lists every fault, sorted by name.
func Catalogue() []Kind {
	crash := func(name, sentence, lang string, params ...Param) Kind {
		return Kind{Name: "crash." + name, Sentence: sentence, By: Hook, Needs: "crash-" + lang, Touches: "requests", Params: params}
	}
	wire := func(name, sentence string, lifts bool, params ...Param) Kind {
		return Kind{Name: "wire." + name, Sentence: sentence, By: Wire, Legs: both, Touches: "connections", Lifts: lifts, Params: append(params, which, every, limited)}
	}
	kinds := []Kind{
		{Name: "toxic.latency", Sentence: "delays the bytes of the back leg, with uniform jitter", By: Toxiproxy, Legs: back, Lifts: true, Touches: "requests",
			Params: []Param{stepped(time.Millisecond, "latency", nil, "added one way"), stepped(time.Millisecond, "jitter", int64(0), "half width"), towards}},
		{Name: "toxic.bandwidth", Sentence: "limits each connection of the back leg to a rate", By: Toxiproxy, Legs: back, Lifts: true, Touches: "requests",
			Params: []Param{{Name: "rate", Type: "int", Unit: "kB/s (1 kB = 1000 B)", Min: 1, Max: 1 << 20, Doc: "per connection and direction"}, towards}},
		{Name: "toxic.slicer", Sentence: "hands the bytes of the back leg on in small slices with pauses between", By: Toxiproxy, Legs: back, Lifts: true, Touches: "requests",
			Params: []Param{{Name: "size", Type: "int", Unit: "bytes", Min: 16, Max: 1 << 20, Doc: "average slice"},
				{Name: "variation", Type: "int", Unit: "bytes", Min: 0, Max: 1 << 20, Default: int64(0), Doc: "less than size"},
				stepped(time.Microsecond, "delay", int64(time.Millisecond), "pause between slices"), towards}},
		{Name: "toxic.down", Sentence: "takes toxiproxy's listener and connections away, then brings it back", By: Toxiproxy, Legs: back, Lifts: true, Touches: "requests"},
		{Name: "origin.down", Sentence: "closes the origin's listener and connections, then listens again", By: Origin, Legs: back, Lifts: true, Touches: "requests"},
		wire("rst", "resets matched connections at once, towards both ends", true),
		wire("rst-at", "resets a connection after an exact number of bytes: RST mid-response", true, atByte, towards),
		wire("cut", "closes a connection cleanly (FIN) after an exact number of bytes", true, atByte, towards),
		wire("half-close", "closes one direction (FIN) after an exact number of bytes while the other goes on", true, atByte, towards),
		wire("blackhole", "lets no byte pass and closes nothing; what was held flows on when it heals", true, towards),
		{Name: "process.signal", Sentence: "sends one signal to the subject's own process", By: Process, Touches: "signals", Params: []Param{signalParam}},
		{Name: "process.storm", Sentence: "sends the same signal many times", By: Process, Touches: "signals",
			Params: []Param{signalParam, {Name: "times", Type: "int", Min: 2, Max: 1000, Default: int64(20), Doc: "signals in all"}, duration("spacing", int64(100*time.Millisecond), "from one signal to the next")}},
		{Name: "process.restart", Sentence: "drains a replica with its signal and starts it again when it is gone", By: Process, Touches: "signals",
			Params: []Param{signalParam, {Name: "times", Type: "int", Min: 1, Max: 1000, Default: int64(1), Doc: "signals in all, before the one restart"}, duration("spacing", int64(100*time.Millisecond), "from one signal to the next")}},
		crash("panic", "a handler panics before it answers", "go"),
		crash("panic-after-flush", "a handler panics after the head and the first bytes were flushed", "go"),
		crash("goroutine-panic", "a goroutine that a handler started panics", "go"),
		crash("map-writes", "handlers write one map at the same time until the runtime ends the process", "go"),
		crash("exception", "a handler raises", "python"),
		crash("task-exception", "a background task raises", "python"),
		crash("block-loop", "a handler blocks the event loop", "python", duration("seconds", int64(time.Second), "how long")),
		crash("exit", "the interpreter ends at once (os._exit)", "python"),
	}
	slices.SortFunc(kinds, func(a, b Kind) int { return strings.Compare(a.Name, b.Name) })
	return kinds
}

// signalParam names a signal; "drain" is the one that the subject's YAML declares.
var signalParam = Param{Name: "signal", Type: "enum", Of: []string{"drain", "TERM", "INT", "QUIT", "HUP", "KILL", "USR1", "USR2"}, Default: "drain", Doc: "drain: the subject's own drain signal"}

// Find is the fault of that name.
func Find(name string) (Kind, bool) {
	for _, k := range Catalogue() {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

// ParamError is a parameter that a fault can't take.
type ParamError struct {
	Fault, Param, Problem string
}

func (e *ParamError) Error() string {
	return fmt.Sprintf("fault %s: %s: %s", e.Fault, e.Param, e.Problem)
}

// Validate checks the parameters of a fault as YAML gave them and returns them
// complete and normalised, durations in ns, keys sorted: the form that a plan
// holds. Errors are *[ParamError].
func Validate(name string, with map[string]any) (json.RawMessage, error) {
	k, ok := Find(name)
	if !ok {
		return nil, &ParamError{name, "fault", "unknown"}
	}
	out := map[string]any{}
	for _, p := range k.Params {
		v, given := with[p.Name]
		if !given {
			if p.Default == nil {
				return nil, &ParamError{name, p.Name, "missing"}
			}
			out[p.Name] = p.Default
			continue
		}
		n, err := p.normal(v)
		if err != nil {
			return nil, &ParamError{name, p.Name, err.Error()}
		}
		out[p.Name] = n
	}
	for _, key := range slices.Sorted(maps.Keys(with)) {
		if _, ok := out[key]; !ok {
			return nil, &ParamError{name, key, "no such parameter"}
		}
	}
	if s, ok := out["size"].(int64); ok && out["variation"].(int64) >= s {
		return nil, &ParamError{name, "variation", "must be less than size"} // toxiproxy's slicer panics (chaos §4.9)
	}
	return json.Marshal(out)
}

func (p Param) normal(v any) (any, error) {
	switch p.Type {
	case "enum":
		s, ok := v.(string)
		if !ok || !slices.Contains(p.Of, s) {
			return nil, fmt.Errorf("%v is not one of %s", v, strings.Join(p.Of, ", "))
		}
		return s, nil
	case "duration":
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%v is no duration such as \"200ms\"", v)
		}
		d, err := time.ParseDuration(s)
		if err != nil {
			return nil, fmt.Errorf("%q is no duration such as \"200ms\"", s)
		}
		return p.within(int64(d), d)
	default:
		n, err := integer(v)
		if err != nil {
			return nil, err
		}
		return p.within(n, n)
	}
}

func (p Param) within(n int64, shown any) (any, error) {
	if n < p.Min || n > p.Max {
		return nil, fmt.Errorf("%v is outside %s", shown, p.span())
	}
	if p.Step > 0 && n%p.Step != 0 {
		return nil, fmt.Errorf("%v is no multiple of %v", shown, time.Duration(p.Step))
	}
	return n, nil
}

func (p Param) span() string {
	if p.Type == "duration" {
		return fmt.Sprintf("%v to %v", time.Duration(p.Min), time.Duration(p.Max))
	}
	return strings.TrimSpace(fmt.Sprintf("%d to %d %s", p.Min, p.Max, p.Unit))
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
