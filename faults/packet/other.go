//go:build !linux

package packet

import (
	"errors"

	"faultbed/faults/room"
)

const hostFilter = "Linux"

var errLinux = errors.New("needs Linux")

func probeFilter() error                                   { return errLinux }
func filter(room.Target, where, rule) (room.Active, error) { return nil, errLinux }
