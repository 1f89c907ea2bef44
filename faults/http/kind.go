package http

import (
	"cmp"
	"context"
	"slices"

	"faultbed/faults/param"
)

// Kind is one fault.
type Kind struct {
	Name     string
	Sentence string // what it does, lower case, no full stop
	Touches  string // unit of its bites
	Bites    string // what counts as one
	HTTP2    bool   // it speaks HTTP/2, to the subject's TLS listener
	Params   []param.Param

	slow func(ctx context.Context, a *attack, c conn)    // HTTP/1: works until ctx or the connection ends
	run  func(ctx context.Context, a *attack, c *h2conn) // HTTP/2: the same
}

// Kinds lists all kinds, sorted by name.
func Kinds() []Kind { return slices.Clone(kinds) }

var kinds = func() []Kind {
	ks := []Kind{slowloris, slowBody, slowRead, rapidReset, continuationFlood, madeYouReset, settingsFlood, pingFlood,
		windowStall, goawayRace, emptyDataFlood}
	slices.SortFunc(ks, func(a, b Kind) int { return cmp.Compare(a.Name, b.Name) })
	return ks
}()

// Find is the kind of a name, without its family.
func Find(name string) (Kind, bool) {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// Bounds of an attack: what one core of a busy machine can bear.
const (
	mostConnections = 200
	mostRate        = 2000
)

func connections(n int64) param.Param {
	return param.Param{Name: "connections", Type: param.Int, Unit: "connections", Min: 1, Max: mostConnections, Default: n, Doc: "open at a time; one that the subject ends is dialled again"}
}

func rate(n int64, what string) param.Param {
	return param.Param{Name: "rate", Type: param.Int, Unit: what + "/s", Min: 1, Max: mostRate, Default: n, Doc: "over all connections"}
}
