package wire

import (
	"slices"
	"strings"
	"time"

	"faultbed/faults/param"
)

// Kind is one kind of fault: what it does, what it takes, and how to make what
// does it.
type Kind struct {
	Name     string
	Sentence string
	Bites    string // what counts as one bite
	Needs    string // what the relay's host must have; empty: nothing
	Params   []param.Param

	share func(Fault) any          // what all its effects of one injection have in common
	make  func(f Fault, c any) any // the effect on one direction of one connection; c is what they share
	turn  func(Fault) Fault        // another way to say the same to the relay
	check func(Fault) error        // what no range can say
	probe func() error             // whether this host has what it needs
}

// The relay asks an effect at the points below. An effect has those methods that
// concern it, mostly one.
type (
	// opener acts when the fault takes hold of a connection.
	opener interface{ open(*hold) }
	// arriver acts on an accepted connection whose target is not dialled yet, and
	// may keep it waiting.
	arriver interface{ arrive(*conn, *active) }
	// actor acts once, at its byte or instant; false ends the direction.
	actor interface{ act(*pump, *grip) bool }
	// holder keeps bytes and ends back: until an instant or, if that is zero,
	// until it is lifted.
	holder interface {
		held(now time.Time) (until time.Time, on bool)
	}
	// pacer says how many of n bytes may go on together, and how long they wait.
	pacer interface {
		most(n int64) int64
		wait(now time.Time, n int64) time.Duration
	}
	// mangler changes bytes between its edges, which count from where it begins.
	// A piece never crosses one. rest is what it still owes.
	mangler interface {
		edges() []int64
		mangle(offset int64, piece []byte) []byte
		rest() []byte
	}
	// finer acts when the source has sent FIN; false keeps the FIN back.
	finer interface{ fin(*pump, *grip) bool }
	// mute keeps the source unread.
	mute interface{ mute() }
)

// Kinds lists all kinds, sorted by name.
func Kinds() []Kind { return slices.Clone(kinds) }

var kinds = sorted(rst, rstAt, cut, halfClose, halfCloseLost, late, blackHole, stall, neverRead, drip, bandwidth,
	corrupt, duplicate, reorder, tlsRecordCut, silentAccept, slowAccept, connectionRate, refuse, observe)

func sorted(ks ...Kind) []Kind {
	slices.SortFunc(ks, func(a, b Kind) int { return strings.Compare(a.Name, b.Name) })
	return ks
}

func kindOf(name string) (Kind, bool) {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// Probe is an error that says why the kind can't run on this host, or nil.
func (k Kind) Probe() error {
	if k.probe == nil {
		return nil
	}
	return k.probe()
}

// takes tells whether the kind has a parameter.
func (k Kind) takes(name string) bool {
	return slices.ContainsFunc(k.Params, func(p param.Param) bool { return p.Name == name })
}

// Parameters that several kinds share.
var (
	along     = param.Param{Name: "direction", Type: param.Enum, Of: []string{Down, Up, Both}, Default: Down, Doc: "down: server to client; up: client to server"}
	towards   = param.Param{Name: "towards", Type: param.Enum, Of: []string{Both, "client", "server"}, Default: Both, Doc: "the end that gets the RST; the other one is told nothing, and what it sends vanishes"}
	matching  = param.Param{Name: "match", Type: param.Enum, Of: []string{"all", "new", "live"}, Default: "all", Doc: "connections opened after the injection, open at it, or both"}
	everyNth  = param.Param{Name: "every", Type: param.Int, Unit: "connections", Min: 1, Max: 1 << 20, Default: int64(1), Doc: "touch every nth connection (or request, if class or request is given) that matches"}
	limit     = param.Param{Name: "limit", Type: param.Int, Unit: "connections", Min: 0, Max: 1 << 20, Default: int64(0), Doc: "touch at most so many; 0: no limit"}
	chance    = param.Param{Name: "chance", Type: param.Share, Default: 1.0, Doc: "share of those that match, chosen by a hash of the seed and the connection's number (or the request's id)"}
	byClass   = param.Param{Name: "class", Type: param.Enum, Of: append([]string{"any"}, classes()...), Default: "any", Doc: "act once for each request of this class, by the path /fb/CLASS/ID of plain HTTP/1, counting from the end of its request line"}
	byID      = param.Param{Name: "request", Type: param.Text, Default: "", Doc: "act once for each request whose id begins so; as class"}
	atByte    = param.Param{Name: "at_byte", Type: param.Int, Unit: "bytes", Min: 0, Max: 1 << 40, Unless: "when", Doc: "bytes of the direction that pass before, counted from the injection, the connection's start or the instant \"when\", whichever is last"}
	afterByte = defaulted(atByte, int64(0))
	when      = param.Param{Name: "when", Type: param.Enum, Of: append([]string{"any"}, instantNames()...), Default: "any", Doc: "the instant of a protocol from which at_byte counts; any: none"}
	nth       = param.Param{Name: "nth", Type: param.Int, Unit: "instants", Min: 1, Max: 1 << 20, Default: int64(1), Doc: "the nth such instant"}
	bodyByte  = param.Param{Name: "byte", Type: param.Int, Unit: "bytes", Min: 0, Max: 1 << 40, Default: int64(0), Doc: "of a body, without its chunk framing; for request-body-byte and response-body-byte"}
	frame     = param.Param{Name: "frame", Type: param.Enum, Of: append([]string{"any"}, frameNames[:]...), Default: "any", Doc: "type of the frame; for request-frame and response-frame"}
)

func defaulted(p param.Param, v any) param.Param {
	p.Default, p.Unless = v, ""
	return p
}

// selecting is how a fault on bytes chooses connections.
func selecting(ps ...param.Param) []param.Param {
	return append(ps, matching, everyNth, limit, chance, byClass, byID)
}

// at is a fault that begins at a byte or an instant, which it must be told.
func at(ps ...param.Param) []param.Param {
	return selecting(append(ps, atByte, along, when, nth, bodyByte, frame)...)
}

// from is one that begins at once unless it is told a byte or an instant.
func from(ps ...param.Param) []param.Param {
	return selecting(append(ps, afterByte, along, when, nth, bodyByte, frame)...)
}

// arriving is how a fault at accept chooses connections.
func arriving(ps ...param.Param) []param.Param { return append(ps, everyNth, limit, chance) }

func millis(name string, most time.Duration, def any, doc string) param.Param {
	return param.Param{Name: name, Type: param.Duration, Min: 0, Max: int64(most), Default: def, Doc: doc}
}

func bytesOf(name string, least, most int64, def any, doc string) param.Param {
	return param.Param{Name: name, Type: param.Int, Unit: "bytes", Min: least, Max: most, Default: def, Doc: doc}
}
