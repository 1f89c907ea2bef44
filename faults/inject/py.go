package inject

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// aiohttp is what a subject must declare: the handlers that are wrapped are aiohttp's.
const aiohttp = "aiohttp"

// pyParams are the parameters of the Python faults as a plan holds them.
type pyParams struct {
	Class   string `json:"class"`
	Request string `json:"request"`
	Times   int    `json:"times"`
	Seconds int64  `json:"seconds"`
}

var pySeconds = param.Param{Name: "seconds", Type: param.Duration, Min: int64(time.Millisecond), Max: int64(time.Minute), Default: int64(time.Second), Doc: "how long"}

// pyKinds are the faults in one request of an unmodified Python program. The program
// itself confirms each request that was hit.
func pyKinds() []room.Kind {
	hit := func(name, sentence, unit, bites string, params ...param.Param) room.Kind {
		k := room.Kind{
			Name: "python-" + name, Sentence: sentence, Touches: "requests", Bites: bites, Host: tracing, Subject: aiohttp, Lifts: true,
			Params: append([]param.Param{byClass, byID, times}, params...), Probe: canTrace, Inject: pyFault("py"+name, unit),
		}
		if unit != "" {
			k.Touches = unit
		}
		return k
	}
	return []room.Kind{
		hit("raise", "makes an unmodified aiohttp program raise RuntimeError in requests, where their handler would begin", "",
			"one request that the program itself says it raised in, and that did not end well"),
		hit("block", "makes an unmodified aiohttp program block its event loop in requests, as a handler does that forgot an await", "blocks",
			"one request in which the program itself says it stood still", pySeconds),
		hit("hang", "makes requests to an unmodified aiohttp program wait before their handler, which nobody else notices", "",
			"one request that the program itself says it held, and that did not end well", pySeconds),
		hit("exit", "makes an unmodified Python program end at once in a request (os._exit with 70)", "",
			"one request that the program named as its last words, and that did not end well"),
	}
}

// pyFault runs the injector with a command for as long as the fault lasts. Its bites
// are requests, or in a unit of their own where the request itself ends well.
func pyFault(command, unit string) func(context.Context, room.Target, json.RawMessage) (room.Active, error) {
	return func(ctx context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		var p pyParams
		if err := json.Unmarshal(with, &p); err != nil {
			return nil, err
		}
		path := "/fb/"
		if p.Class != "any" {
			path += p.Class + "/"
		}
		return beginFor(ctx, t, unit, t.PID, command, "--addr="+t.Addr, "--path="+path, "--request="+p.Request,
			"--times="+strconv.Itoa(p.Times), "--seconds="+time.Duration(max(p.Seconds, int64(time.Second/1000))).String())
	}
}
