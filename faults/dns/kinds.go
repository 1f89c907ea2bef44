package dns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// What a server can be told to do with queries.
const (
	NXDomain = "nxdomain"
	ServFail = "servfail"
	Slow     = "slow"
	Drop     = "drop"
	Wrong    = "wrong"
	Move     = "move"
)

// Kinds lists the room's faults.
func Kinds() []room.Kind {
	delay := param.Param{Name: "delay", Type: param.Duration, Min: int64(time.Millisecond), Max: int64(time.Minute), Doc: "from the query to its answer"}
	return []room.Kind{
		kind(NXDomain, "answers that the origin's name does not exist (NXDOMAIN)"),
		kind(ServFail, "answers that the server failed (SERVFAIL)"),
		kind(Slow, "answers late", delay),
		kind(Drop, "leaves queries unanswered"),
		kind(Wrong, "answers with an address of the bed where nobody listens"),
		kind(Move, "answers with another address, where the origin is reached too"),
	}
}

func kind(name, sentence string, ps ...param.Param) room.Kind {
	return room.Kind{
		Name: name, Sentence: sentence, Touches: "queries", Bites: "a query for the origin's name that was answered so", Lifts: true,
		Host: "Linux and root: port 53, and in the process runtime a mount namespace", Params: ps, Probe: probe,
		Inject: func(ctx context.Context, t room.Target, raw json.RawMessage) (room.Active, error) {
			if t.Names == nil {
				return nil, errors.New("the bed has no name server")
			}
			o := Order{ID: t.Fault, Do: name}
			if err := json.Unmarshal(raw, &o); err != nil {
				return nil, fmt.Errorf("dns.%s: %w", name, err)
			}
			if err := t.Names(ctx, "inject", o); err != nil {
				return nil, err
			}
			return room.LiftFunc(func(ctx context.Context) error { return t.Names(ctx, "lift", t.Fault) }), nil
		},
	}
}

func probe() error {
	switch {
	case runtime.GOOS != "linux":
		return errors.New("needs Linux")
	case os.Geteuid() != 0:
		return errors.New("needs root")
	}
	return nil
}
