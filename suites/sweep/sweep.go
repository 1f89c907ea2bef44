// Package sweep runs one fault at every instant of a request: first a trial in
// which the relay only looks, to learn the instants that the exchange of this
// subject has on this leg, then one trial with a request, and a fault for it alone,
// at each of them.
//
// Both are plans like any other, so that checks judge them, and report, replay and
// gate work on their run folder; what became of each instant is in the trial's
// sweep (package reports/verdict). It knows HTTP/1, by whose requests a fault can
// be aimed; it chooses no subjects and runs nothing. Start with [Options.Look] and
// [Options.Plan].
package sweep

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"faultbed/faults"
	"faultbed/faults/wire"
	"faultbed/proxy"
	"faultbed/reports/history"
	"faultbed/reports/schema"
	"faultbed/suites/scenario"
)

// Options are what is swept.
type Options struct {
	Fault string         // "wire.rst-at"
	Leg   string         // front or back
	Class string         // of the requests
	Size  int64          // of their bodies, bytes
	With  map[string]any // parameters of the fault, but those of its place
	Seed  uint64

	// First to Last byte of Direction (down or up), counted from the end of the
	// request line, instead of instants; none if Direction is empty.
	Direction   string
	First, Last int64
}

// Bounds of one sweep.
const (
	spacing = 30 * time.Millisecond // from one request to the next
	begin   = 200 * time.Millisecond
	tail    = time.Second            // after the faults, with requests that must go well
	settle  = 500 * time.Millisecond // which their recovery may take
	timeout = 2 * time.Second
	most    = 500 // instants
)

// classes are those of HTTP/1 whose requests the relay can tell apart.
var classes = []string{"short", "fresh", "slow", "upload", "stream", "headers", "trailers"}

// Check refuses what can't be swept; the errors say why.
func (o Options) Check() error {
	k, ok := faults.Find(o.Fault)
	takes := func(name string) bool {
		return slices.ContainsFunc(k.Params, func(p faults.Param) bool { return p.Name == name })
	}
	switch {
	case !ok:
		return fmt.Errorf("no fault %q: faultbed list faults shows all", o.Fault)
	case !takes("when") || !takes("request"):
		return fmt.Errorf("%s has no instant: want a fault with the parameters when and request", o.Fault)
	case !slices.Contains(k.Legs, o.Leg):
		return fmt.Errorf("no leg %q: want front or back", o.Leg)
	case !slices.Contains(classes, o.Class):
		return fmt.Errorf("class %q can't be swept: want one of %s", o.Class, strings.Join(classes, ", "))
	case o.Size < 1 || o.Size > 1<<20:
		return fmt.Errorf("size %d: want 1 to %d", o.Size, 1<<20)
	case o.Direction != "" && o.Direction != wire.Down && o.Direction != wire.Up:
		return fmt.Errorf("no direction %q: want down or up", o.Direction)
	case o.Direction != "" && (o.First < 0 || o.Last < o.First || o.Last-o.First >= most):
		return fmt.Errorf("bytes %d..%d: want at most %d, from 0 on", o.First, o.Last, most)
	}
	for _, place := range []string{"when", "nth", "byte", "frame", "at_byte", "direction", "request", "class", "limit"} {
		if _, given := o.With[place]; given {
			return fmt.Errorf("parameter %s is the sweep's own", place)
		}
	}
	_, err := faults.Validate(o.Fault, o.at(wire.Trigger{When: wire.ResponseEnd, Direction: wire.Down}, "0001-"))
	return err
}

// at are the parameters of the fault at one instant of one request.
func (o Options) at(t wire.Trigger, request string) map[string]any {
	with := maps.Clone(o.With)
	if with == nil {
		with = map[string]any{}
	}
	if t.When == "" {
		with["at_byte"], with["direction"] = t.At, t.Direction
	} else {
		maps.Copy(with, t.With())
	}
	with["request"], with["limit"] = request, 1 // what is tried again passes
	return with
}

// name is the scenario's, without its group.
func (o Options) name() string {
	name := strings.TrimPrefix(o.Fault, "wire.") + "-" + o.Leg + "-" + o.Class
	if o.Direction != "" {
		name += fmt.Sprintf("-%s-%d-%d", o.Direction, o.First, o.Last)
	}
	return name
}

// Look is the plan of the trial that learns the instants; none is needed for a
// sweep over bytes.
func (o Options) Look(spec *proxy.Spec) (history.Plan, error) {
	s := o.scenario("look/"+o.Leg+"-"+o.Class, "The relay looks at one exchange, to learn its instants.", 1)
	s.Faults = []scenario.FaultItem{{Fault: "wire." + wire.Look, Leg: o.Leg, At: schema.Duration(begin / 4), For: s.Duration - schema.Duration(begin/2)}}
	return scenario.Resolve(s, spec, "", o.Seed, 1)
}

// Plan is the plan of the sweep over instants.
func (o Options) Plan(spec *proxy.Spec, instants []wire.Trigger) (history.Plan, error) {
	s := o.scenario("sweep/"+o.name(), fmt.Sprintf("%s on the %s leg at every instant of a request of class %s.", o.Fault, o.Leg, o.Class), len(instants))
	s.Expect = scenario.ExpectYAML{Allow: []string{"4xx", "5xx", "reset", "eof", "truncated", "refused"}, Statuses: []int{502, 503, 504}, Recovery: schema.Duration(settle)}
	s.Load = append(s.Load, scenario.LoadItem{Class: "fresh", Rate: 40, Arrivals: "uniform", Size: 1024, From: s.Duration - schema.Duration(tail-settle), To: s.Duration})
	p, err := scenario.Resolve(s, spec, "", o.Seed, 1) // for the requests' ids
	if err != nil {
		return p, err
	}
	ids := o.ids(p)
	for i, t := range instants {
		id, _, _ := strings.Cut(ids[i], "-")
		s.Faults = append(s.Faults, scenario.FaultItem{Fault: o.Fault, Leg: o.Leg, At: schema.Duration(begin / 4),
			For: s.Duration - schema.Duration(tail+begin/4), With: o.at(t, id+"-")})
	}
	return scenario.Resolve(s, spec, "", o.Seed, 1)
}

// ids are those of the requests that are swept, in order.
func (o Options) ids(p history.Plan) (ids []string) {
	end := p.Duration - int64(tail)
	for _, a := range p.Arrivals {
		if string(a.Class) == o.Class && a.At < end {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// scenario is n requests, evenly spaced.
func (o Options) scenario(name, description string, n int) *scenario.Scenario {
	to := begin + time.Duration(n)*spacing
	l := scenario.LoadItem{Class: o.Class, Burst: 1, Every: schema.Duration(spacing), Size: o.Size, From: schema.Duration(begin), To: schema.Duration(to)}
	if o.Class == "stream" || o.Class == "slow" {
		l.Hold = schema.Duration(2 * spacing)
	}
	return &scenario.Scenario{Name: name, Description: description, Engine: scenario.Timeline, Replicas: 1, Timeout: schema.Duration(timeout),
		Duration: schema.Duration(to + timeout + tail), Load: []scenario.LoadItem{l}}
}

// Bytes are the places of a sweep over bytes.
func (o Options) Bytes() (ts []wire.Trigger) {
	for n := o.First; n <= o.Last; n++ {
		ts = append(ts, wire.Trigger{Direction: o.Direction, At: n})
	}
	return ts
}

// Seen are the instants that a look's trial noted of its exchange, in order: of a
// body its first, middle and last byte, for its pieces are cut anew each time.
func Seen(t *history.Trial) (ts []wire.Trigger) {
	last := map[string]int64{}
	for _, e := range t.Fault {
		i, ok := wire.Noted(e)
		body := i.When == wire.RequestBodyByte || i.When == wire.ResponseBodyByte
		switch {
		case !ok || i.Nth > 1:
		case !body:
			ts = append(ts, i)
		case last[i.When] == 0 && i.Byte == 0:
			ts = append(ts, i)
			fallthrough
		default:
			last[i.When] = max(last[i.When], i.Byte)
		}
	}
	return spread(ts, last)
}

// spread adds the middle and the last byte of each body behind its first.
func spread(ts []wire.Trigger, last map[string]int64) (out []wire.Trigger) {
	for _, t := range ts {
		out = append(out, t)
		if n := last[t.When]; n > 0 && (t.When == wire.RequestBodyByte || t.When == wire.ResponseBodyByte) {
			middle, end := t, t
			middle.Byte, end.Byte = n/2, n
			out = append(out, middle)
			if n > 1 {
				out = append(out, end)
			}
		}
	}
	return out
}
