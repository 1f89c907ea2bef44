package resource

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	"faultbed/faults/room"
)

// Cleaner finds and removes the cgroups and mounts that a killed run left.
var Cleaner = room.Cleaner{Leftovers: leftovers, Remove: remove}

// marked is what a name of ours looks like, of a cgroup and of a mount's source; see
// mark.
var marked = regexp.MustCompile(`^faultbed-(\d{8}-\d{6}-[0-9a-f]{8})-([a-z]+-\d+)-\d+$`)

func leftovers(context.Context) ([]room.Leftover, error) { return machine.leftovers() }

// leftovers lists the mounts of ours, and the cgroups, in every hierarchy.
func (h host) leftovers() ([]room.Leftover, error) {
	ms, err := h.mounts("cgroup", "cgroup2", "tmpfs")
	if errors.Is(err, fs.ErrNotExist) { // no Linux
		return nil, nil
	}
	var out []room.Leftover
	for _, m := range ms {
		if m.fstype == "tmpfs" {
			if f := marked.FindStringSubmatch(m.source); f != nil {
				out = append(out, room.Leftover{Kind: "mount", ID: m.point, Name: m.source, Run: f[1]})
			}
			continue
		}
		filepath.WalkDir(h.path(m.point), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return nil // it ended meanwhile
			}
			if f := marked.FindStringSubmatch(d.Name()); f != nil {
				out = append(out, room.Leftover{Kind: "cgroup", ID: path, Name: d.Name(), Run: f[1]})
				return fs.SkipDir
			}
			return nil
		})
	}
	return out, err
}

func remove(_ context.Context, l room.Leftover) error { return machine.remove(l) }

// remove unmounts, or gives what is still in a cgroup back to the one above it; in v2
// to the hierarchy's root: one that hands controllers to its children, as that above
// ours does, takes no processes (cgroups(7), "no internal processes").
func (h host) remove(l room.Leftover) error {
	if l.Kind == "mount" && marked.MatchString(l.Name) {
		return unmount(l.ID)
	}
	if l.Kind != "cgroup" || !marked.MatchString(filepath.Base(l.ID)) {
		return nil
	}
	ms, err := h.mounts("cgroup2")
	if err != nil {
		return err
	}
	home := filepath.Dir(l.ID)
	for _, m := range ms {
		if top := h.path(m.point); strings.HasPrefix(l.ID, top+"/") {
			home = top
		}
	}
	return h.dissolve(l.ID, home)
}
