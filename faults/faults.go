// Package faults is the catalogue of what faultbed can do to a bed: each fault
// in one sentence, with its parameters, units and ranges, and where it acts.
//
// It does not act itself: faults/toxic speaks to toxiproxy, faults/wire is our
// own relay, signals go through the subject's driver, and the rooms of
// faults/room act on the machine under the subject. What it does is refuse a bad
// parameter before anything starts, which matters most for toxiproxy, whose
// process a bad attribute kills.
//
// Start with [Catalogue], [Validate] and [Room].
package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"faultbed/faults/clock"
	"faultbed/faults/dns"
	"faultbed/faults/http"
	"faultbed/faults/inject"
	"faultbed/faults/packet"
	"faultbed/faults/param"
	"faultbed/faults/process"
	"faultbed/faults/resource"
	"faultbed/faults/room"
	"faultbed/faults/wire"
)

// By is who carries a fault out.
type By string

// The injectors.
const (
	Toxiproxy By = "toxiproxy" // bytes of a leg, through Shopify/toxiproxy v2.12.0
	Wire      By = "wire"      // connections of a leg, through our own relay
	Origin    By = "origin"    // the origin itself
	Attacker  By = "attacker"  // abusive clients, from a node of their own
	Process   By = "process"   // the subject's process
	Hook      By = "hook"      // a crash hook that the subject's YAML declares
	Host      By = "host"      // faultbed itself, on the machine under the subject
)

// rooms are the faults on the machine under the subject, by family.
var rooms = map[string][]room.Kind{
	"process": process.Kinds(), "resource": resource.Kinds(), "packet": packet.Kinds(), "inject": inject.Kinds(),
	"time": clock.Kinds(), "dns": dns.Kinds(),
}

// Room is the fault of that name if a room has it.
func Room(name string) (room.Kind, bool) {
	family, own, _ := strings.Cut(name, ".")
	i := slices.IndexFunc(rooms[family], func(k room.Kind) bool { return k.Name == own })
	if i < 0 {
		return room.Kind{}, false
	}
	return rooms[family][i], true
}

// Cleaners are the rooms whose marks can outlive a killed run.
func Cleaners() []room.Cleaner { return []room.Cleaner{resource.Cleaner} }

// Kind is one fault of the catalogue.
type Kind struct {
	Name     string   `json:"name"`
	Sentence string   `json:"sentence"`
	By       By       `json:"by"`
	Legs     []string `json:"legs,omitempty"` // front, back
	Params   []Param  `json:"params,omitempty"`
	Lifts    bool     `json:"lifts"`              // it has an end; otherwise it is an instant
	Needs    string   `json:"needs,omitempty"`    // capability that the subject must declare
	Host     string   `json:"host,omitempty"`     // what the host must have beyond a bed
	Runtimes []string `json:"runtimes,omitempty"` // where it can run; empty: in both
	Touches  string   `json:"touches"`            // unit of its bites
	Bites    string   `json:"bites,omitempty"`    // what counts as one
}

// Param is one parameter of a fault.
type Param = param.Param

var (
	over    = Param{Name: "over", Type: "enum", Of: []string{"pooled", "new", "lane", "h2"}, Default: "pooled", Doc: "the request's connection: an idle one of the pool if there is one, a new one, that of the load's first lane (connections), or the shared one of HTTP/2"}
	both    = []string{"front", "back"}
	back    = []string{"back"}
	towards = Param{Name: "direction", Type: "enum", Of: []string{"down", "up", "both"}, Default: "down", Doc: "down: server to client; up: client to server"}
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
	kinds := []Kind{
		{Name: "toxic.latency", Sentence: "delays the bytes of the back leg, with uniform jitter", By: Toxiproxy, Legs: back, Lifts: true, Touches: "requests",
			Params: []Param{stepped(time.Millisecond, "latency", nil, "added one way"), stepped(time.Millisecond, "jitter", int64(0), "half width"), towards}},
		{Name: "toxic.bandwidth", Sentence: "limits each connection of the back leg to a rate", By: Toxiproxy, Legs: back, Lifts: true, Touches: "requests",
			Params: []Param{{Name: "rate", Type: "int", Unit: "kB/s (1 kB = 1000 B)", Min: 1, Max: 1 << 20, Doc: "per connection and direction"}, towards}},
		{Name: "toxic.slicer", Sentence: "hands the bytes of the back leg on in small slices with pauses between", By: Toxiproxy, Legs: back, Lifts: true, Touches: "requests",
			Params: []Param{{Name: "size", Type: "int", Unit: "bytes", Min: 16, Max: 1 << 20, Doc: "average slice"},
				{Name: "variation", Type: "int", Unit: "bytes", Min: 0, Max: 1 << 20, Default: int64(0), Doc: "less than size"},
				stepped(time.Microsecond, "delay", int64(time.Millisecond), "pause between slices"), towards}},
		{Name: "toxic.limit", Sentence: "ends each connection of the back leg after so many bytes of a direction", By: Toxiproxy, Legs: back, Lifts: true, Touches: "connections",
			Bites: "a connection that was ended so", Params: []Param{{Name: "bytes", Type: "int", Unit: "bytes", Min: 1, Max: 1 << 40, Doc: "of the direction that pass, counted from the injection"}, towards}},
		{Name: "toxic.slow-close", Sentence: "holds back the end of a direction of the back leg", By: Toxiproxy, Legs: back, Lifts: true, Touches: "connections",
			Bites: "a connection that was closed late", Params: []Param{duration("delay", nil, "how long the end is held back"), towards}},
		{Name: "toxic.down", Sentence: "takes toxiproxy's listener and connections away, then brings it back", By: Toxiproxy, Legs: back, Lifts: true, Touches: "requests"},
		{Name: "origin.down", Sentence: "closes the origin's listener and connections, then listens again", By: Origin, Legs: back, Lifts: true, Touches: "requests"},
		{Name: "process.signal", Sentence: "sends one signal to the subject's own process", By: Process, Touches: "signals", Params: []Param{signalParam}},
		{Name: "process.storm", Sentence: "sends the same signal many times", By: Process, Touches: "signals",
			Params: []Param{signalParam, {Name: "times", Type: "int", Min: 2, Max: 1000, Default: int64(20), Doc: "signals in all"}, duration("spacing", int64(100*time.Millisecond), "from one signal to the next")}},
		{Name: "process.restart", Sentence: "drains a replica with its signal and starts it again when it is gone", By: Process, Touches: "signals",
			Params: []Param{signalParam, {Name: "times", Type: "int", Min: 1, Max: 1000, Default: int64(1), Doc: "signals in all, before the one restart"}, duration("spacing", int64(100*time.Millisecond), "from one signal to the next")}},
		{Name: "process.escalate", Sentence: "sends a signal, and a stronger one each time the process is still there after a while", By: Process, Touches: "signals",
			Params: []Param{signalParam, stronger("second", "KILL", "the next one"), stronger("third", "none", "the one after that"), duration("grace", int64(time.Second), "from one signal to the next")}},
		{Name: "process.kill", Sentence: "kills a replica with all its processes at once (SIGKILL) and starts it again after a while, or not", By: Process, Touches: "processes",
			Bites:  "one process of a replica whose death by SIGKILL was seen",
			Params: []Param{{Name: "then", Type: "enum", Of: []string{"restart", "nothing"}, Default: "restart", Doc: "whether it is started again"}, duration("down", int64(0), "from its death to the next start")}},
		{Name: "process.crash-loop", Sentence: "kills a replica again and again, each time started again after a back-off that doubles", By: Process, Touches: "processes",
			Bites: "one process of a replica whose death by SIGKILL was seen",
			Params: []Param{{Name: "times", Type: "int", Min: 2, Max: 1000, Default: int64(3), Doc: "deaths in all"}, duration("backoff", int64(0), "from the first death to the next start; 0: at once, always"),
				duration("most", maxTime, "what the back-off grows to"), duration("up", int64(0), "from ready to the next death")}},
		crash("panic", "a handler panics before it answers", "go", over),
		crash("panic-after-flush", "a handler panics after the head and the first bytes were flushed", "go"),
		crash("nil-map", "a handler writes to a nil map", "go"),
		crash("waitgroup", "a handler makes a WaitGroup's counter negative", "go"),
		crash("abort", "a handler panics with http.ErrAbortHandler, which net/http does not log", "go"),
		crash("panic-locked", "a handler panics while it holds a mutex, and leaves it locked", "go"),
		crash("lock", "a handler takes the mutex of crash.panic-locked and forwards the request", "go"),
		crash("goroutine-panic", "a goroutine that a handler started panics", "go"),
		crash("after-panic", "the request is served, and then a function panics that waits for its context's end (context.AfterFunc)", "go"),
		crash("recovered-panic", "a goroutine that a handler started panics and recovers itself", "go"),
		crash("map-writes", "handlers write one map at the same time until the runtime ends the process", "go"),
		crash("unlock", "a handler unlocks an unlocked mutex", "go"),
		crash("threads", "a handler has more goroutines that keep a thread each than the runtime's limit (lowered to 40)", "go"),
		crash("stack-overflow", "a handler recurses without end, up to the stack's limit (lowered to 16 MiB)", "go"),
		crash("heap", "a handler takes memory until a limit stops it: the container's, or 128 MiB of address space more than there was", "go"),
		crash("os-exit", "a handler ends the process with code 3 (os.Exit)", "go"),
		crash("spin", "a handler keeps one CPU busy and then forwards the request", "go", duration("seconds", int64(time.Second), "how long")),
		crash("exception", "a handler raises", "python"),
		crash("recursion-error", "a handler recurses until the interpreter raises RecursionError", "python"),
		crash("stop-iteration", "a handler raises StopIteration, which a coroutine may not", "python"),
		crash("cancelled", "a handler raises CancelledError, as if it had been cancelled", "python"),
		crash("base-exception", "a handler raises a BaseException that is no Exception", "python", over),
		crash("task-exception", "a background task raises", "python"),
		crash("del-exception", "an object's __del__ raises", "python"),
		crash("thread-exception", "a thread raises", "python"),
		crash("system-exit", "a handler raises SystemExit(3)", "python"),
		crash("task-system-exit", "a background task raises SystemExit(3)", "python"),
		crash("keyboard-interrupt", "a handler raises KeyboardInterrupt", "python"),
		crash("segfault", "C code reads address 0", "python"),
		crash("exit", "the interpreter ends at once (os._exit)", "python"),
		crash("block-loop", "a handler blocks the event loop", "python", duration("seconds", int64(time.Second), "how long")),
		crash("busy-thread", "a thread keeps the interpreter busy, and then the request is forwarded", "python", duration("seconds", int64(time.Second), "how long")),
		crash("recursion-unlimited", "a handler recurses with the limit raised, down 200,000 calls and up again and again", "python", duration("seconds", int64(time.Second), "how long")),
		crash("memory", "a handler takes memory until a limit stops it: the container's, or 64 MiB of address space more than there was", "python"),
	}
	for _, k := range wire.Kinds() {
		kinds = append(kinds, wired(k))
	}
	for _, k := range http.Kinds() {
		kinds = append(kinds, Kind{Name: "http." + k.Name, Sentence: k.Sentence, By: Attacker, Legs: []string{"front"}, Touches: k.Touches, Bites: k.Bites, Params: k.Params, Lifts: true})
	}
	for family, ks := range rooms {
		for _, k := range ks {
			kinds = append(kinds, Kind{Name: family + "." + k.Name, Sentence: k.Sentence, By: Host, Touches: k.Touches, Bites: k.Bites,
				Host: k.Host, Needs: k.Subject, Runtimes: k.Runtimes, Params: k.Params, Lifts: k.Lifts})
		}
	}
	slices.SortFunc(kinds, func(a, b Kind) int { return strings.Compare(a.Name, b.Name) })
	return kinds
}

// wired is a kind of our own relay, which describes itself.
func wired(k wire.Kind) Kind {
	return Kind{Name: "wire." + k.Name, Sentence: k.Sentence, By: Wire, Legs: both, Touches: "connections", Lifts: true,
		Params: k.Params, Host: k.Needs, Bites: k.Bites}
}

// signalParam names a signal; "drain" is the one that the subject's YAML declares.
var signalParam = Param{Name: "signal", Type: "enum", Of: []string{"drain", "TERM", "INT", "QUIT", "HUP", "KILL", "USR1", "USR2", "SEGV"}, Default: "drain", Doc: "drain: the subject's own drain signal"}

// stronger is a signal that may follow another.
func stronger(name, def, doc string) Param {
	return Param{Name: name, Type: "enum", Of: []string{"none", "TERM", "INT", "QUIT", "KILL"}, Default: def, Doc: doc}
}

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
	out, err := k.complete(with)
	if err == nil {
		err = k.checkAll(with, out)
	}
	var pe *param.Error
	if errors.As(err, &pe) {
		return nil, &ParamError{name, pe.Param, pe.Problem}
	}
	if err != nil {
		return nil, &ParamError{name, "with", err.Error()}
	}
	return json.Marshal(out)
}

// complete has every parameter in its normal form.
func (k Kind) complete(with map[string]any) (map[string]any, error) {
	out := map[string]any{}
	given := func(name string) bool { v, ok := with[name]; return ok && v != "any" }
	for _, p := range k.Params {
		v, ok := with[p.Name]
		n, err := p.Normal(v)
		if !ok {
			if n, err = p.Absent(given); err != nil {
				return nil, err
			}
		}
		if err != nil {
			return nil, param.Errorf(p.Name, "%v", err)
		}
		out[p.Name] = n
	}
	return out, nil
}

// choosers are the parameters by which wire faults choose what they touch.
var choosers = []string{"match", "class", "request", "every", "limit", "chance"}

// checkAll refuses what no single parameter shows.
func (k Kind) checkAll(with, out map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(with)) {
		if _, ok := out[key]; !ok {
			if k.By != Wire && slices.Contains(choosers, key) {
				return param.Errorf(key, "only wire faults choose connections or requests")
			}
			return param.Errorf(key, "no such parameter")
		}
	}
	if v, ok := out["variation"].(int64); ok && v >= out["size"].(int64) {
		return param.Errorf("variation", "must be less than size") // toxiproxy's slicer panics (chaos §4.9)
	}
	if r, ok := Room(k.Name); ok && r.Check != nil {
		raw, err := json.Marshal(out)
		if err != nil {
			return err
		}
		return r.Check(raw)
	}
	if k.By != Wire {
		return nil
	}
	f, err := WireFault("", k.Name, out)
	if err != nil {
		return err
	}
	return wire.Check(f)
}

// WireFault is a fault of our own relay in the relay's form, whose parameters
// have the catalogue's names. with is what [Validate] gives, or marshals so.
func WireFault(id, name string, with any) (wire.Fault, error) {
	var f wire.Fault
	raw, err := json.Marshal(with)
	if err == nil {
		err = json.Unmarshal(raw, &f)
	}
	f.ID, f.Kind = id, strings.TrimPrefix(name, "wire.")
	return f, err
}

// NeedsTLS tells whether a fault is done to the subject's listener with TLS.
func NeedsTLS(name string) bool {
	own, ok := strings.CutPrefix(name, "http.")
	k, _ := http.Find(own)
	return ok && k.HTTP2
}

// Probe is an error that says why a fault can't run on this host, or nil. Where
// the injector is a container's, that decides.
func Probe(name string) error {
	if r, ok := Room(name); ok {
		if r.Probe == nil {
			return nil
		}
		return r.Probe()
	}
	kinds := wire.Kinds()
	i := slices.IndexFunc(kinds, func(k wire.Kind) bool { return "wire."+k.Name == name })
	if i < 0 {
		return nil
	}
	return kinds[i].Probe()
}

// Beyond is an error if a fault waits for a byte that no body of the load has.
// with is what [Validate] gave; request and response are the lengths of the
// longest bodies, in bytes.
func Beyond(name string, with json.RawMessage, request, response int64) error {
	if !strings.HasPrefix(name, "wire.") {
		return nil
	}
	f, err := WireFault("", name, with)
	if err == nil {
		err = wire.Beyond(f, request, response)
	}
	var pe *param.Error
	if errors.As(err, &pe) {
		return &ParamError{name, pe.Param, pe.Problem}
	}
	return err
}

// Exclude is an error if two faults, acting on one leg of one replica at the same
// time, can't both bite. with is what [Validate] gave for each.
func Exclude(a string, withA json.RawMessage, b string, withB json.RawMessage) error {
	if k, ok := Room(a); ok && k.Alone && a == b {
		return fmt.Errorf("two %s can't act on one replica at the same time", a)
	}
	if !strings.HasPrefix(a, "wire.") || !strings.HasPrefix(b, "wire.") {
		return nil
	}
	fa, err := WireFault("a", a, withA)
	fb, err2 := WireFault("b", b, withB)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	return wire.Exclude(fa, fb)
}
