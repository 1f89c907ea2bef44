//go:build !linux

package inject

import (
	"context"
	"encoding/json"
	"errors"

	"faultbed/faults/room"
)

var errLinux = errors.New("needs Linux")

func probeCut() error { return errLinux }

func injectCut(context.Context, room.Target, json.RawMessage) (room.Active, error) {
	return nil, errLinux
}
