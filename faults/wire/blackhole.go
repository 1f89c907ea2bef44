package wire

import "time"

// maxTime is the longest that a fault waits by itself.
const maxTime = time.Minute

var blackHole = Kind{
	Name:     BlackHole,
	Sentence: "lets no byte pass and closes nothing; what was held flows on when it heals",
	Bites:    "a connection on which something was held",
	Params:   from(),
	make:     func(Fault, any) any { return holding{} },
}

// holding keeps bytes and ends until it is lifted. What a kernel holds already
// arrives, and what the relay has read its peer takes for sent.
type holding struct{}

func (holding) held(time.Time) (time.Time, bool) { return time.Time{}, true }

var stall = Kind{
	Name:     Stall,
	Sentence: "holds a direction once, at an exact byte or instant, for a while",
	Bites:    "a connection on which something was held",
	Params:   at(millis("pause", maxTime, nil, "from the first byte that it holds")),
	make:     func(f Fault, _ any) any { return &stalling{pause: f.Pause} },
}

// stalling holds for a while, which begins with the first byte or end held.
type stalling struct {
	pause time.Duration
	end   time.Time
}

func (e *stalling) held(now time.Time) (time.Time, bool) {
	if e.end.IsZero() {
		e.end = now.Add(e.pause)
	}
	return e.end, now.Before(e.end)
}

var neverRead = Kind{
	Name:     NeverRead,
	Sentence: "stops reading: the kernel's buffer fills and its window closes (zero window) until the lift",
	Bites:    "a connection with something that was not read",
	Params:   from(),
	make:     func(Fault, any) any { return unread{} },
}

// unread also holds what was read before it began, so that nothing passes.
type unread struct{ holding }

func (unread) mute() {}
