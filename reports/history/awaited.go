package history

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Awaited is an event of a ledger that a fault waits for, in a scenario's words:
// "drain-begun", "request-begun slow 3", "exit 2 on 1". See [AwaitedEvents].
type Awaited struct {
	Name    string
	Fault   string // fault-begun, fault-lifted: its id in the plan, "f2"
	Class   Class  // of the requests that count
	Byte    int64  // of the body, from 1
	Nth     int    // which occurrence, from 1
	Replica int    // that it is about; -1: any
}

// AwaitedEvent describes one word that a fault may wait for.
type AwaitedEvent struct {
	Name string // "request-begun"
	Form string // what follows the name, for people
	Side string // who records it: client, origin, fault
	Doc  string

	kind                       Kind
	fault, class, byt, replica bool // what has to follow, or may
}

var awaited = []AwaitedEvent{
	{Name: "drain-begun", Form: "[N] [on REPLICA]", Side: "fault", kind: Signal, replica: true, Doc: "the subject's drain signal was sent; each process counts once"},
	{Name: "exit", Form: "[N] [on REPLICA]", Side: "fault", kind: Exit, replica: true, Doc: "the subject's process ended"},
	{Name: "restart", Form: "[N] [on REPLICA]", Side: "fault", kind: Restart, replica: true, Doc: "a replica that had ended is being started again"},
	{Name: "ready", Form: "[N] [on REPLICA]", Side: "fault", kind: Ready, replica: true, Doc: "a replica that was started again answers its readiness probe (before the load it did so once: that is \"at: 0s\")"},
	{Name: "fault-begun", Form: "FAULT [N]", Side: "fault", kind: Inject, fault: true, Doc: "another fault of the list took effect; FAULT is its place in the list, from 1, or its key \"id\""},
	{Name: "fault-lifted", Form: "FAULT [N]", Side: "fault", kind: Lift, fault: true, Doc: "another fault of the list was lifted, or what it restarted is ready again"},
	{Name: "first-request", Side: "client", kind: Begin, Doc: "the load's first request was handed to its sender"},
	{Name: "request-begun", Form: "CLASS [N]", Side: "client", kind: Begin, class: true, Doc: "a request of that class was handed to its sender"},
	{Name: "request-arrived", Form: "CLASS [N]", Side: "origin", kind: Request, class: true, Doc: "the origin has a request's head"},
	{Name: "request-byte", Form: "CLASS BYTE [N]", Side: "origin", kind: Reached, class: true, byt: true, Doc: "the origin has that byte, from 1, of a request's body"},
	{Name: "response-begun", Form: "CLASS [N]", Side: "origin", kind: Reached, class: true, Doc: "the origin has handed the first piece of an answer to its kernel"},
	{Name: "response-byte", Form: "CLASS BYTE [N]", Side: "origin", kind: Reached, class: true, byt: true, Doc: "the origin has handed the piece with that byte, from 1, of an answer's body to its kernel"},
	{Name: "error", Form: "[N]", Side: "client", kind: End, Doc: "a request failed for its client: any outcome but ok, 4xx and a held connection's end; raw requests and those that carry a crash don't count"},
}

// Origin tells whether the origin has to be told to watch for it.
func (e AwaitedEvent) Origin() bool { return e.kind == Reached }

// AwaitedEvents lists what a fault may wait for. N counts occurrences, 1 if it is
// missing.
func AwaitedEvents() []AwaitedEvent { return slices.Clone(awaited) }

func eventNamed(name string) (AwaitedEvent, bool) {
	i := slices.IndexFunc(awaited, func(e AwaitedEvent) bool { return e.Name == name })
	if i < 0 {
		return AwaitedEvent{}, false
	}
	return awaited[i], true
}

// Event is the description of the event that is awaited.
func (a Awaited) Event() AwaitedEvent {
	e, _ := eventNamed(a.Name)
	return e
}

// maxNth bounds which occurrence may be awaited, and a body's byte.
const (
	maxNth  = 1_000_000
	maxByte = 1 << 40
)

// ParseAwaited reads an event in a scenario's words.
func ParseAwaited(s string) (Awaited, error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return Awaited{}, errors.New("no event: want one such as drain-begun")
	}
	e, ok := eventNamed(words[0])
	if !ok {
		return Awaited{}, fmt.Errorf("unknown event %q: want one of %s", words[0], strings.Join(awaitedNames(), ", "))
	}
	a := Awaited{Name: e.Name, Nth: 1, Replica: -1}
	rest, err := a.operands(e, words[1:])
	if err == nil {
		rest, err = a.occurrence(e, rest)
	}
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%q is too much", strings.Join(rest, " "))
	}
	if err != nil {
		return Awaited{}, fmt.Errorf("%w: want %q", err, strings.TrimSpace(e.Name+" "+e.Form))
	}
	return a, nil
}

func awaitedNames() (out []string) {
	for _, e := range awaited {
		out = append(out, e.Name)
	}
	return out
}

// operands takes what has to follow an event's name.
func (a *Awaited) operands(e AwaitedEvent, words []string) ([]string, error) {
	take := func(what string) (w string, err error) {
		if len(words) == 0 {
			return "", fmt.Errorf("%s lacks a %s", e.Name, what)
		}
		w, words = words[0], words[1:]
		return w, nil
	}
	var err error
	if e.fault {
		a.Fault, err = take("fault")
	}
	if e.class {
		var c string
		if c, err = take("class"); err == nil && !slices.Contains(Classes(), Class(c)) {
			err = fmt.Errorf("unknown class %q", c)
		}
		a.Class = Class(c)
	}
	if e.byt && err == nil {
		var w string
		if w, err = take("byte"); err == nil {
			a.Byte, err = number(w, "byte", maxByte)
		}
	}
	return words, err
}

// occurrence takes what may follow: a number, and "on" with a replica.
func (a *Awaited) occurrence(e AwaitedEvent, words []string) ([]string, error) {
	if len(words) > 0 && words[0] != "on" && e.Form != "" {
		n, err := number(words[0], "count", maxNth)
		if err != nil {
			return nil, err
		}
		a.Nth, words = int(n), words[1:]
	}
	if len(words) == 2 && words[0] == "on" && e.replica {
		r, err := strconv.ParseUint(words[1], 10, 8)
		if err != nil {
			return nil, fmt.Errorf("%q is no replica, counted from 0", words[1])
		}
		a.Replica, words = int(r), nil
	}
	return words, nil
}

func number(s, what string, most int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%q is no %s, 1 to %d", s, what, most)
	}
	return n, nil
}

// String is the event's canonical form: [ParseAwaited] reads it back.
func (a Awaited) String() string {
	words := []string{a.Name}
	for _, w := range []string{a.Fault, string(a.Class)} {
		if w != "" {
			words = append(words, w)
		}
	}
	if a.Byte > 0 {
		words = append(words, strconv.FormatInt(a.Byte, 10))
	}
	if a.Nth > 1 {
		words = append(words, strconv.Itoa(a.Nth))
	}
	if a.Replica >= 0 {
		words = append(words, "on", strconv.Itoa(a.Replica))
	}
	return strings.Join(words, " ")
}

// Watch counts occurrences of an awaited event in the events that it is shown. It
// is not safe for concurrent use.
type Watch struct {
	Awaited
	drain string // name of the subject's drain signal
	kind  Kind
	seen  map[string]bool // what counts once: a process's drain, a fault's beginning
	n     int
}

// NewWatch watches for an event; drain is the subject's drain signal, which only
// drain-begun needs.
func NewWatch(a Awaited, drain string) *Watch {
	return &Watch{Awaited: a, drain: drain, kind: a.Event().kind, seen: map[string]bool{}}
}

// Sees tells whether e is the occurrence that is awaited: of all events once.
func (w *Watch) Sees(e Event) bool {
	if e.Kind != w.kind && !(w.Name == "fault-begun" && e.Kind == Signal) || !w.fits(e) {
		return false
	}
	w.n++
	return w.n == w.Nth
}

// fits tells whether an event of the right kind counts.
func (w *Watch) fits(e Event) bool {
	switch w.Name {
	case "drain-begun":
		if e.Signal != w.drain || !w.on(e) {
			return false
		}
		return w.once(e.Node + " " + strconv.Itoa(e.PID))
	case "exit", "restart", "ready":
		return w.on(e)
	case "fault-begun", "fault-lifted":
		return (e.ID == w.Fault || strings.HasPrefix(e.ID, w.Fault+".")) && w.once(e.ID)
	case "first-request":
		return e.Class != Control
	case "error":
		return failed(e)
	}
	if w.kind == Reached {
		return e.Detail == w.of()
	}
	return e.Class == w.Class
}

func (w *Watch) once(key string) bool {
	first := !w.seen[key]
	w.seen[key] = true
	return first
}

// on tells whether the event is about the replica that is meant.
func (w *Watch) on(e Event) bool {
	return w.Replica < 0 || e.Node == "subject-"+strconv.Itoa(w.Replica)
}

// of is the awaited event without its count: how a [Reached] event names it.
func (a Awaited) of() string {
	a.Nth = 1
	return a.String()
}

// Reached is the event by which the origin says that a request has come where
// somebody waits for it.
func (a Awaited) Reached() Event {
	return Event{Kind: Reached, Class: a.Class, Offset: a.Byte, Detail: a.of()}
}

// failed tells whether the end of an arrival is a failure that its client felt.
func failed(e Event) bool {
	return e.Class != Control && e.Class != Crash && e.Class != Raw && !e.Class.IsHeld() &&
		!slices.Contains([]Outcome{OK, Status4xx, Aborted}, e.Outcome)
}
