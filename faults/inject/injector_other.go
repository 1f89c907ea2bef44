//go:build !linux

package inject

import (
	"errors"
	"os/exec"
)

func apart(*exec.Cmd) {}

func canTrace() error { return errors.New("needs Linux") }
