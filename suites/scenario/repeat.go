package scenario

import (
	"slices"
	"strconv"
	"time"

	"faultbed/faults"
	"faultbed/reports/history"
	"faultbed/reports/schema"
)

// maxTimes bounds the repetitions of all faults of a scenario together.
const maxTimes = 10_000

// checkTiming refuses what an item says of its times that can't be.
func (s *Scenario) checkTiming(i int) error {
	f, at := s.Faults[i], faultPath(i)
	k, _ := faults.Find(f.Fault)
	switch {
	case s.Engine != Timeline:
		return s.doc.Errorf(at+".fault", "engine %s has no timeline of faults", s.Engine)
	case s.doc.Has(at+".at") == s.doc.Has(at+".after"):
		return s.doc.Errorf(at+".fault", "want one of at (a time) and after (an event)")
	case f.Delay > 0 && f.After == "":
		return s.doc.Errorf(at+".delay", "counts from an event: set after, or a later at")
	case f.Every > 0 && f.Times == 0:
		return s.doc.Errorf(at+".every", "how often? set times, at least 2")
	case f.Times > 0 && f.Every == 0:
		return s.doc.Errorf(at+".times", "how far apart? set every, at least 1ms")
	case f.Chance > 0 && f.Every == 0:
		return s.doc.Errorf(at+".chance", "is of each repetition: set every and times (connections are chosen by with.chance, of wire faults)")
	case f.Every > 0 && f.Every < schema.Duration(time.Millisecond):
		return s.doc.Errorf(at+".every", "is shorter than 1ms")
	case f.Every > 0 && f.For >= f.Every:
		return s.doc.Errorf(at+".for", "%v must be shorter than every, %v: repetitions don't overlap", time.Duration(f.For), time.Duration(f.Every))
	case f.Every > 0 && k.Lifts && f.For == 0:
		return s.doc.Errorf(at+".every", "each repetition needs an end: set for")
	}
	return s.checkSpan(i)
}

// checkSpan wants all repetitions within the scenario. What waits for an event
// must fit at least if the event comes at once.
func (s *Scenario) checkSpan(i int) error {
	f, at := s.Faults[i], faultPath(i)
	first, key := f.At, ".at"
	if f.After != "" {
		first, key = f.Delay, ".delay"
	}
	last := first + f.Every*schema.Duration(max(f.Times-1, 0))
	switch {
	case first > s.Duration:
		return s.doc.Errorf(at+key, "is after the scenario's end at %v", time.Duration(s.Duration))
	case last > s.Duration:
		return s.doc.Errorf(at+".times", "the last of %d begins at %v, after the scenario's end at %v", f.Times, time.Duration(last), time.Duration(s.Duration))
	case f.For > s.Duration-last:
		return s.doc.Errorf(at+".for", "ends at %v, after the scenario's end at %v", time.Duration(last+f.For), time.Duration(s.Duration))
	}
	total := 0
	for _, f := range s.Faults {
		total += max(f.Times, 1)
	}
	if total > maxTimes {
		return s.doc.Errorf(at+".times", "with all repetitions there are %d faults, more than %d", total, maxTimes)
	}
	return nil
}

func faultPath(i int) string { return "$.faults[" + strconv.Itoa(i) + "]" }

// repetitions are one item's faults in a plan, in order: those of its repetitions
// that the dice let happen, at least one. An item that is not repeated is one.
func (s *Scenario) repetitions(p *history.Plan, i int, one history.Fault) []history.Fault {
	f := s.Faults[i]
	if f.Times == 0 {
		return []history.Fault{one}
	}
	rng := source(p.Seed, "faults", s.Name, strconv.Itoa(i), strconv.Itoa(p.Trial))
	var happen []int
	for n := range f.Times {
		if f.Chance == 0 || rng.Float64() < f.Chance {
			happen = append(happen, n)
		}
	}
	if len(happen) == 0 { // a trial without the fault would prove nothing of it
		happen = []int{rng.IntN(f.Times)}
	}
	var out []history.Fault
	for _, n := range happen {
		r, later := one, int64(f.Every)*int64(n)
		r.ID += "." + strconv.Itoa(n+1)
		if r.After == "" {
			r.At += later
		} else {
			r.Delay += later
		}
		out = append(out, r)
	}
	return out
}

// spans are when an item's repetitions may act, in order.
func (s *Scenario) spans(f FaultItem) (out [][2]schema.Duration) {
	for n := range max(f.Times, 1) {
		at := f.At + f.Every*schema.Duration(n)
		out = append(out, [2]schema.Duration{at, f.until(at, s.Duration)})
	}
	return out
}

// until is when a fault that begins at an instant ends; one that is not lifted ends
// with the scenario.
func (f FaultItem) until(at, end schema.Duration) schema.Duration {
	if f.For == 0 {
		return end
	}
	return at + f.For
}

// together tells whether two items of the list may act at one time. When an event
// comes nobody knows before, save that one fault waits for the other's end.
func (s *Scenario) together(i, j int) bool {
	f, g := s.Faults[i], s.Faults[j]
	if f.After != "" || g.After != "" {
		return !s.waitsForEnd(i, j) && !s.waitsForEnd(j, i)
	}
	a, b := s.spans(f), s.spans(g)
	for len(a) > 0 && len(b) > 0 {
		if a[0][0] < b[0][1] && b[0][0] < a[0][1] {
			return true
		}
		if a[0][1] <= b[0][0] {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return false
}

// waitsForEnd tells whether item i waits for item j, which acts once, to be lifted.
func (s *Scenario) waitsForEnd(i, j int) bool {
	a, err := history.ParseAwaited(s.Faults[i].After)
	if err != nil || a.Name != "fault-lifted" || s.Faults[j].Times > 0 {
		return false
	}
	of, ok := s.faultNamed(a.Fault)
	return ok && of == j
}

// faultNamed is the place in the list of the fault with that key "id", or of that
// place, from 1: "2" or "f2".
func (s *Scenario) faultNamed(name string) (int, bool) {
	i := slices.IndexFunc(s.Faults, func(f FaultItem) bool { return f.ID == name && name != "" })
	if i >= 0 {
		return i, true
	}
	if len(name) > 1 && name[0] == 'f' {
		name = name[1:]
	}
	n, err := strconv.Atoi(name)
	return n - 1, err == nil && n >= 1 && n <= len(s.Faults)
}
