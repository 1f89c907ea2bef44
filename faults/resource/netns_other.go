//go:build !linux

package resource

import (
	"errors"
	"net/netip"

	"faultbed/faults/room"
)

// netns is not on this system.
type netns struct{}

var errNoPort = errors.New("no port is left")

func enterNet(room.Target) (*netns, error) { return nil, linux() }

func (*netns) close() error { return nil }

func (*netns) within(func() error) error { return linux() }

func tryConnect(netip.AddrPort) error { return linux() }
