//go:build !linux || !amd64

package python

import (
	"context"

	"faultbed/faults/inject/line"
)

// Run can't be had here.
func Run(context.Context, int, Spec, func(line.Line)) error { return ErrUnsupported }
