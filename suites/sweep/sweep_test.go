package sweep

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"faultbed/faults/wire"
	"faultbed/proxy"
	"faultbed/reports/history"
)

func subject(t *testing.T) *proxy.Spec {
	t.Helper()
	all, err := proxy.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return all[slices.IndexFunc(all, func(s *proxy.Spec) bool { return s.Name == "go" })]
}

func TestCheck(t *testing.T) {
	good := Options{Fault: "wire.cut", Leg: "back", Class: "short", Size: 100}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Options){
		`no fault "wire.cutt"`:             func(o *Options) { o.Fault = "wire.cutt" },
		"wire.refuse has no instant":       func(o *Options) { o.Fault = "wire.refuse" },
		"process.pause has no instant":     func(o *Options) { o.Fault = "process.pause" },
		`no leg ""`:                        func(o *Options) { o.Leg = "" },
		`class "h2" can't be swept`:        func(o *Options) { o.Class = "h2" },
		"size 0: want 1 to":                func(o *Options) { o.Size = 0 },
		`no direction "sideways"`:          func(o *Options) { o.Direction = "sideways" },
		"bytes 5..4: want at most":         func(o *Options) { o.Direction, o.First, o.Last = "up", 5, 4 },
		"bytes 0..500: want at most":       func(o *Options) { o.Direction, o.Last = "up", 500 },
		"parameter limit is the sweep's":   func(o *Options) { o.With = map[string]any{"limit": 3} },
		"wire.cut: pause: no such":         func(o *Options) { o.With = map[string]any{"pause": "1s"} },
		"fault wire.stall: pause: missing": func(o *Options) { o.Fault = "wire.stall" },
	} {
		o := good
		change(&o)
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// event notes an instant as a look does.
func event(t *testing.T, i wire.Trigger) history.Event {
	t.Helper()
	b, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	return history.Event{Kind: history.Shown, Detail: "instant " + string(b)}
}

func TestSeen(t *testing.T) {
	at := func(when string, nth int, b int64) history.Event {
		return event(t, wire.Trigger{When: when, Nth: nth, Byte: b})
	}
	got := Seen(&history.Trial{Fault: []history.Event{{Kind: history.Shown, Detail: "dial-failed"}, at(wire.RequestHeadBegun, 1, 0), at(wire.ResponseHeadDone, 1, 0),
		at(wire.ResponseBodyByte, 1, 0), at(wire.ResponseBodyByte, 1, 9), at(wire.ResponseBodyByte, 1, 10), at(wire.ResponseBodyByte, 1, 99),
		at(wire.ResponseEnd, 1, 0), at(wire.RequestHeadBegun, 2, 0)}})
	want := "request-head-begun, response-head-done, response-body-byte 0, response-body-byte 49, response-body-byte 99, response-end"
	var names []string
	for _, i := range got {
		names = append(names, i.String())
	}
	if s := strings.Join(names, ", "); s != want {
		t.Errorf("%s, want %s", s, want)
	}
}

// TestPlan: each instant has a request of its own, and the fault is for it alone.
func TestPlan(t *testing.T) {
	o := Options{Fault: "wire.cut", Leg: "back", Class: "fresh", Size: 100, Direction: "up", First: 3, Last: 40, Seed: 7}
	p, err := o.Plan(subject(t), o.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if p.Scenario != "sweep/cut-back-fresh-up-3-40" || len(p.Faults) != 38 || !slices.Contains(p.Back, "wire") {
		t.Errorf("%s, %d faults, back %v", p.Scenario, len(p.Faults), p.Back)
	}
	seen := map[string]bool{}
	for i, f := range p.Faults {
		var with struct {
			Request   string `json:"request"`
			Limit     int    `json:"limit"`
			AtByte    int64  `json:"at_byte"`
			Direction string `json:"direction"`
		}
		if err := json.Unmarshal(f.With, &with); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, a := range p.Arrivals {
			if strings.HasPrefix(a.ID, with.Request) && a.Class == history.Fresh && a.At > f.At && a.At+p.Timeout <= f.End() {
				n++
			}
		}
		if n != 1 || seen[with.Request] || with.Limit != 1 || with.AtByte != int64(i)+3 || with.Direction != "up" {
			t.Errorf("fault %d: %+v is for %d requests", i, with, n)
		}
		seen[with.Request] = true
	}
	again, err := o.Plan(subject(t), o.Bytes())
	if err != nil || fmt.Sprint(again) != fmt.Sprint(p) {
		t.Error("the same options give other plans", err)
	}
}
