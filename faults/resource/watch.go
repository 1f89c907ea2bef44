package resource

import (
	"time"

	"faultbed/faults/room"
)

// lookEvery is the spacing of looks at a fault's counter.
const lookEvery = 20 * time.Millisecond

// counter is a number that only grows, and what is known beside it.
type counter func() (n int64, detail string, err error)

// watch looks at a counter until stop is called and notes its growth as bites: the
// first at once, the rest in one at the end. A counter that can't be read any more
// went with its subject; what it had shown counts.
func watch(t room.Target, unit string, read counter) (stop func(), err error) {
	base, _, err := read()
	if err != nil {
		return nil, err
	}
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		noted, last, what := base, base, ""
		look := func() {
			if n, detail, err := read(); err == nil && n > last {
				last, what = n, detail
			}
		}
		bite := func() {
			if last > noted {
				t.Bit(last-noted, unit, what)
				noted = last
			}
		}
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			look()
			if noted == base {
				bite()
			}
			select {
			case <-end:
				look()
				bite()
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(end); <-done }, nil
}
