package check

import (
	"fmt"
	"slices"
	"time"

	"faultbed/reports/history"
)

func (v *View) declares(what string) bool { return slices.Contains(v.Plan.Promise.Declares, what) }

// retries counts how often one request reached the origin. POST is at-most-once's.
func retries(v *View) []Violation {
	most := 1
	if v.declares("retries-idempotent") {
		most = 2
	}
	return v.each(func(x *Exchange) string {
		if n := x.count(history.Request); x.Arrival.Class != history.Upload && n > most {
			return fmt.Sprintf("one %s request reached the origin %d times, declared are %d", x.Arrival.Class, n, most)
		}
		return ""
	})
}

func headerFidelity(v *View) []Violation {
	return v.each(func(x *Exchange) string {
		for _, e := range x.Origin {
			if e.Kind == history.Request && e.Class == history.Headers && e.Verdict != "" {
				return "header lines of the request: " + e.Verdict
			}
		}
		if x.Arrival.Class == history.Headers && x.End != nil && x.End.Verdict != "" {
			return "header lines of the response: " + x.End.Verdict
		}
		return ""
	})
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
		if x.Arrival.Class != history.Abort || x.Outcome() != history.OK || !ok || done.Outcome != history.OK || done.T < x.End.T {
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

// leaks compares the subject's first and last usage.
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
