package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// ManifestFile is the name of a run's manifest within its folder.
const ManifestFile = "manifest.json"

// Manifest is what is known of a whole run: enough to say on what it was
// measured and to run it again.
type Manifest struct {
	Version  int               `json:"version"`
	Run      string            `json:"run"` // run id, also the value of the label faultbed.run
	Started  time.Time         `json:"started"`
	Ended    time.Time         `json:"ended,omitzero"`
	Status   string            `json:"status"` // running, complete, interrupted
	Args     []string          `json:"args"`   // the command line, without the program's path
	Seed     uint64            `json:"seed"`
	Trials   int               `json:"trials"`
	Runtime  string            `json:"runtime"` // docker or process
	Why      string            `json:"why"`     // why this runtime
	Env      map[string]string `json:"env"`     // versions, kernel, limits
	Subjects map[string]string `json:"subjects"`
	Mono     int64             `json:"mono"`              // CLOCK_MONOTONIC at Started
	Skipped  []Skip            `json:"skipped,omitempty"` // what was not measured, and why
	Planned  []string          `json:"planned"`           // keys of all planned trials, in order
}

// Skip is a scenario that was not run on a subject.
type Skip struct {
	Scenario string `json:"scenario"`
	Subject  string `json:"subject"`
	Variant  string `json:"variant,omitempty"`
	Reason   string `json:"reason"`
}

// Run is a run folder, read.
type Run struct {
	Dir      string
	Manifest Manifest
	Trials   []*Trial // in the order of Manifest.Planned; a trial that never began is absent
	Missing  []string // keys that were planned and never began
}

// TrialDir is the folder of the trial with that key.
func TrialDir(run, key string) string { return filepath.Join(run, "trials", filepath.FromSlash(key)) }

// ReadRun reads a run folder, also one whose run was killed: a trial whose plan
// was not written whole by then never began.
func ReadRun(dir string) (*Run, error) {
	r := &Run{Dir: dir}
	if err := readJSON(filepath.Join(dir, ManifestFile), &r.Manifest); err != nil {
		return nil, fmt.Errorf("not a run folder: %w", err)
	}
	for _, key := range r.Manifest.Planned {
		t, err := ReadTrial(TrialDir(dir, key))
		if errors.Is(err, os.ErrNotExist) || (errors.Is(err, errTorn) && r.Manifest.Status == "running") {
			r.Missing = append(r.Missing, key)
			continue
		}
		if err != nil {
			return nil, err
		}
		r.Trials = append(r.Trials, t)
	}
	return r, nil
}
