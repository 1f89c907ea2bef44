//go:build !linux

package resource

import "faultbed/faults/room"

// fullFolder is not on this system.
type fullFolder struct{ writes }

func fill(room.Target, string) (*fullFolder, error) { return nil, linux() }

func (*fullFolder) look() (int64, string, error) { return 0, "", linux() }

func (*fullFolder) empty() error { return nil }

func unmount(string) error { return linux() }

func mayMount() error { return nil } // root has said that it needs Linux
