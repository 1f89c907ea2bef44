package wire

import (
	"fmt"
	"slices"
	"time"

	"faultbed/faults/param"
	"faultbed/reports/history"
)

// Names of kinds; [Kinds] says in a sentence what each does.
const (
	RST            = "rst"
	RSTAt          = "rst-at"
	Cut            = "cut"
	HalfClose      = "half-close"
	HalfCloseLost  = "half-close-lost"
	Late           = "late"
	BlackHole      = "blackhole"
	Stall          = "stall"
	NeverRead      = "never-read"
	Drip           = "drip"
	Bandwidth      = "bandwidth"
	Corrupt        = "corrupt"
	Duplicate      = "duplicate"
	Reorder        = "reorder"
	TLSRecordCut   = "tls-record-cut"
	SilentAccept   = "silent-accept"
	SlowAccept     = "slow-accept"
	ConnectionRate = "connection-rate"
	Refuse         = "refuse"
	Look           = "look"
)

// Directions.
const (
	Down = "down" // server to client
	Up   = "up"   // client to server
	Both = "both"
)

// Fault is what a relay is told to do. A kind reads the fields that its
// parameters name ([Kind.Params]); a zero value is their default.
type Fault struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
	Seed uint64 `json:"seed,omitempty"` // of Chance: the plan's

	// Which connections, or requests.
	Match   string  `json:"match,omitempty"`   // all, new (opened after the injection), live (open at it)
	Every   int     `json:"every,omitempty"`   // every nth that matches, the first included
	Limit   int     `json:"limit,omitempty"`   // touch at most so many; 0: no limit
	Chance  float64 `json:"chance,omitempty"`  // share of them; 0 is as 1
	Class   string  `json:"class,omitempty"`   // class of a request
	Request string  `json:"request,omitempty"` // how a request's id begins

	// From where.
	Direction string `json:"direction,omitempty"`
	AtByte    int64  `json:"at_byte,omitempty"` // bytes that pass before; 0 acts when the first one comes
	When      string `json:"when,omitempty"`    // an instant from which AtByte counts
	Nth       int    `json:"nth,omitempty"`
	Byte      int64  `json:"byte,omitempty"`
	Frame     string `json:"frame,omitempty"`

	// How.
	Towards string        `json:"towards,omitempty"` // rst, rst-at
	Size    int64         `json:"size,omitempty"`    // bytes: drip, corrupt, duplicate, reorder
	Gap     time.Duration `json:"gap,omitempty"`     // drip
	Pause   time.Duration `json:"pause,omitempty"`   // stall
	Delay   time.Duration `json:"delay,omitempty"`   // late, slow-accept
	Rate    int64         `json:"rate,omitempty"`    // bandwidth: bytes/s; connection-rate: connections/s
	As      string        `json:"as,omitempty"`      // half-close-lost: silence or close
	Record  int           `json:"record,omitempty"`  // tls-record-cut
	Keep    int64         `json:"keep,omitempty"`    // tls-record-cut: bytes of the record
	End     string        `json:"end,omitempty"`     // tls-record-cut: fin or rst

	Protocol string `json:"protocol,omitempty"` // look
}

// Check refuses what the relay can't do: a fault that can't act would be taken
// for one that found nothing to act on. Errors are [*param.Error].
func Check(f Fault) error {
	k, ok := kindOf(f.Kind)
	if !ok {
		return param.Errorf("fault", "no fault %q", f.Kind)
	}
	for _, c := range []func(Kind) error{f.checkChoice, f.checkPlace, f.checkSizes} {
		if err := c(k); err != nil {
			return err
		}
	}
	if k.check != nil {
		return k.check(f)
	}
	return nil
}

func (f Fault) checkChoice(k Kind) error {
	switch {
	case !slices.Contains([]string{"", "all", "new", "live"}, f.Match):
		return param.Errorf("match", "no match %q", f.Match)
	case f.Every < 0 || f.Limit < 0:
		return param.Errorf("every", "every or limit is negative")
	case !(f.Chance >= 0 && f.Chance <= 1):
		return param.Errorf("chance", "%v is not within 0 and 1", f.Chance)
	case !slices.Contains(append([]string{"", "any"}, classes()...), f.Class):
		return param.Errorf("class", "no class %q", f.Class)
	case f.byRequest() && !k.takes("class"):
		return param.Errorf("class", "%s knows no requests", f.Kind)
	}
	return nil
}

func (f Fault) checkPlace(k Kind) error {
	i, known := instantOf(f.When)
	body := f.When == RequestBodyByte || f.When == ResponseBodyByte
	switch {
	case k.takes("direction") && !slices.Contains([]string{Down, Up, Both}, f.Direction):
		return param.Errorf("direction", "no direction %q", f.Direction)
	case f.AtByte < 0 || f.Byte < 0 || f.Nth < 0:
		return param.Errorf("at_byte", "at_byte, byte or nth is negative")
	case f.instant() && !known:
		return param.Errorf("when", "no instant %q", f.When)
	case f.instant() && !k.takes("when"):
		return param.Errorf("when", "%s has no instant", f.Kind)
	case f.byRequest() && f.instant() && i.protocol != HTTP1:
		return param.Errorf("when", "%s is no instant of a request of HTTP/1, which class and request name", f.When)
	case f.Nth > 1 && !f.instant():
		return param.Errorf("nth", "counts instants: it needs when")
	case f.Byte > 0 && !body:
		return param.Errorf("byte", "is of a body: it needs when %s or %s", RequestBodyByte, ResponseBodyByte)
	case f.framed() && i.protocol != HTTP2:
		return param.Errorf("frame", "needs when %s or %s", RequestFrame, ResponseFrame)
	case f.framed() && !slices.Contains(frameNames[:], f.Frame):
		return param.Errorf("frame", "no frame %q", f.Frame)
	}
	return nil
}

// checkSizes wants every quantity of the kind within its range.
func (f Fault) checkSizes(k Kind) error {
	for _, p := range k.Params {
		n, ok := f.quantity(p.Name)
		if n == 0 && p.Default != nil {
			continue
		}
		if ok && (n < p.Min || n > p.Max) {
			return param.Errorf(p.Name, "%s is outside %s", p.Shown(n), p.Span())
		}
	}
	return nil
}

func (f Fault) quantity(name string) (n int64, ok bool) {
	n, ok = map[string]int64{"size": f.Size, "gap": int64(f.Gap), "pause": int64(f.Pause), "delay": int64(f.Delay),
		"rate": f.Rate, "record": int64(f.Record), "keep": f.Keep}[name]
	return n, ok
}

func (f Fault) instant() bool   { return f.When != "" && f.When != "any" }
func (f Fault) framed() bool    { return f.Frame != "" && f.Frame != "any" }
func (f Fault) byRequest() bool { return f.Request != "" || (f.Class != "" && f.Class != "any") }

// on tells whether the fault acts on a direction.
func (f Fault) on(direction string) bool {
	return f.Direction == Both || f.Direction == direction
}

func classes() (names []string) {
	for _, c := range history.Classes() {
		names = append(names, string(c))
	}
	return names
}

// Exclude is an error if two faults on one relay can't act at the same time: one
// would take what the other waits for.
func Exclude(a, b Fault) error {
	for _, p := range [][2]Fault{{a, b}, {b, a}} {
		first, second := p[0], p[1]
		switch {
		case first.Kind == Refuse && opensOnly(second):
			return fmt.Errorf("wire: %s and %s exclude each other: no new connection comes", first.Kind, second.Kind)
		case first.Kind == SilentAccept && first.all() && opensOnly(second):
			return fmt.Errorf("wire: %s and %s exclude each other: no new connection is handed on", first.Kind, second.Kind)
		case first.Kind == RST && first.Match != "live" && first.all() && second.Match == "new":
			return fmt.Errorf("wire: %s and %s exclude each other: every new connection is reset", first.Kind, second.Kind)
		}
	}
	return nil
}

// Beyond is an error if a fault waits for a byte that no body of the load has;
// request and response are the lengths of the longest ones, in bytes.
func Beyond(f Fault, request, response int64) error {
	longest := map[string]int64{RequestBodyByte: request, ResponseBodyByte: response}
	if n, ok := longest[f.When]; ok && f.Byte >= n {
		return param.Errorf("byte", "%d is beyond the longest body of %d bytes", f.Byte, n)
	}
	return nil
}

// opensOnly tells whether a fault can only touch connections that come.
func opensOnly(f Fault) bool {
	k, _ := kindOf(f.Kind)
	return f.Match == "new" || !k.takes("match")
}

// all tells whether it touches every connection that comes.
func (f Fault) all() bool {
	return f.Every <= 1 && f.Limit == 0 && (f.Chance == 0 || f.Chance == 1) && !f.byRequest()
}
