package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// inContainer is where the docker runtime puts a subject's files.
const inContainer = "/faultbed"

// disk fills a folder that the subject writes to: a file system of one page, which
// is used, is mounted over it. What was in it is hidden meanwhile; files that are
// open already go on in the old place. Making a file succeeds, writing to it fails
// (ENOSPC), as on a disk whose blocks are used up before its inodes.
var disk = room.Kind{
	Name: "disk-full", Sentence: "fills a folder of the subject's: what it writes there fails for want of space",
	Touches: "files", Lifts: true, Alone: true,
	Bites:  "one file that was opened for writing directly in the folder and closed with nothing written (inotify), while no block was free",
	Host:   "root that may mount",
	Params: []param.Param{{Name: "folder", Type: param.Text, Default: "spool", Doc: "below the subject's own folder ({{.Dir}} of its YAML); it exists; empty: that folder itself"}},
	Probe:  func() error { return errors.Join(root(), mayMount()) },
	Check: func(with json.RawMessage) error {
		name, err := folderOf(with)
		if err == nil && (name == "." || name != "" && !filepath.IsLocal(name)) {
			err = param.Errorf("folder", "%q is no folder below the subject's", name)
		}
		return err
	},
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		name, err := folderOf(with)
		if err != nil {
			return nil, err
		}
		if t.PID <= 0 {
			return nil, errNoProcess
		}
		dir := inContainer
		if t.Container == "" {
			dir = t.Dir
		}
		f, err := fill(t, filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("fill folder %s: %w", name, err)
		}
		stop, err := watch(t, "files", f.look)
		if err != nil {
			return nil, errors.Join(err, f.empty())
		}
		return room.LiftFunc(func(context.Context) error { stop(); return f.empty() }), nil
	},
}

func folderOf(with json.RawMessage) (string, error) {
	var w struct{ Folder string }
	err := json.Unmarshal(with, &w)
	return w.Folder, err
}

// writes follows what happens to the files of a folder.
type writes struct {
	written map[string]bool
	failed  int64
}

func (w *writes) changed(name string) { w.written[name] = true }

// closed is the end of a file that was open for writing.
func (w *writes) closed(name string) {
	if !w.written[name] {
		w.failed++
	}
	delete(w.written, name)
}
