//go:build !linux || !amd64

package vdso

import (
	"context"
	"fmt"
	"time"

	"faultbed/faults/inject/line"
)

// Hold says that it can't.
func Hold(context.Context, func() []int, time.Duration, func(line.Line)) error {
	return fmt.Errorf("%w: needs Linux on amd64", ErrUnsupported)
}
