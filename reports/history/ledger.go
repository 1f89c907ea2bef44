package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Ledger appends events to a file, one JSON object a line. Each Append is one
// write(2) and no buffer of ours is between: what was appended survives a
// SIGKILL of this process.
type Ledger struct {
	mu sync.Mutex
	f  *os.File
	n  int
}

// CreateLedger creates the file, which must not exist yet.
func CreateLedger(path string) (*Ledger, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return &Ledger{f: f}, nil
}

// Append writes events. An error of the disk is returned, never hidden.
func (l *Ledger) Append(events ...Event) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	for _, e := range events {
		if err := enc.Encode(e); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n += len(events)
	if _, err := l.f.Write(buf.Bytes()); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Close closes the file; a second call does nothing.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}

// zstdAbove is the size from which a closed ledger is kept compressed.
const zstdAbove = 1 << 20

// Compress replaces a closed ledger of more than 1 MiB by its .zst; ReadLedger
// reads either.
func Compress(path string) error {
	data, err := os.ReadFile(path)
	if err != nil || len(data) < zstdAbove {
		return err
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		return fmt.Errorf("compress %s: %w", path, err)
	}
	tmp := path + ".zst.tmp"
	if err := os.WriteFile(tmp, enc.EncodeAll(data, nil), 0o644); err != nil {
		return err
	}
	if err := os.Rename(tmp, path+".zst"); err != nil {
		return err
	}
	return os.Remove(path)
}

// ReadLedger reads path or path.zst. A missing file is an empty ledger. A last
// line that was cut by a kill is dropped, and torn reports it; a bad line
// elsewhere is an error with its number.
func ReadLedger(path string) (events []Event, torn bool, err error) {
	r, err := openLedger(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer r.Close()
	events, torn, err = DecodeLedger(r)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", path, err)
	}
	return events, torn, nil
}

func openLedger(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err == nil {
		return f, nil
	}
	z, zerr := os.Open(path + ".zst")
	if zerr != nil {
		return nil, err
	}
	dec, zerr := zstd.NewReader(z, zstd.WithDecoderMaxMemory(1<<30))
	if zerr != nil {
		z.Close()
		return nil, zerr
	}
	return zstdFile{dec.IOReadCloser(), z}, nil
}

type zstdFile struct {
	io.ReadCloser
	f *os.File
}

func (z zstdFile) Close() error { return errors.Join(z.ReadCloser.Close(), z.f.Close()) }

// DecodeLedger reads NDJSON events; see [ReadLedger].
func DecodeLedger(r io.Reader) (events []Event, torn bool, err error) {
	br := bufio.NewReaderSize(r, 64<<10)
	for line := 1; ; line++ {
		b, err := br.ReadBytes('\n')
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return nil, false, fmt.Errorf("line %d: %w", line, err)
		}
		if last {
			return events, len(bytes.TrimSpace(b)) > 0, nil
		}
		var e Event
		if err := json.Unmarshal(b, &e); err != nil {
			return nil, false, fmt.Errorf("line %d: %w", line, err)
		}
		events = append(events, e)
	}
}

// Names of the files in a trial's folder.
const (
	PlanFile   = "plan.json"
	TrialFile  = "trial.json"
	ClientFile = "client.ndjson"
	OriginFile = "origin.ndjson"
	FaultFile  = "fault.ndjson"
	LogFile    = "subject.log"
)

// TrialInfo is trial.json: what is known of one execution besides its ledgers.
type TrialInfo struct {
	Runtime  string            `json:"runtime"`            // docker or process
	T0       int64             `json:"t0"`                 // CLOCK_MONOTONIC ns of the plan's zero; 0 if the load never started
	Status   string            `json:"status"`             // complete, interrupted, setup-failed, running (killed before its end)
	Error    string            `json:"error,omitempty"`    // why it did not complete
	Injector bool              `json:"injector,omitempty"` // Error is to be blamed on an injector or the bed, not on the subject
	SignalBy string            `json:"signalBy,omitempty"` // pidfd, kill or api
	Versions map[string]string `json:"versions,omitempty"` // subject version, image digests
	Peers    map[string]string `json:"peers,omitempty"`    // node → address
	Addr     string            `json:"addr,omitempty"`     // the subject's listen address
	Limit    int64             `json:"limit,omitempty"`    // ns after the drain signal at which the bed kills
}

// Trial is a plan and what was seen of its execution: the input of every check.
type Trial struct {
	Plan   Plan
	Info   TrialInfo
	Client []Event
	Origin []Event
	Fault  []Event
	Torn   bool // some ledger ended in the middle of a line: the run was killed
}

// errTorn is a JSON file that ends too early or was never JSON: its writer was
// killed.
var errTorn = errors.New("torn file")

// ReadTrial reads a trial's folder. Ledgers come back sorted by time. What is
// missing of trial.json, or torn, leaves a trial that is still running.
func ReadTrial(dir string) (*Trial, error) {
	t := &Trial{}
	if err := readJSON(filepath.Join(dir, PlanFile), &t.Plan); err != nil {
		return nil, err
	}
	if t.Plan.Version > PlanVersion {
		return nil, fmt.Errorf("%s: plan version %d is newer than this faultbed (%d)", dir, t.Plan.Version, PlanVersion)
	}
	if err := readJSON(filepath.Join(dir, TrialFile), &t.Info); errors.Is(err, os.ErrNotExist) || errors.Is(err, errTorn) {
		t.Info = TrialInfo{Status: "running", Error: "it was killed: " + TrialFile + " is missing or torn"}
	} else if err != nil {
		return nil, err
	}
	for _, l := range []struct {
		name string
		into *[]Event
	}{{ClientFile, &t.Client}, {OriginFile, &t.Origin}, {FaultFile, &t.Fault}} {
		events, torn, err := ReadLedger(filepath.Join(dir, l.name))
		if err != nil {
			return nil, err
		}
		sort.SliceStable(events, func(i, j int) bool { return events[i].T < events[j].T })
		*l.into, t.Torn = events, t.Torn || torn
	}
	return t, nil
}

func readJSON(path string, into any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(b, into); errors.As(err, &syntax) {
		return fmt.Errorf("%s: %w: %w", path, errTorn, err)
	} else if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// WriteJSON writes v indented, by a rename, so that a kill leaves the old file
// or the new one.
func WriteJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
