package resource

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"

	"faultbed/faults/room"
)

// Cleaner finds and removes the cgroups that a killed run left.
var Cleaner = room.Cleaner{Leftovers: leftovers, Remove: remove}

// marked is what a name of ours looks like; see mark.
var marked = regexp.MustCompile(`^faultbed-(\d{8}-\d{6}-[0-9a-f]{8})-([a-z]+-\d+)-\d+$`)

func leftovers(context.Context) ([]room.Leftover, error) { return machine.leftovers() }

// leftovers lists the cgroups of ours, in every hierarchy.
func (h host) leftovers() ([]room.Leftover, error) {
	ms, err := h.mounts()
	if errors.Is(err, fs.ErrNotExist) { // no Linux
		return nil, nil
	}
	var out []room.Leftover
	for _, m := range ms {
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

// remove gives what is still in a cgroup back to the one above it.
func (h host) remove(l room.Leftover) error {
	if l.Kind != "cgroup" || !marked.MatchString(filepath.Base(l.ID)) {
		return nil
	}
	return h.dissolve(l.ID, filepath.Dir(l.ID))
}
