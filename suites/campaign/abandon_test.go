package campaign

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestNobodyAwaitsAnAbandonedTrial: when the bed's own test could not run, no
// trial begins, and whoever awaits one is told.
func TestNobodyAwaitsAnAbandonedTrial(t *testing.T) {
	c := &Campaign{results: map[string]*result{"a": {done: make(chan struct{})}, "b": {done: make(chan struct{})}}}
	why := errors.New("no bed")
	go c.abandon(why)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for key := range c.results {
		if _, err := c.Await(ctx, key); !errors.Is(err, why) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
