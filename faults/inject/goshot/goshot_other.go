//go:build !linux || !amd64

package goshot

import (
	"context"
	"fmt"

	"faultbed/faults/inject/line"
)

// Fire says that it can't.
func Fire(context.Context, int, Shot, func(line.Line)) error {
	return fmt.Errorf("%w: needs Linux on amd64", ErrUnsupported)
}
