//go:build !linux

package resource

import "faultbed/faults/room"

func sockLinks(int) map[string]int { return nil }

func (l *listener) listen(int) error { return linux() }

func canGetFD() error { return nil } // root has said that it needs Linux

// diag is not on this system.
type diag struct{}

func openDiag(room.Target) (*diag, error) { return nil, linux() }

func (*diag) close() {}

func (*diag) queues() (map[uint64]queue, error) { return nil, linux() }
