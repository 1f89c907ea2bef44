package campaign

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"faultbed/fixtures/topology"
	"faultbed/reports/history"
)

// calibrationFile is where a host's calibration is kept for later runs.
func calibrationFile() (string, error) {
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "faultbed", "calibration.json"), err
}

// Here names this machine: figures of another one, or under another kernel, say
// nothing about it.
func Here() (host, kernel string) {
	host, _ = os.Hostname()
	b, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return host, strings.TrimSpace(string(b))
}

// Keep stores a calibration for later runs and returns the file's path.
func Keep(c history.Calibration) (string, error) {
	file, err := calibrationFile()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	return file, history.WriteJSON(file, c)
}

// kept is this machine's calibration; an empty one if there is none.
func kept() *history.Calibration {
	var c history.Calibration
	file, err := calibrationFile()
	if err != nil {
		return &c
	}
	b, err := os.ReadFile(file)
	host, kernel := Here()
	if err != nil || json.Unmarshal(b, &c) != nil || c.Host != host || c.Kernel != kernel {
		return &history.Calibration{}
	}
	return &c
}

// Nodes are those of a bed without a campaign, in the process runtime: what
// measures injectors alone uses them.
type Nodes struct {
	topology.Runtime
	Run string // run id: the mark on everything that it starts

	held *os.File
}

// OpenNodes makes ready for nodes; Close ends them. Where something of an earlier
// run is left it refuses, as a campaign does.
func OpenNodes(ctx context.Context) (*Nodes, error) {
	labnode, err := Labnode()
	if err != nil {
		return nil, err
	}
	run := NewRunID()
	held, err := lock(run)
	if err != nil {
		return nil, err
	}
	n := &Nodes{Run: run, Runtime: topology.NewProcess(labnode, run), held: held}
	if err := tidy(ctx, nil); err != nil {
		return nil, errors.Join(err, n.Close(ctx))
	}
	return n, nil
}

// Close ends the nodes and removes what they left.
func (n *Nodes) Close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	err := errors.Join(n.Runtime.Close(ctx), unmarked(ctx, n.Run))
	return errors.Join(err, os.Remove(n.held.Name()), n.held.Close())
}
