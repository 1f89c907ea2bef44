package check

import (
	"fmt"
	"slices"
	"time"

	"faultbed/reports/history"
)

// Check is one promise and the function that finds where it was broken.
type Check struct {
	Name    string `json:"name"`
	Promise string `json:"promise"` // what is promised, in one sentence
	Source  string `json:"source"`  // RFC section or documented option
	Applies func(history.Plan) bool
	Find    func(*View) []Violation
}

// All lists the checks in the order in which reports show them.
func All() []Check {
	timeline := func(p history.Plan) bool { return len(p.Arrivals) > 0 }
	drains := func(p history.Plan) bool { return p.Expect.Drain && p.Engine == "timeline" }
	alone := func(p history.Plan) bool { return drains(p) && p.Replicas == 1 } // beside others, during judges the requests
	crash := func(p history.Plan) bool { return p.Crash }
	return []Check{
		{"integrity", "every byte of a response is the byte that the origin sent for this request, and a short body is visibly short", "RFC 9112 §6.3, §8; RFC 9110 §6.1", timeline, integrity},
		{"at-most-once", "a request that is not idempotent reaches the origin at most once", "RFC 9110 §9.2.2", timeline, atMostOnce},
		{"no-lost-effect", "an upload that was answered with success was received completely, once", "RFC 9110 §9.3.3", timeline, noLostEffect},
		{"retries", "a request that is not answered is sent again only as often as the subject declares", "RFC 9110 §9.2.2; declares of the subject's YAML", timeline, retries},
		{"header-fidelity", "header lines arrive in their order, and what Connection names does not arrive", "RFC 9110 §5.3, §7.6.1", timeline, headerFidelity},
		{"streaming", "the first byte of an answer arrives before the origin has sent its last", "capability streaming of the subject's YAML", timeline, streaming},
		{"cancellation", "when a client leaves, the origin is told", "RFC 9110 §9.2.2: work that nobody will see", timeline, cancellation},
		{"leaks", "open files and memory do not grow with the number of requests", "a service that runs for weeks", func(p history.Plan) bool { return p.Engine == "timeline" && p.Replicas == 1 }, leaks},
		{"outside", "while no fault acts every request succeeds", "the control arm succeeded at the same time", timeline, outside},
		{"during", "while a fault acts requests fail only in the ways that the scenario names, honestly and in time", "RFC 9110 §15.6; the scenario's expect", timeline, during},
		{"survives", "the subject's process lives unless it was told to end", "the subject's own service manager would count this as a crash", timeline, survives},
		{"drain-inflight", "requests in flight at the drain signal are answered completely", "graceful_shutdown_timeout of the subject; RFC 9112 §9.6", alone, drainInFlight},
		{"drain-time", "the process is gone within its promised grace", "drain.grace of the subject's YAML", drains, drainTime},
		{"drain-exit", "the exit code of a drain is one of those promised", "drain.exit_codes of the subject's YAML", drains, drainExit},
		{"drain-connect", "a connect after the drain signal is served or refused, never reset (save one at the instant at which the listener closes) or left hanging", "a client that is refused can go elsewhere at once", alone, drainConnect},
		{"stragglers", "no process of the subject outlives it", "the supervisor's view of a service", drains, stragglers},
		{"control-kill", "SIGKILL, the control, is seen: the process dies by it at once and what was in flight is lost", "a testbed that can't see this can see no drain", func(p history.Plan) bool { return p.Expect.Killed }, controlKill},
		{"blast-radius", "a crash of one request leaves the requests beside it as the scenario says", "net/http recovers a handler's panic; aiohttp answers 500", crash, blastRadius},
		{"start-signal", "a signal while the subject starts ends it within its grace, unless the kernel dropped it for want of a handler in a PID 1", "a supervisor may stop a service at any time; signal(7), pid_namespaces(7)", func(p history.Plan) bool { return p.Engine == "starting" }, startSignal},
		{"tls-oracle", "a chain that must be rejected is rejected and a valid one accepted", "RFC 5280 §6.1; each case names its clause", func(p history.Plan) bool { return p.Engine == "tls-back" || p.Engine == "tls-front" }, tlsOracle},
	}
}

// Find runs every check that applies and returns what they found, in order.
func Find(v *View) []Violation {
	var out []Violation
	for _, c := range All() {
		if !c.Applies(v.Plan) {
			continue
		}
		for _, x := range c.Find(v) {
			x.Check = c.Name
			out = append(out, x)
		}
	}
	return out
}

// about makes a violation of an exchange.
func (v *View) about(x *Exchange, format string, args ...any) Violation {
	return Violation{ID: x.Begin.ID, At: v.Rel(x.Begin.Planned), What: fmt.Sprintf(format, args...), Evidence: v.evidence(x)}
}

// each collects a violation for every exchange for which say returns a sentence.
func (v *View) each(say func(*Exchange) string) []Violation {
	var out []Violation
	for _, x := range v.Exchanges {
		if x.Arrival.Class == history.Control {
			continue
		}
		if s := say(x); s != "" {
			out = append(out, v.about(x, "%s", s))
		}
	}
	return out
}

func integrity(v *View) []Violation {
	return v.each(func(x *Exchange) string {
		switch x.Outcome() {
		case history.Corrupt, history.CrossTalk:
			return fmt.Sprintf("%s %s: %s", x.Arrival.Class, x.Outcome(), x.End.Detail)
		}
		for _, e := range x.Origin {
			if e.Kind == history.UploadDone && (e.Outcome == history.Corrupt || e.Outcome == history.CrossTalk) {
				return fmt.Sprintf("upload arrived %s at the origin: %s", e.Outcome, e.Detail)
			}
		}
		return ""
	})
}

func atMostOnce(v *View) []Violation {
	return v.each(func(x *Exchange) string {
		if n := x.count(history.Request); x.Arrival.Class == history.Upload && n > 1 {
			return fmt.Sprintf("one POST reached the origin %d times", n)
		}
		return ""
	})
}

func noLostEffect(v *View) []Violation {
	return v.each(func(x *Exchange) string {
		if x.Arrival.Class != history.Upload || x.Outcome() != history.OK {
			return ""
		}
		for _, e := range x.Origin {
			if e.Kind == history.UploadDone && e.Outcome != history.Truncated { // altered ones are integrity's
				return ""
			}
		}
		return "the client was told of success, the origin has no complete upload"
	})
}

// outside finds failures that no fault excuses. After a drain signal the
// drain's own checks judge.
func outside(v *View) []Violation {
	signal, draining := v.DrainSignal()
	return v.each(func(x *Exchange) string {
		_, to := v.Span(x)
		if !x.IsRequest() || settled(x) || v.Overlaps(x) || (draining && to >= signal.T) {
			return ""
		}
		return "no fault acted: " + describe(v, x)
	})
}

// settled tells whether an outcome is no matter for outside and during: success,
// the trial's own end, and altered bytes, which integrity judges.
func settled(x *Exchange) bool {
	return slices.Contains([]history.Outcome{history.OK, history.Aborted, history.Corrupt, history.CrossTalk}, x.Outcome())
}

func describe(v *View, x *Exchange) string {
	e := x.End
	s := fmt.Sprintf("%s ended %s after %v", x.Arrival.Class, e.Outcome, ms(e.T-e.Planned))
	if e.Status != 0 {
		s += fmt.Sprintf(" with status %d", e.Status)
	}
	if e.Phase != "" {
		s += " in " + e.Phase
	}
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return s
}

func ms(ns int64) time.Duration { return time.Duration(ns).Round(100 * time.Microsecond) }

// during finds failures of requests under way while a fault acted that the
// scenario does not allow, and too many of those that it does.
func during(v *View) []Violation {
	if _, draining := v.DrainSignal(); draining && v.Plan.Replicas == 1 || v.Plan.Crash {
		return nil // drains and crashes have checks of their own
	}
	ok, n := 0, 0
	out := v.each(func(x *Exchange) string {
		if !x.IsRequest() || !v.Overlaps(x) || x.Outcome() == history.Aborted {
			return ""
		}
		n++
		if x.Outcome() == history.OK {
			ok++
		}
		if settled(x) {
			return ""
		}
		return v.dishonest(x)
	})
	if n > 0 && float64(ok) < v.Plan.Expect.MinOK*float64(n) {
		out = append(out, Violation{What: fmt.Sprintf("%d of %d requests under way during the fault succeeded, fewer than the %.0f %% that the scenario expects", ok, n, 100*v.Plan.Expect.MinOK)})
	}
	return out
}

// dishonest says what is wrong with a failure, or nothing if it is allowed.
func (v *View) dishonest(x *Exchange) string {
	ex := v.Plan.Expect
	if x.Outcome() == history.Status5xx {
		if slices.Contains(ex.Statuses, x.End.Status) {
			return ""
		}
		return fmt.Sprintf("status %d, honest here would be %v", x.End.Status, ex.Statuses)
	}
	if slices.Contains(ex.Allow, x.Outcome()) {
		return ""
	}
	return describe(v, x)
}

func survives(v *View) []Violation {
	if v.Plan.Expect.Dies {
		return nil
	}
	var out []Violation
	for _, e := range v.Exits {
		if !v.told(e) {
			out = append(out, Violation{At: v.Rel(e.T), What: fmt.Sprintf("%s ended by itself, exit code %d%s", e.Node, e.Code, bySignal(e)), Evidence: []history.Event{e}})
		}
	}
	return out
}

// told tells whether the process that exited had been sent a signal; one to its
// predecessor under the same name does not count.
func (v *View) told(exit history.Event) bool {
	var since int64
	for _, e := range v.Fault {
		if e.Kind == history.Start && e.Node == exit.Node && e.T <= exit.T {
			since = e.T
		}
	}
	return slices.ContainsFunc(v.Signals, func(s history.Event) bool { return s.Node == exit.Node && s.T >= since && s.T <= exit.T })
}

func bySignal(e history.Event) string {
	if e.Signal == "" {
		return ""
	}
	return " (SIG" + e.Signal + ")"
}
