package inject

import (
	"context"
	"encoding/json"
	"errors"

	"faultbed/faults/param"
	"faultbed/faults/room"
	"faultbed/proxy/pidfd"
)

// nativeKinds are crashes of any program, as its own machine code would cause them.
func nativeKinds() []room.Kind {
	return []room.Kind{
		crash("segv", "makes the subject's first thread go on at address 0: SIGSEGV by a fault of its own, which ends a PID 1 too"),
		crash("abort", "makes the subject call abort(3): SIGABRT from itself, and where a PID 1 ignores that the instruction hlt"),
		crash("stack-overflow", "makes the stack pointer of the subject's first thread leave its stack: SIGSEGV with no stack to handle it on"),
	}
}

func crash(name, sentence string) room.Kind {
	return room.Kind{
		Name: name, Sentence: sentence, Touches: "processes", Bites: "one process that was changed so and was seen to end", Host: tracing,
		Params: []param.Param{{Name: "whom", Type: param.Enum, Of: []string{"own", "worker"}, Default: "own", Doc: "own: the subject's own process; worker: its first child, an error if it has none"}},
		Probe:  canTrace,
		Inject: func(ctx context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
			pid, err := victim(t, with)
			if err != nil {
				return nil, err
			}
			i, err := begin(ctx, t, pid, name)
			if err != nil {
				return nil, err
			}
			return nil, i.await(ctx)
		},
	}
}

// victim is the process to crash.
func victim(t room.Target, with json.RawMessage) (int, error) {
	var p struct {
		Whom string `json:"whom"`
	}
	if err := json.Unmarshal(with, &p); err != nil {
		return 0, err
	}
	if p.Whom == "own" {
		return t.PID, nil
	}
	children := pidfd.Children(t.PID)
	if len(children) == 0 {
		return 0, errors.New("the subject has no worker process")
	}
	return children[0], nil
}
