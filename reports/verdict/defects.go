package verdict

import (
	"fmt"
	"time"

	"faultbed/reports/check"
	"faultbed/reports/history"
)

// backwards is how far the times of one exchange may contradict each other: two
// threads may read the clock in one order and be written down in another.
const backwards = int64(time.Millisecond)

// defects is what makes a trial's history doubtful in itself: what of it could
// not be read, and what of it can't be true. The checks judge the rest.
func defects(v *check.View) []string {
	out := append([]string(nil), v.Defects...)
	if v.Info.T0 == 0 && v.Plan.Engine == "timeline" && len(v.Exchanges) > 0 {
		out = append(out, "requests were begun and T0 is unknown: no time of them counts from the plan's")
	}
	out = append(out, strays(v)...)
	if s := unseen(v); s != "" {
		out = append(out, s)
	}
	if s := contradictions(v); s != "" {
		out = append(out, s)
	}
	return out
}

// unseen tells of an origin ledger that knows nothing of what clients were
// answered: it is another trial's, or empty.
func unseen(v *check.View) string {
	n := 0
	for _, x := range v.Exchanges {
		if !x.IsRequest() || x.Outcome() != history.OK || v.Plan.Engine != "timeline" {
			continue
		}
		if len(x.Origin) > 0 {
			return ""
		}
		n++
	}
	if n < 10 {
		return ""
	}
	return fmt.Sprintf("%d requests were answered, and the origin ledger knows none of them", n)
}

// strays tells of begins and ends that fit no exchange.
func strays(v *check.View) (out []string) {
	began := map[string]bool{}
	for _, x := range v.Exchanges {
		if len(v.Strays) > 0 {
			began[x.Begin.ID] = true
		}
	}
	for _, s := range []struct {
		kind history.Kind
		want bool
		what string
	}{{history.Begin, true, "began a second time"}, {history.End, true, "ended a second time"}, {history.End, false, "ended and never began"}} {
		n, first := 0, ""
		for _, e := range v.Strays {
			if e.Kind == s.kind && began[e.ID] == s.want {
				if n++; n == 1 {
					first = e.ID
				}
			}
		}
		if n > 0 {
			out = append(out, fmt.Sprintf("client ledger: %s %s, the first is %s", count(n, "request"), s.what, first))
		}
	}
	return out
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// contradictions tells of exchanges whose times run backwards.
func contradictions(v *check.View) string {
	n, first, worst := 0, "", int64(0)
	for _, x := range v.Exchanges {
		by, what := contradiction(x)
		if by <= backwards {
			continue
		}
		if n++; n == 1 {
			first = x.Begin.ID + " " + what
		}
		worst = max(worst, by)
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("clocks ran backwards in %s, by up to %v: %s", count(n, "request"), history.Dur(worst), first)
}

// contradiction is the widest of an exchange, ns.
func contradiction(x *check.Exchange) (by int64, what string) {
	see := func(earlier, later int64, said string) {
		if earlier != 0 && later != 0 && earlier-later > by {
			by, what = earlier-later, said
		}
	}
	see(x.Begin.Planned, x.Begin.T, "began before it was planned")
	if x.End != nil {
		see(x.Begin.T, x.End.T, "ended before it began")
		see(x.End.Connected, x.End.T, "connected after its end")
		see(x.End.Sent, x.End.T, "was sent after its end")
		see(x.End.FirstByte, x.End.T, "was answered after its end")
	}
	for i := range x.Origin {
		if x.Origin[i].Kind == history.Request {
			see(x.Begin.T, x.Origin[i].T, "reached the origin before it began")
		}
	}
	return by, what
}
