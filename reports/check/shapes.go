package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"faultbed/reports/history"
)

// bothLengths are the raw requests with a valid Transfer-Encoding beside a
// Content-Length. A server that goes by the former must close the connection
// after its answer (RFC 9112 §6.1); net/http does not.
var bothLengths = []string{"cl-then-te", "te-then-cl", "te-folded", "te-tab", "te-after-bare-lf"}

// framing reads the origin's own parse of what arrived: a request that nobody
// sent, or one that is no request, was made by the subject.
func framing(v *View) []Violation {
	out := v.intact(func(x *Exchange) string {
		excused := v.declares("trusts-transfer-encoding") && slices.Contains(bothLengths, x.Arrival.Param)
		if x.Arrival.Class == history.Raw && x.End != nil {
			if s := unlawful(x); s != "" {
				return s
			}
			if x.End.Verdict != "" && !excused {
				return fmt.Sprintf("after %s: %s", x.Arrival.Param, x.End.Verdict)
			}
		}
		if verb(x.Arrival.Script) == "raw" && x.End != nil && x.End.Verdict != "" {
			return fmt.Sprintf("after the answer %q: %s", x.Arrival.Script, x.End.Verdict)
		}
		for _, e := range x.Origin {
			switch {
			case e.Kind != history.Request:
			case strings.HasSuffix(e.ID, ".x") && excused:
			case strings.HasSuffix(e.ID, ".x"):
				return fmt.Sprintf("the request that was hidden in %s was taken for one", x.Arrival.Param)
			case strings.HasPrefix(e.Detail, "malformed:") && x.Arrival.Lawful != "any":
				return "what arrived at the origin is " + e.Detail
			}
		}
		return ""
	})
	for _, e := range v.Origin {
		if e.Kind == history.Request && v.byID[base(e.ID)] == nil && v.Plan.Engine == "timeline" && !v.probe(e) && !v.mangledAt(e.T) {
			out = append(out, Violation{At: v.Rel(e.T), What: fmt.Sprintf("a request that nobody sent arrived at the origin: %s", e.Detail), Evidence: []history.Event{e}})
		}
	}
	return out
}

// probe tells whether a request is the subject's own look at the origin, or an
// attacker's, or came
// before the load, when the subject was asked whether it is ready: it carries no id.
func (v *View) probe(e history.Event) bool {
	return e.T < v.Info.T0 || strings.HasPrefix(e.ID, history.Attack) || e.ID == "" && !strings.HasPrefix(e.Detail, "malformed:")
}

func (v *View) mangledAt(t int64) bool {
	return slices.ContainsFunc(v.Windows, func(w Window) bool { return mangles(w.Fault.Kind) && w.From != 0 && t >= w.From })
}

// unlawful says where a raw request's fate is not what its clause allows.
func unlawful(x *Exchange) string {
	n := 0
	for _, e := range x.Origin {
		if e.Kind == history.Request && e.ID == x.Begin.ID {
			n++
		}
	}
	a, e := x.Arrival, x.End
	switch {
	case e.Outcome == history.Timeout:
		return fmt.Sprintf("%s was neither answered nor refused", a.Param)
	case a.Lawful == "reject" && n > 0:
		return fmt.Sprintf("%s must be refused and was passed on", a.Param)
	case a.Lawful == "reject" && e.Status > 0 && e.Status < 400:
		return fmt.Sprintf("%s must be refused and was answered with status %d", a.Param, e.Status)
	case a.Lawful == "part" && x.wholeAtOrigin():
		return fmt.Sprintf("%s has no end, and the origin was given one", a.Param)
	case a.Lawful == "one" && (n != 1 || e.Status >= 400):
		return fmt.Sprintf("%s is lawful; it reached the origin %s and was answered with status %d", a.Param, times(n), e.Status)
	}
	return ""
}

// wholeAtOrigin tells whether the origin took the exchange's own request for whole:
// it answered, and not that the request is malformed.
func (x *Exchange) wholeAtOrigin() bool {
	return slices.ContainsFunc(x.Origin, func(e history.Event) bool {
		return e.Kind == history.Response && e.ID == x.Begin.ID && e.Outcome == history.OK && !strings.HasPrefix(e.Detail, "malformed:")
	})
}

// poisoned tells whether a plan has answers or clients that leave a connection
// in a state in which it must not be used again.
func poisoned(p history.Plan) bool {
	return slices.ContainsFunc(p.Arrivals, func(a history.Arrival) bool { return poison(a) })
}

func poison(a history.Arrival) bool {
	return a.Class == history.Abort || slices.Contains([]string{"excess", "longer", "cut", "garbage", "raw"}, verb(a.Script))
}

// reuse finds wrong answers on connections to the origin that were poisoned, or
// that the origin gave nobody.
func reuse(v *View) []Violation {
	since := map[string]int64{} // connection → when it was first poisoned
	for _, x := range v.Exchanges {
		for _, e := range x.Origin {
			if _, known := since[e.Conn]; poison(x.Arrival) && e.Kind == history.Request && !known {
				since[e.Conn] = e.T
			}
		}
	}
	wrong := []history.Outcome{history.CrossTalk, history.Corrupt, history.Malformed}
	return v.intact(func(x *Exchange) string {
		if !x.IsRequest() || poison(x.Arrival) || !slices.Contains(wrong, x.Outcome()) {
			return ""
		}
		asked := false
		for _, e := range x.Origin {
			asked = asked || e.Kind == history.Request
			if t, ok := since[e.Conn]; ok && e.Kind == history.Request && e.T > t {
				return fmt.Sprintf("%s on connection %s, which was spoilt %v before: %s", x.Outcome(), e.Conn, ms(e.T-t), x.End.Detail)
			}
		}
		if !asked {
			return fmt.Sprintf("%s, and the origin never got the request: the answer was another's rest: %s", x.Outcome(), x.End.Detail)
		}
		return ""
	})
}

func trailers(v *View) []Violation {
	if v.declares("drops-trailers") {
		return nil
	}
	return v.intact(func(x *Exchange) string {
		if x.Arrival.Class != history.Trailers {
			return ""
		}
		for _, e := range x.Origin {
			if e.Kind == history.UploadDone && e.Outcome == history.OK && e.Verdict != "" && !v.declares("drops-request-trailers") {
				return "the request's trailer was " + e.Verdict
			}
		}
		if x.Outcome() == history.OK && x.End.Verdict != "" {
			return "the answer's trailer was " + x.End.Verdict
		}
		return ""
	})
}

func informational(v *View) []Violation {
	got := map[string][]history.Event{}
	for _, e := range v.Client {
		if e.Kind == history.Info {
			got[e.ID] = append(got[e.ID], e)
		}
	}
	return v.each(func(x *Exchange) string {
		if x.Outcome() != history.OK {
			return "" // others judge it
		}
		sent := slices.DeleteFunc(slices.Clone(x.Origin), func(e history.Event) bool { return e.Kind != history.Info })
		switch x.Arrival.Class {
		case history.Hints:
			if !v.declares("drops-103") && len(sent) > 0 && !slices.ContainsFunc(got[x.Begin.ID], func(e history.Event) bool { return e.Status == 103 }) {
				return "the origin sent 103 and the client never got it"
			}
		case history.Expects:
			return v.continued(sent, got[x.Begin.ID])
		}
		return ""
	})
}

// stamping is what may lie between a write and the writer's note of it. The origin
// holds its 100 back for 30 ms, so that one that was made up comes sooner than this.
const stamping = 10 * time.Millisecond

// continued compares the 100s that the origin sent with those that came.
func (v *View) continued(sent, got []history.Event) string {
	switch {
	case len(sent) > 0 && len(got) == 0:
		return "the origin sent 100 and the client waited in vain for it"
	case len(sent) == 0 && len(got) == 0:
		return "Expect: 100-continue never reached the origin, and nobody else answered it"
	case len(got) == 0 || v.declares("answers-100"):
		return ""
	case len(sent) == 0:
		return "100 came though the origin had sent none"
	case got[0].T < sent[0].T-int64(stamping):
		return fmt.Sprintf("100 came %v before the origin had sent it", ms(sent[0].T-got[0].T))
	}
	return ""
}

func ordering(v *View) []Violation {
	return v.intact(func(x *Exchange) string {
		if c := x.Arrival.Class; (c == history.Pipeline || c == history.Events) && x.End != nil {
			return x.End.Verdict
		}
		return ""
	})
}

func halfClose(v *View) []Violation {
	return v.each(func(x *Exchange) string {
		if x.Arrival.Class != history.Tunnel || x.End == nil || x.End.Status != 101 || x.Outcome() == history.OK || x.Outcome() == history.Aborted ||
			v.Overlaps(x) || v.declaredEnd(x) {
			return ""
		}
		return "the client sent FIN and wanted the other direction's rest: " + describe(v, x)
	})
}

// declaredEnd tells whether a tunnel that was set up ended whole with its first
// half, as the subject declares that it does.
func (v *View) declaredEnd(x *Exchange) bool {
	return x.Arrival.Class == history.Tunnel && x.End != nil && x.End.Status == 101 && x.Outcome() == history.Truncated && v.declares("closes-tunnels-whole")
}

// inKernels is what TCP buffers and a proxy's own may hold between the origin and
// a client that reads slowly: for each of the path's connections tcp_wmem's and
// tcp_rmem's usual largest, 4 and 6 MiB, and some. A host whose limits are larger
// needs larger answers to be judged.
func inKernels(p history.Plan) int64 { return int64(2+len(p.Front)+len(p.Back)) * (12 << 20) }

// backpressure compares when the origin was rid of an answer with when the client
// had read it: what lay between is what somebody buffered.
func backpressure(v *View) []Violation {
	if v.declares("buffers-response") {
		return nil
	}
	return v.each(func(x *Exchange) string {
		done, ok := x.answered()
		a := x.Arrival
		if a.Class != history.Reader || a.Hold == 0 || x.Outcome() != history.OK || !ok || done.Outcome != history.OK || v.Overlaps(x) {
			return ""
		}
		left := float64(x.End.T-done.T) / float64(a.Hold) * float64(a.Size)
		if left > float64(inKernels(v.Plan)) {
			return fmt.Sprintf("the origin had sent all of %d MiB when the client, reading evenly, lacked about %.0f MiB of them", a.Size>>20, min(left, float64(a.Size))/(1<<20))
		}
		return ""
	})
}
