package verdict

import (
	"runtime"
	"sync"
	"testing"
)

// TestEach wants every piece of work done once, and never more of it at a time
// than memory allows, save one that is too large by itself.
func TestEach(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	sizes := []int64{maxHeld / 2, maxHeld / 2, maxHeld / 2, 3 * maxHeld, 1, 1, 1, maxHeld, 0, maxHeld - 1}
	var mu sync.Mutex
	done, held, together := make([]int, len(sizes)), int64(0), 0
	each(len(sizes), func(i int) int64 { return sizes[i] }, func(i int) {
		mu.Lock()
		held, together = held+sizes[i], together+min(1, int(sizes[i])) // one of size 0 holds nothing
		if held > maxHeld && together > 1 {
			t.Errorf("%d pieces hold %d at a time", together, held)
		}
		mu.Unlock()
		runtime.Gosched()
		mu.Lock()
		defer mu.Unlock()
		held, together = held-sizes[i], together-min(1, int(sizes[i]))
		done[i]++
	})
	for i, n := range done {
		if n != 1 {
			t.Errorf("piece %d was done %d times", i, n)
		}
	}
	each(0, nil, nil)
}
