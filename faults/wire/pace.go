package wire

import (
	"sync"
	"time"

	"faultbed/faults/param"
)

var drip = Kind{
	Name:     Drip,
	Sentence: "hands bytes on in small pieces with a gap between",
	Bites:    "a connection that had to wait",
	Params:   from(bytesOf("size", 1, 1<<20, nil, "of a piece, at most"), millis("gap", maxTime, nil, "from one piece to the next")),
	make:     func(f Fault, _ any) any { return &dripping{size: f.Size, gap: f.Gap} },
}

type dripping struct {
	size int64
	gap  time.Duration
	next time.Time
}

func (e *dripping) most(n int64) int64 { return min(n, e.size) }

func (e *dripping) wait(now time.Time, _ int64) time.Duration {
	at := later(e.next, now)
	e.next = at.Add(e.gap)
	return at.Sub(now)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

var bandwidth = Kind{
	Name:     Bandwidth,
	Sentence: "limits all matched connections together to one rate, as a shared line does",
	Bites:    "a connection that had to wait",
	Params:   from(param.Param{Name: "rate", Type: param.Int, Unit: "bytes/s", Min: 1, Max: 1 << 34, Doc: "of all connections and directions that it acts on together"}),
	share:    func(f Fault) any { return &line{rate: f.Rate} },
	make:     func(_ Fault, l any) any { return l },
}

// line is what connections share: each piece is booked after those before it.
type line struct {
	rate int64
	mu   sync.Mutex
	free time.Time // when all that was booked has passed
}

// most is what passes in 20 ms: short pieces share the line fairly.
func (l *line) most(n int64) int64 { return min(n, max(1, l.rate/50)) }

func (l *line) wait(now time.Time, n int64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = later(l.free, now).Add(time.Duration(float64(n) / float64(l.rate) * float64(time.Second)))
	return l.free.Sub(now)
}
