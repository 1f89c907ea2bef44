//go:build !linux

package resource

import (
	"errors"
	"io/fs"
)

func writable(string) error { return linux() }

func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func busy(error) bool { return false }
