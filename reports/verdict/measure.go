package verdict

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"faultbed/reports/check"
	"faultbed/reports/history"
	"faultbed/reports/stats"
)

// bites is each planned fault with the proof that it took effect.
func bites(v *check.View) []FaultBite {
	var out []FaultBite
	for _, w := range v.Windows {
		b := FaultBite{ID: w.Fault.ID, Kind: w.Fault.Kind, Leg: w.Fault.Leg, At: w.Fault.At, After: w.Fault.After}
		if w.From != 0 {
			b.Real, b.End = v.Rel(w.From), v.Rel(ended(v, w))
			b.Bites, b.Touched = bite(v, w)
		}
		out = append(out, b)
	}
	return append(out, scripts(v)...)
}

// scripts is what the origin was told to do with single requests, each sort as a
// fault of its own: it bit those that reached the origin.
func scripts(v *check.View) (out []FaultBite) {
	at := map[string]int{}
	for _, x := range v.Exchanges {
		if !check.Breaks(x.Arrival) {
			continue
		}
		i, known := at[x.Arrival.Script]
		if !known {
			i = len(out)
			at[x.Arrival.Script], out = i, append(out, FaultBite{ID: "s" + strconv.Itoa(i+1), Kind: "script." + x.Arrival.Script, At: x.Arrival.At, Touched: "requests"})
		}
		for _, e := range x.Origin {
			if e.Kind != history.Request {
				continue
			}
			b := &out[i]
			b.Bites, b.End = b.Bites+1, v.Rel(e.T)
			if b.Real == 0 {
				b.Real = b.End
			}
		}
	}
	return out
}

// ended is when a fault's effect was over: a process that was ended by a signal
// is gone, or ready again. It is for reading; checks excuse what a [check.Window]
// says.
func ended(v *check.View, w check.Window) int64 {
	node := fmt.Sprintf("subject-%d", w.Fault.Replica)
	x, gone := v.ExitAfter(node, w.From)
	if !strings.HasPrefix(w.Fault.Kind, "process.") || w.Fault.For != 0 || w.Lifted || !gone {
		return w.To
	}
	for _, e := range v.Fault {
		if e.Kind == history.Ready && e.Node == node && e.T >= x.T {
			return e.T
		}
	}
	return x.T
}

// bite counts what a fault touched, from the ledgers of both sides.
func bite(v *check.View, w check.Window) (int64, string) {
	family, _, _ := strings.Cut(w.Fault.Kind, ".")
	switch family {
	case "wire":
		return sumBites(v, w.Fault.ID), touched(v, w.Fault.ID, "connections")
	case "process":
		if n := sumBites(v, w.Fault.ID); n > 0 {
			return n, "processes"
		}
		return countSignals(v, w.Fault.ID), "signals"
	case "inject":
		return sumBites(v, w.Fault.ID) - unharmed(v, w.Fault.ID), touched(v, w.Fault.ID, "bites")
	case "resource", "packet", "time", "dns", "http": // they note what they touched
		return sumBites(v, w.Fault.ID), touched(v, w.Fault.ID, "bites")
	case "crash":
		return crashed(v, w), "requests"
	case "origin":
		return failedWithin(v, w), "requests"
	}
	if w.Fault.Kind == "toxic.down" {
		return failedWithin(v, w), "requests"
	}
	if w.Fault.Kind == "toxic.limit" || w.Fault.Kind == "toxic.slow-close" {
		return sumBites(v, w.Fault.ID), "connections"
	}
	return slowed(v, w), "requests"
}

func sumBites(v *check.View, id string) (n int64) {
	for _, e := range v.Fault {
		if e.Kind == history.Bite && e.ID == id {
			n += max(e.Count, 1)
		}
	}
	return n
}

// unharmed counts requests that were struck, by what the injector saw, and ended
// well all the same: that is no bite.
func unharmed(v *check.View, id string) (n int64) {
	for _, e := range v.Fault {
		if struck := check.Struck(e); struck != "" && e.ID == id && slices.ContainsFunc(v.Exchanges, func(x *check.Exchange) bool {
			return x.Arrival.ID == struck && x.Outcome() == history.OK
		}) {
			n++
		}
	}
	return n
}

// touched is the unit of a fault's bites, as its first one says, or the usual one.
func touched(v *check.View, id, usual string) string {
	for _, e := range v.Fault {
		if e.Kind == history.Bite && e.ID == id && e.Via != "" {
			return e.Via
		}
	}
	return usual
}

func countSignals(v *check.View, id string) (n int64) {
	for _, s := range v.Signals {
		if s.ID == id {
			n++
		}
	}
	return n
}

// crashed is 1 if the crash showed: the request failed, was late by what it
// asked for, or the subject's log names its hook.
func crashed(v *check.View, w check.Window) int64 {
	x := v.CrashOf(w.Fault)
	if x == nil || x.End == nil {
		return 0
	}
	var with struct {
		Seconds int64 `json:"seconds"`
	}
	json.Unmarshal(w.Fault.With, &with)
	late := with.Seconds > 0 && x.End.T-x.Begin.T >= with.Seconds
	_, died := v.ExitAfter("subject-0", x.Begin.T)
	if late || died || x.Outcome() != history.OK || sumBites(v, w.Fault.ID) > 0 {
		return 1
	}
	return 0
}

// failedWithin counts requests that failed while a fault acted that takes the
// origin away.
func failedWithin(v *check.View, w check.Window) (n int64) {
	for _, x := range v.Exchanges {
		from, to := v.Span(x)
		if x.IsRequest() && x.Outcome() != history.OK && to >= w.From && from <= w.To {
			n++
		}
	}
	return n
}

// slowed counts requests that took what a toxic must have added to them, and
// more than half of their class took before it.
func slowed(v *check.View, w check.Window) (n int64) {
	usual := map[history.Class]int64{}
	for _, x := range v.Exchanges {
		from, to := v.Span(x)
		if !x.IsRequest() || to < w.From || from > w.To {
			continue
		}
		least := added(w.Fault, x.Arrival)
		if least == 0 {
			continue
		}
		if _, known := usual[x.Arrival.Class]; !known {
			usual[x.Arrival.Class] = baseline(v, x.Arrival.Class, w.From)
		}
		if took := to - from - x.Arrival.Hold; took >= max(least, usual[x.Arrival.Class]) {
			n++
		}
	}
	return n
}

// added is what a toxic adds to an answer at least, ns; 0 if that is too little
// to be told. Rate and slices count half, for toxiproxy sends in bursts and a
// slice may be larger than the average.
func added(f history.Fault, a history.Arrival) int64 {
	var with struct {
		Latency, Jitter, Rate, Size, Variation, Delay int64
	}
	json.Unmarshal(f.With, &with)
	var ns int64
	switch f.Kind {
	case "toxic.latency":
		ns = with.Latency - with.Jitter
	case "toxic.bandwidth":
		ns = a.Size * int64(time.Second) / max(with.Rate, 1) / 1000 / 2
	case "toxic.slicer":
		ns = a.Size / max(with.Size+with.Variation, 1) * with.Delay / 2
	}
	if a.Class == history.Upload && f.Kind != "toxic.latency" || ns < int64(5*time.Millisecond) {
		return 0
	}
	return ns
}

// baseline is the median of the time that requests of a class took beyond their
// planned hold before an instant.
func baseline(v *check.View, c history.Class, before int64) int64 {
	var ds []int64
	for _, x := range v.Exchanges {
		if from, to := v.Span(x); x.Arrival.Class == c && to < before {
			ds = append(ds, to-from-x.Arrival.Hold)
		}
	}
	return stats.Quantile(ds, 0.5)
}

// drain is what the first drain of the trial looked like.
func drain(v *check.View) *Drain {
	s, ok := v.DrainSignal()
	if !ok || v.Plan.Engine != "timeline" {
		return nil
	}
	d := &Drain{Grace: v.Plan.Settings.Grace, Signals: len(v.Signals), Via: s.Via, InFlight: []Fate{}}
	d.Time = stats.Duration{Ns: v.EndT() - s.T, Censored: true} // unless its end was seen
	if x, ok := v.ExitAfter(s.Node, s.T); ok {
		d.Time = stats.Duration{Ns: x.T - s.T}
		d.ExitCode, d.ExitSignal = x.Code, x.Signal
	}
	for _, killed := range []func(string, int64) (history.Event, bool){v.CutAfter, v.KilledAfter} {
		if k, ok := killed(s.Node, s.T); ok {
			d.Time = stats.Duration{Ns: k.T - s.T, Censored: true}
		}
	}
	for _, e := range v.Fault {
		if e.Kind == history.Orphan {
			d.Stragglers++
		}
	}
	d.InFlight = fates(v, s.T, v.InFlight(s.T))
	connects(v, s.T, d)
	d.Notices = notices(v, s.T)
	return d
}

// connects finds the first refused, hung and reset connect after the signal.
func connects(v *check.View, signal int64, d *Drain) {
	first := func(into **int64, x *check.Exchange) {
		if ns := x.Begin.T - signal; *into == nil || ns < **into {
			*into = &ns
		}
	}
	for _, x := range v.Exchanges {
		if x.Begin.T <= signal || !x.IsRequest() {
			continue
		}
		switch x.Outcome() {
		case history.Refused:
			first(&d.FirstRefused, x)
		case history.Timeout:
			first(&d.FirstHung, x)
		case history.Reset:
			first(&d.FirstReset, x)
		}
	}
}

func notices(v *check.View, signal int64) (n int) {
	for _, e := range v.Client {
		if e.T > signal && (e.Kind == history.GoAway || e.Kind == history.WSClose || (e.Kind == history.End && e.Closing)) {
			n++
		}
	}
	return n
}

// fates counts outcomes by class.
func fates(v *check.View, since int64, xs []*check.Exchange) []Fate {
	out := []Fate{}
	for _, x := range xs {
		_, to := v.Span(x)
		i := slices.IndexFunc(out, func(f Fate) bool { return f.Class == x.Arrival.Class && f.Outcome == x.Outcome() })
		if i < 0 {
			i = len(out)
			out = append(out, Fate{Class: x.Arrival.Class, Outcome: x.Outcome()})
		}
		out[i].N++
		out[i].LastNs = max(out[i].LastNs, to-since)
	}
	slices.SortFunc(out, func(a, b Fate) int {
		return strings.Compare(string(a.Class+"/")+string(a.Outcome), string(b.Class+"/")+string(b.Outcome))
	})
	return out
}

// recovery is from the last fault's end to the last request that was planned
// after it and failed; 0 if none did. It is nil where nothing recovers.
func recovery(v *check.View) *int64 {
	var end int64
	for _, w := range v.Windows {
		if w.From == 0 || !w.Lifted {
			return nil
		}
		end = max(end, w.To)
	}
	if end == 0 {
		return nil
	}
	var r int64
	for _, x := range v.Exchanges {
		if x.IsRequest() && x.Begin.Planned > end && x.Outcome() != history.OK && x.Outcome() != history.Aborted {
			r = max(r, x.End.T-end)
		}
	}
	return &r
}

// lateBystander is the delay above which a bystander suffered though it was
// answered: more than any of the requests before the crash took, and visibly so.
const lateBystander = 100 * time.Millisecond

func blast(v *check.View) *Blast {
	crash, beside := v.Bystanders()
	if crash == nil {
		return nil
	}
	b := &Blast{Hook: crash.Arrival.Hook, Faulty: string(crash.Outcome()), Bystanders: len(beside), Lived: true}
	if crash.End != nil && crash.End.Status != 0 && crash.Outcome() != history.OK {
		b.Faulty += " " + strconv.Itoa(crash.End.Status)
	}
	if x, ok := v.ExitAfter("subject-0", crash.Begin.T); ok {
		b.Lived, b.ExitCode = false, x.Code
	}
	var hurt []*check.Exchange
	for _, x := range beside {
		from, to := v.Span(x)
		delay := to - from - x.Arrival.Hold
		b.WorstDelay = max(b.WorstDelay, delay)
		if x.Outcome() != history.OK || delay > int64(lateBystander) {
			hurt = append(hurt, x)
			b.Longest = max(b.Longest, to-crash.Begin.T)
		}
	}
	b.Suffered = fates(v, crash.Begin.T, hurt)
	return b
}

func starting(v *check.View) []StartCell {
	if v.Plan.Engine != "starting" {
		return nil
	}
	out := []StartCell{}
	for i, s := range v.Starts() {
		if s.Signal.T == 0 {
			continue
		}
		c := StartCell{Real: s.Signal.T - s.Started.T, Served: s.Served, TooEarly: s.TooEarly()}
		if i < len(v.Plan.Offsets) {
			c.Offset = v.Plan.Offsets[i]
		}
		if s.Exit != nil {
			c.Code, c.Signal = s.Exit.Code, s.Exit.Signal
			c.Time = stats.Duration{Ns: s.Exit.T - s.Signal.T, Censored: s.Killed}
		}
		out = append(out, c)
	}
	return out
}

func tlsCells(v *check.View) []TLSCell {
	var out []TLSCell
	leg := strings.TrimPrefix(v.Plan.Engine, "tls-")
	for _, c := range v.Cells() {
		cell := TLSCell{Case: c.ID, Oracle: c.Oracle, Clause: c.Peer, Leg: leg, Verifier: string(c.Class),
			Verdict: c.Verdict, Status: c.Status, Alert: c.Local, Handshakes: int(c.Count), Agrees: c.Agrees(), Ns: c.AgeNs, Detail: c.Detail}
		if leg == "back" {
			cell.Handshakes, cell.Alert = handshakes(v, c.ID)
		}
		out = append(out, cell)
	}
	return out
}

// handshakes counts what one request cost at the origin, and the alert that the
// subject sent there.
func handshakes(v *check.View, name string) (n int, alert string) {
	for _, e := range v.Origin {
		if e.Kind == history.Handshake && e.ID == name {
			n++
			if e.Outcome != history.OK && alert == "" {
				alert = e.Detail
			}
		}
	}
	return n, alert
}
