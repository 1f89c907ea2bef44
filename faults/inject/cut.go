package inject

import (
	"faultbed/faults/param"
	"faultbed/faults/room"
)

// connKinds are the faults on single connections and on calls to the network.
func connKinds() []room.Kind { return []room.Kind{cut, connectErrno, connectDelay} }

// Sides of the subject.
const (
	front = "front"
	back  = "back"
)

// Ways to end a connection, and what it must be doing to be chosen.
const (
	byFIN = "fin"
	byRST = "rst"
	busy  = "busy"
	idle  = "idle"
)

// cutParams are inject.cut's parameters as a plan holds them.
type cutParams struct {
	Side  string `json:"side"`
	By    string `json:"by"`
	Which string `json:"which"`
	Count int    `json:"count"`
}

// cut takes a copy of the subject's own socket (pidfd_getfd(2)) and ends the
// connection on it: shutdown(2) sends FIN, connect(2) to AF_UNSPEC sends RST. The
// subject is not stopped; it learns of it as of any end of a connection.
var cut = room.Kind{
	Name: "cut", Sentence: "cuts live connections of the subject by FIN or RST, on the subject's own sockets",
	Touches: "connections", Bites: "one connection whose socket was read back as ended (TCP_INFO); the detail has its addresses, and for how long it had been silent (the kernel keeps no age)",
	Host: "Linux 5.6 (pidfd_getfd), the right to trace the subject", Lifts: true,
	Params: []param.Param{
		{Name: "side", Type: param.Enum, Of: []string{front, back}, Default: back, Doc: "front: accepted by the subject; back: dialled by it to the origin"},
		{Name: "by", Type: param.Enum, Of: []string{byRST, byFIN}, Default: byRST, Doc: "what the peer sees; with fin the subject, too, reads an end and can't write any more"},
		{Name: "which", Type: param.Enum, Of: []string{"any", busy, idle}, Default: "any", Doc: "busy: the last bytes were a request's; idle: they were an answer's (to the kernel's tick, 1 to 10 ms)"},
		{Name: "count", Type: param.Int, Unit: "connections", Min: 1, Max: 10000, Default: int64(1), Doc: "so many at most, as they are found while the fault lasts; of those found at once the seed chooses"},
	},
	Probe: probeCut, Inject: injectCut,
}
