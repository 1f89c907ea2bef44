//go:build !linux || !amd64

package notify

import (
	"fmt"

	"faultbed/faults/inject/line"
)

// Supervise says that it can't.
func Supervise([]int, <-chan Order, func(line.Line)) error {
	return fmt.Errorf("%w: needs Linux on amd64", ErrUnsupported)
}
