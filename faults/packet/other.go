//go:build !linux

package packet

import (
	"errors"

	"faultbed/faults/room"
)

const hostFilter, hostQueue = "Linux", "Linux"

var errLinux = errors.New("needs Linux")

func probeFilter() error { return errLinux }
func probeQueue() error  { return errLinux }

func queued(room.Target, where, bool, func(int) policy) (room.Active, error) { return nil, errLinux }

func filter(room.Target, where, rule) (room.Active, error) { return nil, errLinux }
