package scenario

import (
	"testing"

	"faultbed/reports/history"
)

// TestWaiting lets events come to faults that wait: each once, and none when nothing
// is left that could bring one.
func TestWaiting(t *testing.T) {
	p := history.Plan{Promise: history.Promise{Signal: "TERM"}, Faults: []history.Fault{
		{ID: "f1"}, {ID: "f2", After: "fault-begun f1"}, {ID: "f3", After: "fault-lifted f2"}, {ID: "f4", After: "error"}}}
	w := newWaiting(p)
	over := func() bool {
		select {
		case <-w.never:
			return true
		default:
			return false
		}
	}
	came := func(id string) int64 {
		select {
		case at := <-w.came[id]:
			return at
		default:
			return 0
		}
	}
	w.done() // the load
	w.see([]history.Event{{T: 5, Kind: history.Inject, ID: "f1"}, {T: 6, Kind: history.Inject, ID: "f1"}})
	w.done() // f1
	if at := came("f2"); at != 5 || over() {
		t.Errorf("f2 came at %d, over %v; want 5, for f2 may bring more", at, over())
	}
	w.see([]history.Event{{T: 7, Kind: history.Lift, ID: "f2"}})
	w.done() // f2
	if at := came("f3"); at != 7 || over() {
		t.Errorf("f3 came at %d, over %v", at, over())
	}
	w.done() // f3
	if at := came("f4"); at != 0 || !over() {
		t.Errorf("f4 came at %d, over %v; want never", at, over())
	}
}
