package inject

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"faultbed/faults/param"
	"faultbed/faults/room"
	"faultbed/reports/history"
)

// goKinds are the faults in one request of an unmodified Go program.
func goKinds() []room.Kind { return []room.Kind{goPanic, goDie, goHang} }

// goHTTP is what a subject must declare: the functions that are hit are net/http's.
const goHTTP = "go-http"

// goParams are the parameters of the Go faults as a plan holds them.
type goParams struct {
	Class   string `json:"class"`
	Request string `json:"request"`
	Times   int    `json:"times"`
	Point   string `json:"point"`
	Hang    int64  `json:"hang"`
}

// Which requests are hit.
var (
	byClass = param.Param{Name: "class", Type: param.Enum, Of: append([]string{"any"}, requests()...), Default: "any", Doc: "hit requests of this class, by the path /fb/CLASS/ID that the program has parsed, over any protocol"}
	byID    = param.Param{Name: "request", Type: param.Text, Default: "", Doc: "hit requests whose id begins so"}
	times   = param.Param{Name: "times", Type: param.Int, Unit: "requests", Min: 1, Max: 10000, Default: int64(1), Doc: "hit so many at most, the first ones; then the program is let go"}
)

// requests are the classes that pass through the subject and end by themselves.
func requests() (out []string) {
	for _, c := range history.Classes() {
		if !c.IsHeld() && c != history.Control {
			out = append(out, string(c))
		}
	}
	return out
}

const tracing = "Linux on amd64, the right to trace the subject (CAP_SYS_PTRACE)"

// goPanic's receiver is nil at the entry of the function that serves the request.
var goPanic = room.Kind{
	Name: "go-panic", Sentence: "makes an unmodified Go proxy panic in requests under way: a nil dereference in their own goroutine, which net/http recovers",
	Touches: "requests", Bites: "one request whose goroutine was changed, and that did not end well; the detail has its path, the function and how long its thread was held",
	Host: tracing, Subject: goHTTP, Lifts: true,
	Params: []param.Param{byClass, byID, times,
		{Name: "point", Type: param.Enum, Of: []string{"handler", "proxy", "response"}, Default: "handler", Doc: "handler: where net/http's server calls it; proxy: where the reverse proxy's own handler begins; response: where it begins to copy the response's body, after its head"}},
	Probe:  canTrace,
	Inject: goFault("gopanic"),
}

// goDie's receiver is nil in the goroutine that reads from the origin.
var goDie = room.Kind{
	Name: "go-die", Sentence: "makes an unmodified Go proxy panic in the goroutine of a connection to the origin, which nobody recovers: the process ends",
	Touches: "requests", Bites: "one request whose answer was about to be read, in a process that ended; the detail as of inject.go-panic",
	Host: tracing, Subject: goHTTP, Lifts: true,
	Params: []param.Param{byClass, byID}, Probe: canTrace, Inject: goFault("godie"),
}

// goHang's goroutine sleeps as a handler that waits for something would: threads,
// locks and the garbage collector are not held up.
var goHang = room.Kind{
	Name: "go-hang", Sentence: "makes requests under way in an unmodified Go proxy sleep in place of their handler, which then answers nothing (an empty 200)",
	Touches: "requests", Bites: "one request whose goroutine was sent to sleep, and that did not end well; the detail as of inject.go-panic",
	Host: tracing, Subject: goHTTP, Lifts: true,
	Params: []param.Param{byClass, byID, times,
		{Name: "hang", Type: param.Duration, Min: int64(time.Millisecond), Max: int64(time.Minute), Default: int64(10 * time.Second), Doc: "how long; longer than the client waits, the request hangs"}},
	Probe: canTrace, Inject: goFault("gohang"),
}

// goFault runs the injector with a command for as long as the fault lasts.
func goFault(command string) func(context.Context, room.Target, json.RawMessage) (room.Active, error) {
	return func(ctx context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var p goParams
		if err := json.Unmarshal(with, &p); err != nil {
			return nil, err
		}
		return begin(ctx, t, t.PID, append([]string{command}, p.args(command)...)...)
	}
}

// args is how the injector is told.
func (p goParams) args(command string) []string {
	path := "/fb/"
	if p.Class != "any" {
		path += p.Class + "/"
	}
	out := []string{"--path=" + path, "--request=" + p.Request}
	switch command {
	case "gopanic":
		out = append(out, "--point="+p.Point)
	case "gohang":
		out = append(out, "--hang="+time.Duration(p.Hang).String())
	}
	if p.Times > 0 {
		out = append(out, "--times="+strconv.Itoa(p.Times))
	}
	return out
}
