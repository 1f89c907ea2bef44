package inject

import (
	"context"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"time"

	"faultbed/faults/inject/notify"
	"faultbed/faults/param"
	"faultbed/faults/room"
)

// connectParams are the parameters of the faults on connect(2) as a plan holds them.
type connectParams struct {
	Errno string `json:"errno"`
	Delay int64  `json:"delay"`
}

const filtering = tracing + ", Linux 5.19 (seccomp notification)"

// connectErrno: connections that are open already go on. The filter stays in the
// process until that ends, and lets everything through once the fault is lifted.
var connectErrno = room.Kind{
	Name: "errno", Sentence: "makes the subject's connect calls to the origin fail with an error number, which the kernel never saw a reason for",
	Touches: "calls", Bites: "one connect call to the origin that was answered so; a pooled connection makes none",
	Host: filtering, Lifts: true, Probe: canTrace, Inject: injectConnect,
	Params: []param.Param{{Name: "errno", Type: param.Enum, Of: slices.Sorted(maps.Keys(notify.Errnos)), Default: "ECONNREFUSED", Doc: "what connect(2) gives, at once"}},
}

// connectDelay holds the calling thread, also where the socket does not block: as a
// kernel under a security agent does, not as a slow network (that is faults/packet's).
var connectDelay = room.Kind{
	Name: "connect-delay", Sentence: "holds the subject's connect calls to the origin, with the thread that calls, and then lets them through",
	Touches: "calls", Bites: "one connect call to the origin that was held for the whole delay",
	Host: filtering, Lifts: true, Probe: canTrace, Inject: injectConnect,
	Params: []param.Param{{Name: "delay", Type: param.Duration, Min: int64(time.Millisecond), Max: int64(time.Minute), Doc: "a program with one event loop stands still for so long"}},
}

func injectConnect(ctx context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
	var p connectParams
	if err := json.Unmarshal(with, &p); err != nil {
		return nil, err
	}
	origin, err := netip.ParseAddrPort(t.Origin)
	if err != nil {
		return nil, err
	}
	return supervise(ctx, t, notify.Spec{Dest: origin, Errno: p.Errno, Delay: time.Duration(p.Delay)})
}
