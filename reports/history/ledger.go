package history

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// Len is how many events were appended so far.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
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

// pagesAbove is the size, in bytes, from which a closed ledger is kept in pages.
const pagesAbove = 1 << 20

// Compress replaces a closed ledger of 1 MiB or more by one in pages (.fbl), of
// a twentieth of its size; [ReadLedger] reads either. One that is torn or has a
// bad line stays as it is: what happened to it is evidence.
func Compress(path string) error {
	if fi, err := os.Stat(path); err != nil || fi.Size() < pagesAbove {
		return err
	}
	tmp := pagesOf(path) + ".tmp"
	os.Remove(tmp) // a killed predecessor's
	whole, err := convert(path, tmp)
	if err != nil || !whole {
		os.Remove(tmp)
		return err
	}
	if err := os.Rename(tmp, pagesOf(path)); err != nil {
		return err
	}
	return os.Remove(path)
}

// pagesOf is the name that a ledger has in pages.
func pagesOf(path string) string { return strings.TrimSuffix(path, ".ndjson") + ".fbl" }

// convert writes a ledger's events as pages. It is whole if nothing was lost.
func convert(from, to string) (whole bool, err error) {
	p, err := CreatePages(to)
	if err != nil {
		return false, err
	}
	p.proof = &reader{} // the text is about to be removed
	l, err := ScanLedger(from, func(events []Event) error { return p.Append(events...) })
	if err := errors.Join(err, p.Close()); err != nil {
		return false, fmt.Errorf("compress %s: %w", from, err)
	}
	return !l.Torn && len(l.Defects) == 0, nil
}

// Ledgered is a ledger as far as it could be read.
type Ledgered struct {
	Events  []Event  // in the order in which they were written
	Torn    bool     // the last line was cut by a kill, and dropped
	Defects []string // what could not be read, and why: a sentence each
	Missing bool     // there is none, in any form
}

// ReadLedger reads a ledger in whichever form it is kept: path, or in its place
// the .fbl or the .ndjson.zst; the text counts if there are several. A missing
// ledger is an empty one. Damage is no error: it is told in Defects, and the
// rest is there. An error is one of the file system.
func ReadLedger(path string) (Ledgered, error) { return readLedger(path, nil) }

func readLedger(path string, all []Event) (Ledgered, error) {
	l, err := openLedger(path)
	if errors.Is(err, os.ErrNotExist) {
		return Ledgered{Events: all, Missing: true}, nil
	}
	if err != nil {
		return Ledgered{Events: all}, err
	}
	defer l.close()
	for all = slices.Grow(all, l.src.count()); err == nil; {
		all, err = l.src.next(all)
	}
	return l.done(all), nil
}

// ScanLedger is ReadLedger for a ledger that need not fit into memory: see is
// called with some events at a time, which are good until it returns. A missing
// file is an error, and so is what see returns.
func ScanLedger(path string, see func([]Event) error) (Ledgered, error) {
	l, err := openLedger(path)
	if err != nil {
		return Ledgered{}, err
	}
	defer l.close()
	var some []Event
	for err == nil {
		some, err = l.src.next(some[:0])
		if err := see(some); err != nil {
			return Ledgered{}, err
		}
	}
	return l.done(nil), nil
}

// source is a ledger of some form.
type source interface {
	count() int                           // of events, if that is known before
	next(into []Event) ([]Event, error)   // appends some; io.EOF when there are no more
	flaws() (torn bool, defects []string) // so far
}

// ledgerFile is an open ledger.
type ledgerFile struct {
	src   source
	close func() error
}

func (l ledgerFile) done(events []Event) Ledgered {
	torn, defects := l.src.flaws()
	return Ledgered{Events: events, Torn: torn, Defects: defects}
}

// openLedger finds a ledger's form by its first bytes.
func openLedger(path string) (ledgerFile, error) {
	f, err := os.Open(path)
	for _, other := range []string{pagesOf(path), path + ".zst"} {
		if errors.Is(err, os.ErrNotExist) {
			if g, gerr := os.Open(other); gerr == nil || !errors.Is(gerr, os.ErrNotExist) {
				f, err = g, gerr
			}
		}
	}
	if err != nil {
		return ledgerFile{}, err
	}
	br := bufio.NewReaderSize(f, 64<<10)
	start, _ := br.Peek(len(pagesMagic)) // a shorter file is text
	name := f.Name()
	switch {
	case string(start) == pagesMagic, filepath.Ext(name) == ".fbl":
		defer f.Close()
		data, err := os.ReadFile(name)
		return ledgerFile{newPageReader(data), func() error { return nil }}, err
	case bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}): // RFC 8878 §3.1.1
		dec, err := zstd.NewReader(br, zstd.WithDecoderMaxMemory(1<<30), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return ledgerFile{}, errors.Join(err, f.Close())
		}
		return ledgerFile{&lines{br: bufio.NewReaderSize(dec, 64<<10)}, func() error { dec.Close(); return f.Close() }}, nil
	}
	l := &lines{br: br}
	if filepath.Ext(name) == ".zst" {
		l.odd = "it does not begin as Zstandard does, and was read as text"
	}
	return ledgerFile{l, f.Close}, nil
}

// DecodeLedger reads NDJSON events; see [ReadLedger].
func DecodeLedger(r io.Reader) Ledgered {
	l := ledgerFile{src: &lines{br: bufio.NewReaderSize(r, 64<<10)}}
	var all []Event
	for err := error(nil); err == nil; {
		all, err = l.src.next(all)
	}
	return l.done(all)
}

// lines is a ledger as text.
type lines struct {
	br    *bufio.Reader
	line  int
	torn  bool
	cut   error // why it could not be read on
	bad   int   // lines that are no event
	first string
	odd   string // what is wrong with the file's form
}

func (l *lines) count() int { return 0 }

func (l *lines) next(into []Event) ([]Event, error) {
	for range pageEvents {
		b, err := l.br.ReadBytes('\n')
		if err != nil {
			l.torn = len(bytes.TrimSpace(b)) > 0
			if !errors.Is(err, io.EOF) {
				l.cut = err
			}
			return into, io.EOF
		}
		l.line++
		var e Event
		if err := json.Unmarshal(b, &e); err != nil {
			l.spoilt(err)
			continue
		}
		if !kinds[e.Kind] {
			l.spoilt(fmt.Errorf("unknown kind %q", e.Kind))
			continue
		}
		into = append(into, e)
	}
	return into, nil
}

// kinds is the enum, as a set.
var kinds = func() map[Kind]bool {
	out := map[Kind]bool{}
	for _, k := range Kinds() {
		out[k] = true
	}
	return out
}()

func (l *lines) spoilt(err error) {
	if l.bad++; l.bad == 1 {
		l.first = fmt.Sprintf("line %d: %v", l.line, err)
	}
}

func (l *lines) flaws() (bool, []string) {
	var out []string
	if l.odd != "" {
		out = append(out, l.odd)
	}
	switch {
	case l.bad == 1:
		out = append(out, "one line is no event and was left out, "+l.first)
	case l.bad > 1:
		out = append(out, fmt.Sprintf("%d lines are no events and were left out, the first is %s", l.bad, l.first))
	}
	if l.cut != nil {
		out = append(out, fmt.Sprintf("it can't be read beyond line %d: %v", l.line, pathless(l.cut)))
	}
	return l.torn, out
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
	Events   map[string]int    `json:"events,omitempty"`   // ledger's file name → events that were written to it; missing in old runs
}

// Trial is a plan and what was seen of its execution: the input of every check.
type Trial struct {
	Plan    Plan
	Info    TrialInfo
	Client  []Event
	Origin  []Event
	Fault   []Event
	Torn    bool     // some ledger ended in the middle of a line: the run was killed
	Defects []string // what of the folder could not be read or believed: a sentence each
}

// errTorn is a JSON file that ends too early or was never JSON: its writer was
// killed.
var errTorn = errors.New("torn file")

// ReadTrial reads a trial's folder. Ledgers come back sorted by time. What is
// missing of trial.json, or torn, leaves a trial that is still running; other
// damage is told in Defects and the rest is there. Without a plan that can be
// read there is no trial: that is an error.
func ReadTrial(dir string) (*Trial, error) { return readTrial(dir, &Trial{}) }

func readTrial(dir string, spare *Trial) (*Trial, error) {
	t := &Trial{Client: spare.Client[:0], Origin: spare.Origin[:0], Fault: spare.Fault[:0]}
	if err := readPlan(filepath.Join(dir, PlanFile), &t.Plan); err != nil {
		return nil, err
	}
	if t.Plan.Version > PlanVersion {
		return nil, fmt.Errorf("%s: its version %d is newer than this faultbed knows (%d)", PlanFile, t.Plan.Version, PlanVersion)
	}
	t.readInfo(dir)
	for _, l := range []struct {
		name string
		into *[]Event
	}{{ClientFile, &t.Client}, {OriginFile, &t.Origin}, {FaultFile, &t.Fault}} {
		t.readLedger(dir, l.name, l.into)
	}
	t.findT0()
	return t, nil
}

func (t *Trial) defect(format string, args ...any) {
	t.Defects = append(t.Defects, fmt.Sprintf(format, args...))
}

func (t *Trial) readInfo(dir string) {
	err := readJSON(filepath.Join(dir, TrialFile), &t.Info)
	switch {
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, errTorn):
		t.Info = TrialInfo{Status: "running", Error: "it was killed: " + TrialFile + " is missing or torn"}
	case err != nil:
		t.defect("%v", err)
	}
}

func (t *Trial) readLedger(dir, name string, into *[]Event) {
	l, err := readLedger(filepath.Join(dir, name), *into)
	if err != nil {
		t.defect("%s can't be read: %v", name, pathless(err))
	}
	if l.Missing && t.Info.Status == "complete" { // its writer makes all three before anything happens
		l.Defects = []string{"it is missing"}
	}
	if n := t.Info.Events[name]; len(l.Events) < n {
		l.Defects = append(l.Defects, fmt.Sprintf("%d events were written and %d are there", n, len(l.Events)))
	}
	for _, d := range l.Defects {
		t.defect("%s: %s", strings.TrimSuffix(name, ".ndjson")+" ledger", d)
	}
	sortByTime(l.Events)
	*into, t.Torn = l.Events, t.Torn || l.Torn
}

// findT0 takes T0 from the first request that was begun, if trial.json has lost
// it: a request's planned instant is T0 and its time in the plan.
func (t *Trial) findT0() {
	if t.Info.T0 != 0 || t.Plan.Engine != "timeline" {
		return
	}
	for _, e := range t.Client {
		i := slices.IndexFunc(t.Plan.Arrivals, func(a Arrival) bool { return e.Kind == Begin && a.ID == e.ID })
		if i >= 0 {
			t.Info.T0 = e.Planned - t.Plan.Arrivals[i].At
			t.defect("%s has no t0, though requests were begun; it was taken from request %s", TrialFile, e.ID)
			return
		}
	}
}

// sortByTime sorts events by T and leaves those of one instant in their order.
// They are large and nearly sorted, so it is their order that is sorted, and
// then each moves once.
func sortByTime(events []Event) {
	if slices.IsSortedFunc(events, func(a, b Event) int { return cmp.Compare(a.T, b.T) }) {
		return
	}
	type place struct {
		t    int64
		from int
	}
	order := make([]place, len(events))
	for i := range events {
		order[i] = place{events[i].T, i}
	}
	slices.SortFunc(order, func(a, b place) int { return cmp.Or(cmp.Compare(a.t, b.t), cmp.Compare(a.from, b.from)) })
	for i := range order {
		if order[i].from < 0 {
			continue
		}
		first, at := events[i], i // a cycle of moves
		for {
			from := order[at].from
			order[at].from = -1
			if from == i {
				break
			}
			events[at], at = events[from], from
		}
		events[at] = first
	}
}

// pathless leaves out where a run folder lies: a verdict is the same wherever it
// is judged.
func pathless(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}

func readJSON(path string, into any) error {
	b, err := os.ReadFile(path)
	return decodeJSON(path, b, err, into)
}

func decodeJSON(path string, b []byte, err error, into any) error {
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), pathless(err))
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(b, into); errors.As(err, &syntax) {
		return fmt.Errorf("%s: %w: %w", filepath.Base(path), errTorn, err)
	} else if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
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
