package resource

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// linux is an error elsewhere.
func linux() error {
	if runtime.GOOS != "linux" {
		return errors.New("needs Linux")
	}
	return nil
}

// root is an error for others.
func root() error {
	if err := linux(); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("needs root")
	}
	return nil
}

// cgroups is an error that says why limits of a controller can't be set here.
func cgroups(controller string) error {
	if err := root(); err != nil {
		return err
	}
	g, err := machine.groupOf(os.Getpid(), controller)
	if err != nil {
		return err
	}
	dir, err := g.parent(controller)
	if err != nil {
		return err
	}
	if err := writable(dir); err != nil {
		return fmt.Errorf("%s can't be written: %w", dir, err)
	}
	return nil
}

// Cgroups says in a line what limits can be set on this machine. The error says
// which can't, and why.
func Cgroups() (string, error) {
	var can []string
	var errs []error
	for _, c := range []string{"cpu", "memory", "pids"} {
		if err := cgroups(c); err != nil {
			errs = append(errs, fmt.Errorf("no limits of %s: %w", c, err))
			continue
		}
		v := "v1"
		if g, err := machine.groupOf(os.Getpid(), c); err == nil && g.v2 {
			v = "v2"
		}
		can = append(can, c+" ("+v+")")
	}
	return "limits of " + strings.Join(can, ", ") + " can be set", errors.Join(errs...)
}
