package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"faultbed/faults"
	"faultbed/reports/history"
)

// checkAfter refuses an event that is none, and one that can't come in this
// scenario.
func (s *Scenario) checkAfter(i int) error {
	f, at := s.Faults[i], faultPath(i)
	if f.After == "" {
		return nil
	}
	a, err := history.ParseAwaited(f.After)
	if err != nil {
		return s.doc.Errorf(at+".after", "%v", err)
	}
	k, _ := faults.Find(f.Fault)
	switch {
	case k.By == faults.Hook:
		return s.doc.Errorf(at+".after", "%s is carried by a request, which is planned: set at", f.Fault)
	case leaves(f.Fault) && s.Out > 0:
		return s.doc.Errorf(at+".after", "with \"out\" clients leave the replica at a planned time: set at")
	case a.Replica >= s.Replicas:
		return s.doc.Errorf(at+".after", "there are %d replicas, counted from 0", s.Replicas)
	}
	if why := s.never(a, i); why != "" {
		return s.doc.Errorf(at+".after", "%q can never come: %s", f.After, why)
	}
	return nil
}

// never says why an event can't come while item i waits for it; nothing if it can.
func (s *Scenario) never(a history.Awaited, i int) string {
	switch e := a.Event(); {
	case a.Fault != "":
		return s.neverFault(a, i)
	case a.Name == "drain-begun" && !s.anyFault(i, a.Replica, mayDrain):
		return "no other fault sends a drain signal" + on(a)
	case a.Name == "exit" && !s.anyFault(i, a.Replica, mayEnd):
		return "no other fault ends a process" + on(a)
	case e.Name == "restart" || e.Name == "ready":
		if !s.anyFault(i, a.Replica, func(f FaultItem) bool { return restarts(f.Fault, f.With) }) {
			return "no other fault restarts a replica" + on(a)
		}
	case a.Class != "":
		return s.neverClass(a)
	}
	return ""
}

func on(a history.Awaited) string {
	if a.Replica < 0 {
		return ""
	}
	return fmt.Sprintf(" on replica %d", a.Replica)
}

// anyFault tells whether a fault other than item i, on a replica (-1: any), is one
// of those.
func (s *Scenario) anyFault(i, replica int, is func(FaultItem) bool) bool {
	for j, f := range s.Faults {
		if j != i && (replica < 0 || f.Replica == replica) && is(f) {
			return true
		}
	}
	return false
}

// mayDrain tells whether a fault sends a signal that may be a subject's drain signal.
func mayDrain(f FaultItem) bool {
	k, _ := faults.Find(f.Fault)
	sig, given := f.With["signal"].(string)
	takes := slices.ContainsFunc(k.Params, func(p faults.Param) bool { return p.Name == "signal" })
	return k.By == faults.Process && takes && (!given || sig != "KILL")
}

// mayEnd tells whether a fault may end a process of the subject.
func mayEnd(f FaultItem) bool {
	family, _, _ := strings.Cut(f.Fault, ".")
	return slices.Contains([]string{"process", "crash", "resource", "inject"}, family) && f.Fault != "process.pause"
}

// neverFault is about an event of another fault of the list, and cycles of them.
func (s *Scenario) neverFault(a history.Awaited, i int) string {
	seen := map[int]bool{i: true}
	for from := a; ; {
		j, ok := s.faultNamed(from.Fault)
		if !ok {
			return fmt.Sprintf("there is no fault %q: want its key \"id\", or its place in the list, 1 to %d", from.Fault, len(s.Faults))
		}
		if seen[j] {
			return "the faults wait for each other"
		}
		seen[j] = true
		next, err := history.ParseAwaited(s.Faults[j].After)
		if err != nil || next.Fault == "" {
			break
		}
		from = next
	}
	j, _ := s.faultNamed(a.Fault)
	f := s.Faults[j]
	switch {
	case a.Nth > max(f.Times, 1):
		return fmt.Sprintf("that fault acts %d times", max(f.Times, 1))
	case a.Name == "fault-lifted" && f.For == 0 && !restarts(f.Fault, f.With):
		return "that fault is not lifted before the end: set its for"
	}
	return ""
}

// neverClass is about an event of requests of a class.
func (s *Scenario) neverClass(a history.Awaited) string {
	sent, size, certain := 0.0, int64(0), true
	for _, l := range s.Load {
		if history.Class(l.Class) != a.Class {
			continue
		}
		sent, size = sent+l.expected(), max(size, l.Size)
		certain = certain && l.Rate == 0
	}
	if a.Class == history.Crash && s.anyFault(-1, -1, func(f FaultItem) bool { return strings.HasPrefix(f.Fault, "crash.") }) {
		sent, certain = 1, false
	}
	up := uploads(a.Class)
	if a.Name == "response-byte" && up {
		size = 64 // the origin's answer to an upload
	}
	switch {
	case sent == 0:
		return fmt.Sprintf("no item of the load has class %s", a.Class)
	case certain && float64(a.Nth) > sent:
		return fmt.Sprintf("the load has %.0f of class %s", sent, a.Class)
	case a.Class.IsHeld() && a.Event().Origin():
		return fmt.Sprintf("class %s is a held connection, it has no body", a.Class)
	case a.Name == "request-byte" && !up && a.Class != history.Tunnel:
		return fmt.Sprintf("requests of class %s have no body", a.Class)
	case a.Byte > size && a.Class != history.Events && a.Class != history.Crash:
		return fmt.Sprintf("the longest body has %d bytes", size)
	}
	return ""
}

// uploads tells whether requests of a class have a body, and short answers.
func uploads(c history.Class) bool {
	return slices.Contains([]history.Class{history.Upload, history.Trailers, history.Expects, history.Writer}, c)
}

// awaits is an item's event as a plan holds it: another fault by its id there.
func (s *Scenario) awaits(f FaultItem) (string, error) {
	if f.After == "" {
		return "", nil
	}
	a, err := history.ParseAwaited(f.After)
	if err != nil {
		return "", err
	}
	if a.Fault != "" {
		i, _ := s.faultNamed(a.Fault) // checkAfter has found it
		a.Fault = fmt.Sprintf("f%d", i+1)
	}
	return a.String(), nil
}

// restarts tells whether a fault starts the subject again.
func restarts(fault string, with map[string]any) bool {
	switch fault {
	case "process.restart", "process.crash-loop":
		return true
	case "process.kill":
		return with["then"] != "nothing"
	}
	return false
}

// leaves tells whether clients that know of a fault choose other replicas meanwhile.
func leaves(fault string) bool { return fault == "process.restart" || fault == "process.kill" }

// waiting is the faults of a trial that wait for an event, and what can still bring
// one: the load and the faults that do not wait.
type waiting struct {
	came   map[string]chan int64 // by fault: when its event happened
	never  chan struct{}         // closed when no more can come
	watch  map[string]*history.Watch
	acting int
}

// newWaiting watches for the events of a plan's faults, from now on.
func newWaiting(p history.Plan) *waiting {
	w := &waiting{came: map[string]chan int64{}, never: make(chan struct{}), watch: map[string]*history.Watch{}, acting: 1}
	for _, f := range p.Faults {
		a, err := history.ParseAwaited(f.After)
		if err != nil { // it waits for none
			w.acting++
			continue
		}
		w.came[f.ID] = make(chan int64, 1)
		w.watch[f.ID] = history.NewWatch(a, p.Promise.Signal)
	}
	return w
}

// awaited are the events that a plan's faults wait for.
func awaited(p history.Plan) (out []history.Awaited) {
	for _, f := range p.Faults {
		if a, err := history.ParseAwaited(f.After); err == nil {
			out = append(out, a)
		}
	}
	return out
}

// see shows events of a ledger to those that wait. The caller holds the trial's lock.
func (w *waiting) see(events []history.Event) {
	for _, e := range events {
		for id, watch := range w.watch {
			if watch.Sees(e) {
				delete(w.watch, id)
				w.acting++ // it acts from now on, and may bring the next one's event
				w.came[id] <- e.T
			}
		}
	}
}

// done says that the load, or a fault that has acted, brings no more events. The
// caller holds the trial's lock.
func (w *waiting) done() {
	if w.acting--; w.acting == 0 {
		close(w.never)
	}
}

// tell appends events to a ledger and shows them to the faults that wait.
func (t *trial) tell(into *history.Ledger, events ...history.Event) error {
	err := into.Append(events...)
	t.waits.Lock()
	defer t.waits.Unlock()
	if t.waiting != nil {
		t.waiting.see(events)
	}
	return err
}

// finished says that the load or a fault that acted has ended.
func (t *trial) finished() {
	t.waits.Lock()
	defer t.waits.Unlock()
	t.waiting.done()
}

// await waits for a fault's instant: false if the run was stopped, or if its event
// did not come. The fault comes back with the instant that it got.
func (t *trial) await(ctx context.Context, f history.Fault) (history.Fault, bool) {
	if f.After != "" {
		select {
		case <-ctx.Done():
			return f, false
		case <-t.waiting.never:
			t.note(history.Event{Kind: history.Note, ID: f.ID, Detail: fmt.Sprintf("fault %s never began: its event, %q, did not come", f.ID, f.After)})
			return f, false
		case came := <-t.waiting.came[f.ID]:
			f.At = max(came+f.Delay, history.Now()) - t.t0
		}
	}
	return f, t.waitUntil(ctx, f.At)
}
