package check

import (
	"slices"
	"strings"

	"faultbed/reports/history"
)

// Struck is the id of the request that a bite names, if it was of one request: a
// fault inside the subject read its path, /fb/CLASS/ID.
func Struck(bite history.Event) string {
	_, rest, ok := strings.Cut(bite.Detail, "/fb/")
	if bite.Kind != history.Bite || bite.Via != "requests" || !ok {
		return ""
	}
	path, _, _ := strings.Cut(rest, " ")
	_, id, _ := strings.Cut(path, "/")
	id, _, _ = strings.Cut(id, ".") // of a pipelined one
	return id
}

// beside tells whether faults hit single requests, this one was none of them, and
// no other fault acted meanwhile: then it is a bystander.
func (v *View) beside(x *Exchange) bool {
	single := map[string]bool{} // faults that hit single requests
	for _, e := range v.Fault {
		if id := Struck(e); id == x.Arrival.ID && id != "" {
			return false
		} else if id != "" {
			single[e.ID] = true
		}
	}
	from, to := v.Span(x)
	return len(single) > 0 && !slices.ContainsFunc(v.Windows, func(w Window) bool {
		return !single[w.Fault.ID] && w.From != 0 && w.From <= to && from <= w.To
	})
}
