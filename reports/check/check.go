package check

import (
	"fmt"
	"slices"
	"time"

	"faultbed/reports/history"
)

// Check is one promise and the function that finds where it was broken.
type Check struct {
	Name     string   `json:"name"`
	Promise  string   `json:"promise"`            // what is promised, in one sentence
	Source   string   `json:"source"`             // RFC section or documented option
	Declares []string `json:"declares,omitempty"` // what a subject's YAML may declare to narrow it or to switch it off
	Applies  func(history.Plan) bool
	Find     func(*View) []Violation
}

// All lists the checks in the order in which reports show them.
func All() []Check {
	return slices.Concat(always(), shapes(), failures(), ends(), others())
}

func timeline(p history.Plan) bool { return len(p.Arrivals) > 0 }
func steady(p history.Plan) bool   { return p.Engine == "timeline" && p.Replicas == 1 }
func drains(p history.Plan) bool   { return p.Expect.Drain && p.Engine == "timeline" }

// alone is a drain without replicas beside it, where during judges the requests.
func alone(p history.Plan) bool { return drains(p) && p.Replicas == 1 }

// lasts is a subject that is there to the end: what it holds then can be counted.
func lasts(p history.Plan) bool {
	e := p.Expect
	return steady(p) && !p.Crash && !e.Drain && !e.Killed && !e.Dies
}

// reads tells whether a client reads more, slowly, than kernels hold.
func reads(p history.Plan) bool {
	return slices.ContainsFunc(p.Arrivals, func(a history.Arrival) bool { return a.Class == history.Reader && a.Size > inKernels(p) })
}

// sends tells whether a plan has arrivals of one of the classes.
func sends(cs ...history.Class) func(history.Plan) bool {
	return func(p history.Plan) bool {
		return slices.ContainsFunc(p.Arrivals, func(a history.Arrival) bool { return slices.Contains(cs, a.Class) })
	}
}

// always holds whatever acts.
func always() []Check {
	return []Check{
		{Name: "integrity", Promise: "every byte of a response is the byte that the origin sent for this request, and a short body is visibly short",
			Source: "RFC 9112 §6.3, §8; RFC 9110 §6.1", Applies: timeline, Find: integrity},
		{Name: "at-most-once", Promise: "a request that is not idempotent reaches the origin at most once",
			Source: "RFC 9110 §9.2.2", Applies: timeline, Find: atMostOnce},
		{Name: "no-lost-effect", Promise: "an upload that was answered with success was received completely, once",
			Source: "RFC 9110 §9.3.3", Applies: timeline, Find: noLostEffect},
		{Name: "retries", Promise: "a request that is not answered is sent again only as often as the subject declares, and never after the first byte of an answer",
			Source: "RFC 9110 §9.2.2; declares of the subject's YAML", Declares: []string{"retries-idempotent", "retries-dead-connections"}, Applies: timeline, Find: retries},
		{Name: "framing", Promise: "what arrives at the origin parses to exactly the requests that clients sent, well-formed",
			Source: "RFC 9112 §6.1, §6.3, §11.2", Declares: []string{"trusts-transfer-encoding"}, Applies: timeline, Find: framing},
		{Name: "reuse", Promise: "a connection on which an answer broke its framing, or a client left, serves no other request wrongly",
			Source: "RFC 9112 §6.3, §9.3", Applies: poisoned, Find: reuse},
	}
}

// shapes are about the form of requests and answers.
func shapes() []Check {
	return []Check{
		{Name: "header-fidelity", Promise: "header lines arrive in their order, and what Connection names does not arrive",
			Source: "RFC 9110 §5.3, §7.6.1", Declares: []string{"forwards-connection-headers"}, Applies: timeline, Find: headerFidelity},
		{Name: "trailers", Promise: "announced trailers arrive, of requests and of answers",
			Source: "RFC 9110 §6.5; RFC 9112 §7.1.2", Declares: []string{"drops-trailers", "drops-request-trailers"}, Applies: sends(history.Trailers), Find: trailers},
		{Name: "informational", Promise: "103 reaches the client, and 100 does when the origin has sent it, not before",
			Source: "RFC 9110 §10.1.1, §15.2; RFC 8297", Declares: []string{"answers-100", "drops-103"}, Applies: sends(history.Expects, history.Hints), Find: informational},
		{Name: "ordering", Promise: "pipelined answers come in the order of their requests, and events of a stream come without a gap",
			Source: "RFC 9112 §9.3.2; the HTML standard, server-sent events", Applies: sends(history.Pipeline, history.Events), Find: ordering},
		{Name: "half-close", Promise: "the end of one direction of a tunnel is passed on and the other goes on to its own end",
			Source: "RFC 9293 §3.6; RFC 9110 §7.8", Declares: []string{"closes-tunnels-whole"}, Applies: sends(history.Tunnel), Find: halfClose},
		{Name: "streaming", Promise: "the first byte of an answer arrives before the origin has sent its last",
			Source: "capability streaming of the subject's YAML", Declares: []string{"buffers-response"}, Applies: timeline, Find: streaming},
		{Name: "backpressure", Promise: "a client that reads slowly slows the origin down, and is not buffered for without bound",
			Source: "a proxy's memory is smaller than its clients' answers", Declares: []string{"buffers-response"}, Applies: reads, Find: backpressure},
		{Name: "cancellation", Promise: "when a client leaves, the origin is told",
			Source: "RFC 9110 §9.2.2: work that nobody will see", Applies: timeline, Find: cancellation},
		{Name: "leaks", Promise: "open files and memory do not grow with the number of requests",
			Source: "a service that runs for weeks", Applies: lasts, Find: leaks},
	}
}

// failures are about what clients get while something is broken, and after.
func failures() []Check {
	return []Check{
		{Name: "outside", Promise: "while no fault acts every request succeeds",
			Source: "the control arm succeeded at the same time", Applies: timeline, Find: outside},
		{Name: "during", Promise: "while a fault acts requests fail only in the ways that the scenario names, honestly and in time",
			Source: "RFC 9110 §15.6; the scenario's expect", Applies: timeline, Find: during},
		{Name: "recovery", Promise: "when a fault has ended, and the time that the scenario grants has passed, requests succeed and are as quick as before",
			Source: "the scenario's expect.recovery", Applies: func(p history.Plan) bool { return timeline(p) && len(p.Faults) > 0 && !p.Expect.Drain }, Find: recovery},
		{Name: "status-honesty", Promise: "an origin that answers badly, or not, becomes the status that says so, in time: 502, 504, or an answer that is visibly cut",
			Source: "RFC 9110 §15.6.3, §15.6.5", Applies: scripted, Find: statusHonesty},
		{Name: "bounded", Promise: "while a fault acts the subject takes no more memory and CPU time than the scenario grants",
			Source: "the scenario's expect.max_rss and expect.max_cpu", Applies: func(p history.Plan) bool { return p.Expect.MaxRSS > 0 || p.Expect.MaxCPU > 0 }, Find: bounded},
		{Name: "survives", Promise: "the subject's process lives unless it was told to end",
			Source: "the subject's own service manager would count this as a crash", Applies: timeline, Find: survives},
		{Name: "blast-radius", Promise: "a crash of one request leaves the requests beside it as the scenario says",
			Source: "net/http recovers a handler's panic; aiohttp answers 500", Applies: func(p history.Plan) bool { return p.Crash }, Find: blastRadius},
		{Name: "faulty-request", Promise: "the request that carries a crash ends as the scenario says",
			Source: "the scenario's expect.faulty and expect.again", Applies: func(p history.Plan) bool { return len(p.Expect.Faulty)+len(p.Expect.Again) > 0 }, Find: faultyRequest},
		{Name: "concurrent-requests", Promise: "requests that the origin has and has not answered when a crash strikes end as the scenario says, and when it says",
			Source: "the scenario's expect.concurrent and expect.ends", Applies: func(p history.Plan) bool { return len(p.Expect.Concurrent) > 0 || p.Expect.Ends != "" }, Find: concurrentRequests},
		{Name: "crash-exit", Promise: "a crash ends the process with the exit code that the scenario says",
			Source: "the scenario's expect.exit", Applies: func(p history.Plan) bool { return len(p.Expect.Exit) > 0 }, Find: crashExit},
	}
}

// ends are about drains, signals and exits.
func ends() []Check {
	return []Check{
		{Name: "drain-inflight", Promise: "requests in flight at the drain signal are answered completely",
			Source: "graceful_shutdown_timeout of the subject; RFC 9112 §9.6", Applies: alone, Find: drainInFlight},
		{Name: "drain-signalling", Promise: "after the drain signal answers say Connection: close, HTTP/2 gets GOAWAY, and no idle connection is reset",
			Source: "RFC 9112 §9.6; RFC 9113 §6.8", Declares: []string{"drains-silently"}, Applies: alone, Find: drainSignalling},
		{Name: "websocket-close", Promise: "a WebSocket that is open at the drain signal ends with a close frame",
			Source: "RFC 6455 §7.4.1: 1001 going away", Declares: []string{"cuts-websockets"}, Applies: func(p history.Plan) bool { return alone(p) && sends(history.WebSocket)(p) }, Find: websocketClose},
		{Name: "drain-time", Promise: "the process is gone within its promised grace",
			Source: "drain.grace of the subject's YAML", Applies: drains, Find: drainTime},
		{Name: "drain-exit", Promise: "the exit code of a drain is one of those promised",
			Source: "drain.exit_codes of the subject's YAML", Applies: drains, Find: drainExit},
		{Name: "drain-connect", Promise: "a connect after the drain signal is served or refused, never reset (save one at the instant at which the listener closes) or left hanging",
			Source: "a client that is refused can go elsewhere at once", Applies: alone, Find: drainConnect},
		{Name: "stragglers", Promise: "no process of the subject outlives it",
			Source: "the supervisor's view of a service", Applies: drains, Find: stragglers},
		{Name: "port", Promise: "when the subject is gone nothing listens on its port, so that the next one can",
			Source: "bind(2): EADDRINUSE", Applies: drains, Find: portFree},
		{Name: "control-kill", Promise: "SIGKILL, the control, is seen: the process dies by it at once and what was in flight is lost",
			Source: "a testbed that can't see this can see no drain", Applies: func(p history.Plan) bool { return p.Expect.Killed }, Find: controlKill},
		{Name: "start-signal", Promise: "a signal while the subject starts ends it within its grace, unless the kernel dropped it for want of a handler in a PID 1",
			Source: "a supervisor may stop a service at any time; signal(7), pid_namespaces(7)", Applies: func(p history.Plan) bool { return p.Engine == "starting" }, Find: startSignal},
	}
}

func others() []Check {
	return []Check{
		{Name: "tls-oracle", Promise: "a chain that must be rejected is rejected and a valid one accepted",
			Source: "RFC 5280 §6.1; each case names its clause", Applies: func(p history.Plan) bool { return p.Engine == "tls-back" || p.Engine == "tls-front" }, Find: tlsOracle},
	}
}

// Find runs every check that applies and returns what they found, in order.
func Find(v *View) []Violation {
	var out []Violation
	for _, c := range All() {
		if !c.Applies(v.Plan) {
			continue
		}
		v.proofs = 0
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

// intact is each without the exchanges whose bytes an injector may have changed.
func (v *View) intact(say func(*Exchange) string) []Violation {
	return v.each(func(x *Exchange) string {
		if v.mangled(x) {
			return ""
		}
		return say(x)
	})
}

// mangled tells whether an exchange overlaps a fault that changes bytes itself.
func (v *View) mangled(x *Exchange) bool {
	from, to := v.Span(x)
	return slices.ContainsFunc(v.Windows, func(w Window) bool {
		return mangles(w.Fault.Kind) && w.From != 0 && to >= w.From && from <= w.To+v.Plan.Expect.Recovery
	})
}

func mangles(fault string) bool {
	return slices.Contains([]string{"wire.corrupt", "wire.duplicate", "wire.reorder"}, fault)
}

func integrity(v *View) []Violation {
	return v.intact(func(x *Exchange) string {
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
	return v.intact(func(x *Exchange) string {
		for _, d := range x.deliveries() {
			if posts(x.Arrival.Class) && len(d) > 1 {
				return fmt.Sprintf("one POST reached the origin %d times", len(d))
			}
		}
		return ""
	})
}

func noLostEffect(v *View) []Violation {
	return v.intact(func(x *Exchange) string {
		if !posts(x.Arrival.Class) || x.Outcome() != history.OK {
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
		if v.Overlaps(x) || (draining && to >= signal.T) || v.recovering(x) {
			return ""
		}
		if s := heldBadly(x); s != "" {
			return "no fault acted: " + s
		}
		if !x.IsRequest() || v.settled(x) {
			return ""
		}
		return "no fault acted: " + describe(v, x)
	})
}

// settled tells whether an outcome is no matter for outside and during: success,
// the trial's own end, altered bytes, which integrity judges, tunnels that were
// set up, which half-close does, and what is the client's own doing.
func (v *View) settled(x *Exchange) bool {
	tunnel := x.Arrival.Class == history.Tunnel && x.End != nil && x.End.Status == 101
	return tunnel || x.ownDoing() || slices.Contains([]history.Outcome{history.OK, history.Aborted, history.Corrupt, history.CrossTalk}, x.Outcome())
}

// ownDoing tells whether a failure is the client's: its turn on a lane came too
// late, or it was naive and used a connection that the peer may have closed
// (RFC 9112 §9.5: either side may close an idle one at any time).
func (x *Exchange) ownDoing() bool {
	e := x.End
	if e == nil {
		return false
	}
	queued := x.Arrival.Lane > 0 && e.Outcome == history.Timeout && e.Phase == "write" && e.Nth == 0 && e.Sent == 0
	stale := x.Arrival.Client == "naive" && e.Nth > 1 && e.FirstByte == 0 && (e.Outcome == history.Reset || e.Outcome == history.EOF)
	return queued || stale
}

// heldBadly says what is wrong with the end of a held connection on a quiet day.
// One on which nothing, or half a head, was sent may end as it likes.
func heldBadly(x *Exchange) string {
	if x.End == nil {
		return ""
	}
	e := x.End
	switch x.Arrival.Class {
	case history.WebSocket:
		if e.Outcome == history.Held && e.Bytes == 0 && e.T-e.Planned > int64(time.Second) {
			return "a WebSocket was open for " + ms(e.T-e.Planned).String() + " and echoed nothing"
		}
		if !slices.Contains([]history.Outcome{history.Held, history.Aborted, history.Corrupt}, e.Outcome) {
			return fmt.Sprintf("websocket ended %s after %v with status %d %s", e.Outcome, ms(e.T-e.Planned), e.Status, e.Detail)
		}
	case history.Idle:
		if !slices.Contains([]history.Outcome{history.Held, history.Aborted, history.Closed, history.Reset}, e.Outcome) {
			return fmt.Sprintf("the first request of an idle connection ended %s after %v %s", e.Outcome, ms(e.T-e.Planned), e.Detail)
		}
	}
	return ""
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
		if x.Outcome() == history.OK || v.declaredEnd(x) {
			ok++
		}
		if v.settled(x) {
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
	if x.Outcome() == history.Status5xx && !v.beside(x) {
		if slices.Contains(ex.Statuses, x.End.Status) {
			return ""
		}
		return fmt.Sprintf("status %d, honest here would be %v", x.End.Status, ex.Statuses)
	}
	allowed := ex.Allow
	if v.beside(x) {
		allowed = ex.Bystanders
	}
	if slices.Contains(allowed, x.Outcome()) {
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
	since := v.started(exit)
	return slices.ContainsFunc(v.Signals, func(s history.Event) bool { return s.Node == exit.Node && s.T >= since && s.T <= exit.T })
}

// started is when the instance started that an event is about: the last one of its
// node before it.
func (v *View) started(e history.Event) (at int64) {
	for _, s := range v.Fault {
		if s.Kind == history.Start && s.Node == e.Node && s.T <= e.T {
			at = s.T
		}
	}
	return at
}

func bySignal(e history.Event) string {
	if e.Signal == "" {
		return ""
	}
	return " (SIG" + e.Signal + ")"
}
