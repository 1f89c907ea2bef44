package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"faultbed/reports/history"
)

// View is a trial's history arranged for checks: joined by request and with the
// realised windows of its faults.
type View struct {
	*history.Trial
	Exchanges []*Exchange // one per arrival that was begun, in planned order
	Windows   []Window
	Signals   []history.Event
	Exits     []history.Event // of the subject, in order
	Killed    []history.Event
	Strays    []history.Event // begins and ends of the client ledger that fit no exchange: a second one of an id, an end of what never began
	byID      map[string]*Exchange
	proofs    int // evidence given since the check at hand began
	memory
}

// memory is what a view uses most of, kept for the next one.
type memory struct {
	all     []Exchange
	planned map[string]int
	of      []*Exchange
	apart   []history.Event
}

// Exchange is one arrival seen from both sides.
type Exchange struct {
	outcome history.Outcome // of End: here, beside the class, since every check looks at both
	End     *history.Event  // nil if the run was killed before
	Arrival history.Arrival
	Origin  []history.Event // requests, uploads and responses with this id; it may share memory with the ledger
	Begin   history.Event

	first, last, seen int // where in the origin ledger they are, and how many
}

// Window is a fault's realised time. To is the trial's end if it was not lifted.
type Window struct {
	Fault    history.Fault
	From, To int64 // absolute; From is 0 if it never took effect
	Lifted   bool  // its end was seen
}

// New arranges a trial. Ledgers are sorted by time.
func New(t *history.Trial) *View { return new(View).Again(t) }

// Again arranges another trial, in the memory of a view that nobody needs any
// more, nor its exchanges.
func (v *View) Again(t *history.Trial) *View {
	n := len(t.Plan.Arrivals)
	if v.byID == nil {
		v.byID, v.planned = make(map[string]*Exchange, n), make(map[string]int, n)
	}
	clear(v.byID)
	clear(v.planned)
	*v = View{Trial: t, byID: v.byID, memory: v.memory, Exchanges: v.Exchanges[:0]}
	v.begun()
	v.ended()
	v.seen()
	v.faults()
	return v
}

// begun makes the exchanges. They lie side by side, for there may be a hundred
// thousand.
func (v *View) begun() {
	for i := range v.Plan.Arrivals {
		v.planned[v.Plan.Arrivals[i].ID] = i
	}
	n := 0
	for i := range v.Client {
		if v.Client[i].Kind == history.Begin {
			n++
		}
	}
	v.all = slices.Grow(v.all[:0], n) // and never more: they are pointed to
	v.Exchanges = slices.Grow(v.Exchanges, n)
	for i := range v.Client {
		e := &v.Client[i]
		if e.Kind != history.Begin {
			continue
		}
		if e.ID != "" && v.byID[e.ID] != nil {
			v.Strays = append(v.Strays, *e)
			continue
		}
		x := Exchange{Arrival: history.Arrival{ID: e.ID, Class: e.Class, At: v.Rel(e.Planned)}, Begin: *e}
		if at, ok := v.planned[e.ID]; ok { // the tls engines make their requests as they go
			x.Arrival = v.Plan.Arrivals[at]
		}
		v.all = append(v.all, x)
		own := &v.all[len(v.all)-1]
		v.byID[e.ID], v.Exchanges = own, append(v.Exchanges, own)
	}
	slices.SortStableFunc(v.Exchanges, func(a, b *Exchange) int { return cmp.Compare(a.Begin.Planned, b.Begin.Planned) })
}

// ended joins the ends, of which the last of an id counts.
func (v *View) ended() {
	for i := range v.Client {
		e := &v.Client[i]
		if e.Kind != history.End {
			continue
		}
		x := v.byID[e.ID]
		if e.ID != "" && (x == nil || x.End != nil) {
			v.Strays = append(v.Strays, *e)
		}
		if x != nil {
			x.End, x.outcome = e, e.Outcome
		}
	}
}

// seen joins what the origin saw. Of most requests it saw all at once: then the
// exchange has that stretch of the ledger, and else a copy.
func (v *View) seen() {
	of := slices.Grow(v.of[:0], len(v.Origin))[:len(v.Origin)]
	clear(of)
	v.of = of
	for i := range v.Origin {
		id := v.Origin[i].ID
		x := v.byID[base(id)]
		if x == nil || id == "" {
			continue
		}
		if of[i] = x; x.seen == 0 {
			x.first = i
		}
		x.seen, x.last = x.seen+1, i
	}
	apart := 0
	for _, x := range v.Exchanges {
		if x.seen > 0 && x.last-x.first+1 == x.seen {
			x.Origin = v.Origin[x.first : x.last+1 : x.last+1]
		} else {
			apart += x.seen
		}
	}
	v.apart = slices.Grow(v.apart[:0], apart)[:apart]
	room := v.apart
	for i, x := range of {
		if x == nil || x.last-x.first+1 == x.seen {
			continue
		}
		if x.Origin == nil {
			x.Origin, room = room[:0:x.seen], room[x.seen:]
		}
		x.Origin = append(x.Origin, v.Origin[i])
	}
}

// base is the arrival's id: one that makes several requests adds ".1" and so on.
func base(id string) string {
	b, _, _ := strings.Cut(id, ".")
	return b
}

func (v *View) faults() {
	at, gone := map[string]*Window{}, map[string]bool{}
	for _, f := range v.Plan.Faults {
		v.Windows = append(v.Windows, Window{Fault: f})
	}
	for i := range v.Windows {
		at[v.Windows[i].Fault.ID] = &v.Windows[i]
	}
	for _, e := range v.Fault {
		w := at[e.ID]
		switch e.Kind {
		case history.Signal:
			v.Signals = append(v.Signals, e)
			if w != nil && w.From == 0 {
				w.From = e.T
			}
		case history.Start:
			gone[e.Node] = false
		case history.Exit:
			gone[e.Node] = true
			v.Exits = append(v.Exits, e)
		case history.Killed:
			if !gone[e.Node] { // else it was gone, and the engine late to say so
				v.Killed = append(v.Killed, e)
			}
		case history.Inject:
			if w != nil && w.From == 0 {
				w.From = e.T
			}
		case history.Lift:
			if w != nil {
				w.To, w.Lifted = e.T+e.AgeNs, true // the lift's call had returned by then
			}
		}
	}
	for i := range v.Windows {
		v.close(&v.Windows[i])
	}
}

// close ends the windows of faults that have no lift: a crash lasts as long as
// its request, a restart until the replica is ready again, others until the
// trial's end; what a signal has ended is away.
func (v *View) close(w *Window) {
	if w.To != 0 {
		return
	}
	w.To = v.EndT()
	if back, ok := v.ReadyAfter(w.Fault, w.From); ok {
		w.To = back
		return
	}
	if w.Fault.For == 0 {
		if x := v.CrashOf(w.Fault); x != nil && x.End != nil {
			w.From = x.Begin.T
			if !v.Plan.Expect.Dies {
				w.To = x.End.T
			}
		}
	}
}

// ReadyAfter is when a restarted replica was ready again.
func (v *View) ReadyAfter(f history.Fault, from int64) (int64, bool) {
	node := fmt.Sprintf("subject-%d", f.Replica)
	for _, e := range v.Fault {
		if f.Kind == "process.restart" && from != 0 && e.Kind == history.Ready && e.Node == node && e.T > from {
			return e.T, true
		}
	}
	return 0, false
}

// CrashOf is the request that carries a crash; nil if it was not sent.
func (v *View) CrashOf(f history.Fault) *Exchange {
	for _, x := range v.Exchanges {
		if x.Arrival.Class == history.Crash && "crash."+x.Arrival.Hook == f.Kind && x.Arrival.At == f.At {
			return x
		}
	}
	return nil
}

// EndT is the last instant of the trial that any ledger knows.
func (v *View) EndT() int64 {
	end := v.Info.T0 + v.Plan.Duration
	for _, es := range [][]history.Event{v.Client, v.Origin, v.Fault} {
		if len(es) > 0 {
			end = max(end, es[len(es)-1].T)
		}
	}
	return end
}

// Rel is an instant from T0.
func (v *View) Rel(t int64) int64 { return t - v.Info.T0 }

// Span is from an exchange's planned instant to its end (or the trial's).
func (v *View) Span(x *Exchange) (from, to int64) {
	if x.End == nil {
		return x.Begin.Planned, v.EndT()
	}
	return x.Begin.Planned, x.End.T
}

// Overlaps tells whether an exchange was under way while a fault acted, or
// within the recovery time that the scenario grants after it.
func (v *View) Overlaps(x *Exchange) bool {
	from, to := v.Span(x)
	for _, w := range v.Windows {
		if w.From != 0 && to >= w.From && from <= w.To+v.Plan.Expect.Recovery {
			return true
		}
	}
	return false
}

// OriginAway tells whether a request was under way while a fault that waited for an
// event had taken the origin away.
func (v *View) OriginAway(x *Exchange) bool {
	from, to := v.Span(x)
	return slices.ContainsFunc(v.Windows, func(w Window) bool {
		return w.Fault.Kind == "origin.down" && w.Fault.After != "" && w.From != 0 && to >= w.From && from <= w.To
	})
}

// Epoch is before, during or after the faults.
func (v *View) Epoch(x *Exchange) string {
	from, to := v.Span(x)
	first, last := int64(0), int64(0)
	for _, w := range v.Windows {
		if w.From != 0 && (first == 0 || w.From < first) {
			first = w.From
		}
		if w.From != 0 {
			last = max(last, w.To)
		}
	}
	switch {
	case first == 0 || to < first:
		return "before"
	case from > last:
		return "after"
	}
	return "during"
}

// IsRequest tells whether the exchange is a request through the subject that
// should succeed: no held connection, not the control arm, not the request that
// carries a crash or whose answer the origin was told to break, no raw bytes.
func (x *Exchange) IsRequest() bool {
	c := x.Arrival.Class
	return !c.IsHeld() && c != history.Control && c != history.Crash && c != history.Raw && !Breaks(x.Arrival)
}

// Outcome is what became of it; aborted if no end was recorded.
func (x *Exchange) Outcome() history.Outcome {
	if x.End == nil {
		return history.Aborted
	}
	return x.outcome
}

// InFlight lists what had begun and not ended at an instant, control and crash
// excepted.
func (v *View) InFlight(at int64) []*Exchange {
	var out []*Exchange
	for _, x := range v.Exchanges {
		_, to := v.Span(x)
		c := x.Arrival.Class
		if x.Begin.T < at && to >= at && c != history.Control && c != history.Crash {
			out = append(out, x)
		}
	}
	return out
}

// Never tells whether the fault waited for an event that did not come: it did not
// act at all.
func (w Window) Never() bool { return w.From == 0 && w.Fault.After != "" }

// DrainSignal is the first signal, if the subject was told to drain or killed.
func (v *View) DrainSignal() (history.Event, bool) {
	drains := v.Drains()
	if len(drains) == 0 {
		return history.Event{}, false
	}
	return drains[0], true
}

// Drains is the first signal to each node, if the subjects were told to drain or
// killed. Where they should drain, SIGKILL is no drain signal, and one to a process
// that a fault had stopped counts from when it continues: nobody can act on it before.
func (v *View) Drains() (out []history.Event) {
	ex := v.Plan.Expect
	for _, s := range v.Signals {
		known := slices.ContainsFunc(out, func(e history.Event) bool { return e.Node == s.Node })
		if !known && (ex.Drain && s.Signal != "KILL" || ex.Killed) {
			s.T = v.thawed(s)
			out = append(out, s)
		}
	}
	return out
}

// thawed is when a signal's process could act on it: SIGKILL at once.
func (v *View) thawed(s history.Event) int64 {
	for _, w := range v.Windows {
		paused := w.Fault.Kind == "process.pause" && w.From != 0 && fmt.Sprintf("subject-%d", w.Fault.Replica) == s.Node
		if paused && s.Signal != "KILL" && s.T >= w.From && s.T < w.To {
			return w.To
		}
	}
	return s.T
}

// KilledAfter is when the bed killed the node at or after an instant, because
// it outlived its limit.
func (v *View) KilledAfter(node string, t int64) (history.Event, bool) {
	i := slices.IndexFunc(v.Killed, func(e history.Event) bool { return e.Node == node && e.T >= t })
	if i < 0 {
		return history.Event{}, false
	}
	return v.Killed[i], true
}

// CutAfter is when a fault killed a node that had been told to drain at an instant,
// before it was gone by itself.
func (v *View) CutAfter(node string, t int64) (history.Event, bool) {
	x, gone := v.ExitAfter(node, t)
	for _, s := range v.Signals {
		if s.Node == node && s.Signal == "KILL" && s.T > t && (!gone || s.T <= x.T && x.Signal == "KILL") {
			return s, true
		}
	}
	return history.Event{}, false
}

// Frozen is for how long, in ns, a fault had stopped a node between two instants.
func (v *View) Frozen(node string, from, to int64) (ns int64) {
	for _, w := range v.Windows {
		if w.Fault.Kind == "process.pause" && w.From != 0 && fmt.Sprintf("subject-%d", w.Fault.Replica) == node {
			ns += max(0, min(w.To, to)-max(w.From, from))
		}
	}
	return ns
}

// ExitAfter is the first exit of the node at or after an instant.
func (v *View) ExitAfter(node string, t int64) (history.Event, bool) {
	for _, e := range v.Exits {
		if e.Node == node && e.T >= t {
			return e, true
		}
	}
	return history.Event{}, false
}

// maxProofs is how many violations of one check come with evidence: more than any
// report shows, and of a hundred thousand it would be half a gigabyte.
const maxProofs = 100

// evidence is an exchange's two-sided timeline with the faults and signals
// that fall into it.
func (v *View) evidence(x *Exchange) []history.Event {
	if v.proofs++; v.proofs > maxProofs {
		return nil
	}
	out := []history.Event{x.Begin}
	from, to := v.Span(x)
	out = append(out, x.Origin...)
	for _, e := range v.Fault {
		near := e.T >= from-int64(200e6) && e.T <= to+int64(50e6)
		if near && e.Kind != history.ConnOpen && e.Kind != history.ConnClose && e.Kind != history.Usage && e.Kind != history.Spent {
			out = append(out, e)
		}
	}
	if x.End != nil {
		out = append(out, *x.End)
	}
	slices.SortStableFunc(out, func(a, b history.Event) int { return cmp.Compare(a.T, b.T) })
	return out[:min(len(out), 14)]
}
