package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"faultbed/reports/history"
)

func (v *View) declares(what string) bool { return slices.Contains(v.Plan.Promise.Declares, what) }

// retries looks at how often one request reached the origin, and why again. POST
// is at-most-once's.
func retries(v *View) []Violation {
	return v.intact(func(x *Exchange) string {
		if posts(x.Arrival.Class) {
			return ""
		}
		tries := x.tries()
		for _, d := range x.deliveries() {
			if s := v.unfounded(x, d, tries); s != "" {
				return s
			}
		}
		return ""
	})
}

// unfounded says what is wrong with the deliveries of one request that its client
// sent so many times.
func (v *View) unfounded(x *Exchange, d []history.Event, tries int) string {
	most := tries
	switch {
	case v.declares("retries-dead-connections"):
		most = len(d)
		// Where the origin itself kills each connection, net/http goes on from one
		// that waited in its pool to the next, and what it dials joins them.
		killed := slices.Contains([]string{"drop", "reset"}, verb(x.Arrival.Script))
		if second := v.secondNew(x, d); second >= 0 && tries == 1 && !killed {
			most = second + 1
		}
	case v.declares("retries-idempotent"):
		most = 2 * tries
	}
	switch {
	case len(d) > tries && !v.Overlaps(x) && x.answeredBefore(d[len(d)-1]):
		return fmt.Sprintf("one %s request reached the origin %d times, again after the origin had answered it, and no fault acted", x.Arrival.Class, len(d))
	case len(d) > most:
		return fmt.Sprintf("one %s request, sent %s, reached the origin %d times, declared are %d", x.Arrival.Class, times(tries), len(d), most)
	case len(d) > tries && !v.Overlaps(x) && x.answers(d[0].ID) > tries:
		return fmt.Sprintf("the origin answered one %s request %d times, sent %s, and no fault acted", x.Arrival.Class, x.answers(d[0].ID), times(tries))
	case len(d) > tries && !strings.Contains(d[0].ID, ".") && x.End != nil && x.End.FirstByte != 0 && d[len(d)-1].T > x.End.FirstByte:
		return fmt.Sprintf("it reached the origin again %v after the first byte of its answer", ms(d[len(d)-1].T-x.End.FirstByte))
	}
	return ""
}

// answeredBefore tells whether the origin had ended an answer to the exchange
// before it got the request once more.
func (x *Exchange) answeredBefore(again history.Event) bool {
	return slices.ContainsFunc(x.Origin, func(e history.Event) bool {
		return e.Kind == history.Response && e.ID == again.ID && e.Outcome == history.OK && e.T < again.T
	})
}

// answers is how many whole answers the origin gave to a request.
func (x *Exchange) answers(id string) (n int) {
	for _, e := range x.Origin {
		if e.Kind == history.Response && e.ID == id && e.Outcome == history.OK {
			n++
		}
	}
	return n
}

// secondNew is where a request came on a connection that was dialled for it, for
// the second time; -1 if it never did. One that is first on its connection may have
// found one that was dialled for another and waited in a pool, so the connection
// must also be younger than the delivery before. Once that may be an accident too.
func (v *View) secondNew(x *Exchange, d []history.Event) int {
	if len(d) < 3 {
		return -1
	}
	opened := map[string]int64{}
	for _, e := range v.Origin {
		if e.Kind == history.ConnOpen {
			opened[e.Conn] = e.T
		}
	}
	found, before := 0, x.Begin.T
	for i, e := range d {
		if t, known := opened[e.Conn]; e.Nth <= 1 && (!known || t >= before) {
			if found++; found == 2 {
				return i
			}
		}
		before = e.T
	}
	return -1
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// deliveries are the arrivals at the origin of each request that the exchange
// made (a pipeline makes three), in order.
func (x *Exchange) deliveries() (out [][]history.Event) {
	if len(x.Origin) > 0 && x.count(history.Request) == 1 { // as a rule
		i := slices.IndexFunc(x.Origin, func(e history.Event) bool { return e.Kind == history.Request })
		return [][]history.Event{x.Origin[i : i+1]}
	}
	at := map[string]int{}
	for _, e := range x.Origin {
		if e.Kind != history.Request {
			continue
		}
		i, known := at[e.ID]
		if !known {
			i = len(out)
			at[e.ID], out = i, append(out, nil)
		}
		out[i] = append(out[i], e)
	}
	return out
}

// count of origin events of a kind.
func (x *Exchange) count(k history.Kind) (n int) {
	for i := range x.Origin {
		if x.Origin[i].Kind == k {
			n++
		}
	}
	return n
}

// tries is how often the client itself has sent it.
func (x *Exchange) tries() int {
	if x.End == nil || x.Arrival.Client != "retrying" {
		return 1
	}
	return max(1, int(x.End.Count))
}

// posts tells whether requests of a class are not idempotent.
func posts(c history.Class) bool {
	return slices.Contains([]history.Class{history.Upload, history.Trailers, history.Expects, history.Writer}, c)
}

func headerFidelity(v *View) []Violation {
	return v.intact(func(x *Exchange) string {
		for _, e := range x.Origin {
			if e.Kind == history.Request && e.Class == history.Headers && v.wrongLines(e.Verdict) {
				return "header lines of the request: " + e.Verdict
			}
		}
		if x.Arrival.Class == history.Headers && x.End != nil && v.wrongLines(x.End.Verdict) {
			return "header lines of the response: " + x.End.Verdict
		}
		return ""
	})
}

// wrongLines tells whether what became of header lines breaks the promise.
func (v *View) wrongLines(what string) bool {
	return what != "" && !(what == "hop-by-hop" && v.declares("forwards-connection-headers"))
}

// shortest is the hold from which a stream's first and last byte can be told apart.
const shortest = 100 * time.Millisecond

func streaming(v *View) []Violation {
	if v.declares("buffers-response") {
		return nil
	}
	return v.each(func(x *Exchange) string {
		c := x.Arrival.Class
		if c != history.Stream && c != history.H2Stream || x.Outcome() != history.OK || x.Arrival.Hold < int64(shortest) || v.Overlaps(x) {
			return ""
		}
		if done, ok := x.answered(); ok && x.End.FirstByte >= done.T {
			return fmt.Sprintf("its first byte came %v after the origin had sent the last", ms(x.End.FirstByte-done.T))
		}
		return ""
	})
}

// answered is the origin's word that it has ended an answer.
func (x *Exchange) answered() (history.Event, bool) {
	i := slices.IndexFunc(x.Origin, func(e history.Event) bool { return e.Kind == history.Response })
	if i < 0 {
		return history.Event{}, false
	}
	return x.Origin[i], true
}

func cancellation(v *View) []Violation {
	return v.each(func(x *Exchange) string {
		done, ok := x.answered()
		if x.Arrival.Class != history.Abort || x.Outcome() != history.OK || v.Overlaps(x) || !ok || done.Outcome != history.OK || done.T < x.End.T {
			return ""
		}
		return fmt.Sprintf("the client left, and the origin worked on to the end, %v", ms(done.T-x.End.T))
	})
}

// Growth that is no leak: what any program takes to warm up, and less for each
// request than a leak would be.
const (
	warmFiles, filesPerRequest   = 64, 0.25
	warmMemory, memoryPerRequest = 32 << 20, 16 << 10
)

// openAt is how many connections to the origin were open.
func (v *View) openAt(t int64) (n int64) {
	for _, e := range v.Origin {
		switch {
		case e.T > t:
		case e.Kind == history.ConnOpen:
			n++
		case e.Kind == history.ConnClose:
			n--
		}
	}
	return n
}

// leaks compares the subject's first and last usage. The last is taken when the
// load has ended and has closed its own connections.
func leaks(v *View) []Violation {
	var use []history.Event
	for _, e := range v.Fault {
		if e.Kind == history.Usage && e.Node == "subject-0" {
			use = append(use, e)
		}
	}
	if len(use) < 2 {
		return nil
	}
	n := 0
	for _, x := range v.Exchanges {
		if x.IsRequest() && x.Outcome() == history.OK {
			n++
		}
	}
	first, last := use[0], use[len(use)-1]
	files, bytes := last.Count-first.Count, last.Bytes-first.Bytes
	files -= v.openAt(last.T) - v.openAt(first.T) // connections to the origin are kept, not leaked
	var out []Violation
	add := func(format string, args ...any) {
		out = append(out, Violation{At: v.Rel(last.T), What: fmt.Sprintf(format, args...), Evidence: []history.Event{first, last}})
	}
	if float64(files) > warmFiles+filesPerRequest*float64(n) {
		add("%d requests left %d more open files", n, files)
	}
	if bytes > warmMemory+memoryPerRequest*int64(n) {
		add("%d requests left %d MiB more resident memory", n, bytes>>20)
	}
	return out
}
