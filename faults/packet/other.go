//go:build !linux

package packet

import (
	"errors"

	"faultbed/faults/room"
)

const hostFilter, hostQueue, hostSockets, hostLink = "Linux", "Linux", "Linux", "Linux"

var errLinux = errors.New("needs Linux")

func probeFilter() error  { return errLinux }
func probeQueue() error   { return errLinux }
func probeSockets() error { return errLinux }
func probeLink() error    { return errLinux }

func filter(room.Target, where, rule) (room.Active, error) { return nil, errLinux }

func queued(room.Target, where, bool, func(int) policy) (room.Active, error) { return nil, errLinux }

func abortSockets(room.Target, []way) error { return errLinux }

func unplug(room.Target) (room.Active, error) { return nil, errLinux }
