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

// beside tells whether faults hit single requests, and this one was none of them:
// then it is a bystander.
func (v *View) beside(x *Exchange) bool {
	var struck []string
	for _, e := range v.Fault {
		if id := Struck(e); id != "" {
			struck = append(struck, id)
		}
	}
	return len(struck) > 0 && !slices.Contains(struck, x.Arrival.ID)
}
