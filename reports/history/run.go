package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
	Mono     int64             `json:"mono"`               // CLOCK_MONOTONIC at Started
	Skipped  []Skip            `json:"skipped,omitempty"`  // what was not measured, and why
	Planned  []string          `json:"planned"`            // keys of all planned trials, in order
	SelfTest string            `json:"selfTest,omitempty"` // key of the trial in which the bed tested itself, the last of its attempts; not among Planned

	Calibration *Calibration `json:"calibration,omitempty"` // of the host, as known when the run began
}

// Skip is a scenario that was not run on a subject.
type Skip struct {
	Scenario string `json:"scenario"`
	Subject  string `json:"subject"`
	Variant  string `json:"variant,omitempty"`
	Reason   string `json:"reason"`

	Unavailable bool `json:"unavailable,omitempty"` // the subject was asked for and could not be had: the run measured less than it should
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

// ManifestVersion is the version of the manifest's shape. A reader refuses a
// newer one.
const ManifestVersion = 1

// OpenRun reads a run's manifest and none of its trials; [Run.Read] does that.
func OpenRun(dir string) (*Run, error) {
	r := &Run{Dir: dir}
	if err := readJSON(filepath.Join(dir, ManifestFile), &r.Manifest); err != nil {
		return nil, fmt.Errorf("%s is not a run folder: %w", dir, err)
	}
	if v := r.Manifest.Version; v > ManifestVersion {
		return nil, fmt.Errorf("%s: version %d of %s is newer than this faultbed knows (%d)", dir, v, ManifestFile, ManifestVersion)
	}
	return r, nil
}

// Read reads one planned trial; nil is one that never began, which is also one
// whose plan was not written whole when the run was killed. Of a trial whose
// plan can't be read for another reason only the reason is there, in Info.
func (r *Run) Read(key string) *Trial { return r.ReadInto(key, &Trial{}) }

// ReadInto is Read that puts the events into the ledgers of a trial that nobody
// needs any more: their memory is most of what reading costs.
func (r *Run) ReadInto(key string, spare *Trial) *Trial {
	dir := TrialDir(r.Dir, key)
	t, err := readTrial(dir, spare)
	_, none := os.Stat(filepath.Join(dir, TrialFile)) // written after the plan
	switch {
	case errors.Is(err, os.ErrNotExist) && none != nil, errors.Is(err, errTorn) && r.Manifest.Status == "running":
		return nil
	case err != nil:
		return &Trial{Plan: planOf(key), Info: TrialInfo{Status: Unreadable, Error: err.Error()}}
	}
	if is := t.Plan.Key(); is != key {
		t.defect("%s is of another trial, %s", PlanFile, is)
	}
	return t
}

// Size is about how many bytes of memory a planned trial takes while it is
// judged: a kilobyte for an event, of which a ledger in pages stores thirteen.
func (r *Run) Size(key string) (n int64) {
	files, _ := os.ReadDir(TrialDir(r.Dir, key)) // one that can't be read takes nothing
	for _, f := range files {
		fi, err := f.Info()
		factor := map[string]int64{".json": 4, ".fbl": 50, ".ndjson": 3, ".zst": 30}[filepath.Ext(f.Name())]
		if err == nil {
			n += factor * fi.Size()
		}
	}
	return n
}

// Unreadable is the status of a trial whose plan can't be read.
const Unreadable = "unreadable"

// planOf is what a key says of a plan: the opposite of [Plan.Key].
func planOf(key string) (p Plan) {
	parts := strings.Split(key, "/")
	n := len(parts)
	trial, err := strconv.Atoi(parts[n-1])
	if n < 4 || n > 5 || err != nil {
		return Plan{Scenario: key}
	}
	p = Plan{Scenario: parts[0] + "/" + parts[1], Subject: parts[2], Trial: trial}
	if n == 5 {
		p.Variant = parts[3]
	}
	return p
}

// ReadRun reads a run folder with all its trials, also one whose run was
// killed. All of them are in memory then: a kilobyte and a half for each request.
func ReadRun(dir string) (*Run, error) {
	r, err := OpenRun(dir)
	if err != nil {
		return nil, err
	}
	for _, key := range r.Manifest.Planned {
		if t := r.Read(key); t != nil {
			r.Trials = append(r.Trials, t)
		} else {
			r.Missing = append(r.Missing, key)
		}
	}
	return r, nil
}
