package history_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"faultbed/reports/history"
)

// full has every field set, so that a round trip that loses one is seen.
var full = history.Event{T: 1, Kind: history.End, Node: "load", ID: "0001-ab", Class: history.Short, Conn: "c1", Nth: 2, Peer: "10.0.0.1:80",
	Local: "10.0.0.2:4", Planned: 3, Connected: 4, Sent: 5, FirstByte: 6, Outcome: history.Truncated, Phase: "body", Status: 200, Bytes: 7, Want: 8,
	Closing: true, PID: 9, Signal: "TERM", Code: 10, Via: "pidfd", AgeNs: 11, Count: 12, Verdict: "accept", Detail: "a \"quoted\"\nline <&> \u2028"}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ledger writes n events and closes the file.
func ledger(t *testing.T, path string, n int) {
	t.Helper()
	l, err := history.CreateLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		e := full
		e.T = int64(i)
		if err := l.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLedgerRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.ndjson")
	l, err := history.CreateLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(full, history.Event{T: 2, Kind: history.Note, Node: "bed"}); err != nil {
		t.Fatal(err)
	}
	got, torn, err := history.ReadLedger(path) // before Close: what was appended is in the file
	if err != nil || torn {
		t.Fatal(torn, err)
	}
	if d := cmp.Diff([]history.Event{full, {T: 2, Kind: history.Note, Node: "bed"}}, got); d != "" {
		t.Error(d)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if _, err := history.CreateLedger(path); err == nil {
		t.Error("a ledger was overwritten")
	}
}

// TestAppendIsWhole has many writers at once: no line may be mixed with another.
func TestAppendIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.ndjson")
	l, err := history.CreateLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 100 {
				if err := l.Append(history.Event{T: int64(i), Kind: history.Note, Conn: fmt.Sprint(w), Detail: strings.Repeat("x", 200*w)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	events, torn, err := history.ReadLedger(path)
	if err != nil || torn || len(events) != 800 {
		t.Errorf("%d events, torn %v, %v", len(events), torn, err)
	}
}

func TestDecodeLedger(t *testing.T) {
	const good = `{"t":1,"kind":"note","node":"bed"}` + "\n"
	for name, c := range map[string]struct {
		text  string
		n     int
		torn  bool
		wrong string
	}{
		"empty":                        {"", 0, false, ""},
		"two":                          {good + good, 2, false, ""},
		"last line cut":                {good + `{"t":2,"ki`, 1, true, ""},
		"last line whole but no break": {good + strings.TrimSpace(good), 1, true, ""},
		"only white space after":       {good + "  ", 1, false, ""},
		"bad in the middle":            {good + "{\"t\":\n" + good, 0, false, "line 2: "},
		"blank in the middle":          {good + "\n" + good, 0, false, "line 2: "},
		"a wrong type":                 {good + good + `{"t":"soon"}` + "\n", 0, false, "line 3: "},
		"a long line":                  {`{"t":1,"kind":"note","node":"bed","detail":"` + strings.Repeat("x", 1<<20) + "\"}\n", 1, false, ""},
		"a field of a later version":   {`{"t":1,"kind":"note","node":"bed","later":1}` + "\n", 1, false, ""},
	} {
		events, torn, err := history.DecodeLedger(strings.NewReader(c.text))
		if len(events) != c.n || torn != c.torn || (err != nil) != (c.wrong != "") || (err != nil && !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%s: %d events, torn %v, error %v", name, len(events), torn, err)
		}
	}
}

// TestBadLineNamesFile wants the place of a bad line, since a run has hundreds
// of ledgers.
func TestBadLineNamesFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "client.ndjson")
	write(t, path, "{}\nnonsense\n{}\n")
	if _, _, err := history.ReadLedger(path); err == nil || !strings.Contains(err.Error(), path+": line 2: ") {
		t.Errorf("got %v", err)
	}
}

func TestCompress(t *testing.T) {
	dir := t.TempDir()
	small, large := filepath.Join(dir, "small.ndjson"), filepath.Join(dir, "large.ndjson")
	ledger(t, small, 3)
	ledger(t, large, 4000)
	want, _, err := history.ReadLedger(large)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{small, large} {
		if err := history.Compress(p); err != nil {
			t.Fatal(err)
		}
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	if !slices.Equal(names, []string{large + ".zst", small}) {
		t.Errorf("files %v", names)
	}
	got, torn, err := history.ReadLedger(large)
	if err != nil || torn || !cmp.Equal(got, want) {
		t.Errorf("%d events of %d, torn %v, %v", len(got), len(want), torn, err)
	}
	if err := os.Truncate(large+".zst", 1000); err != nil {
		t.Fatal(err)
	}
	if _, _, err := history.ReadLedger(large); err == nil {
		t.Error("half a .zst reads as a whole ledger")
	}
}

// TestCompressKilledHalfWay has both files: the plain one is the whole one.
func TestCompressKilledHalfWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.ndjson")
	ledger(t, path, 3)
	write(t, path+".zst", "half")
	if events, _, err := history.ReadLedger(path); err != nil || len(events) != 3 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

func TestMissingLedgerIsEmpty(t *testing.T) {
	events, torn, err := history.ReadLedger(filepath.Join(t.TempDir(), "none.ndjson"))
	if len(events) != 0 || torn || err != nil {
		t.Error(events, torn, err)
	}
}

// FuzzDecodeLedger: whatever the bytes, either an error or events that, written
// again, read the same.
func FuzzDecodeLedger(f *testing.F) {
	f.Add([]byte(`{"t":1,"kind":"begin","node":"load","id":"x"}` + "\n" + `{"t":2`))
	f.Add([]byte("{}\n[]\n"))
	f.Add([]byte("null\n\xff\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		events, _, err := history.DecodeLedger(bytes.NewReader(data))
		if err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "x.ndjson")
		l, err := history.CreateLedger(path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := l.Append(events...); err != nil {
			t.Fatal(err)
		}
		again, torn, err := history.ReadLedger(path)
		if err != nil || torn || !slices.Equal(again, events) {
			t.Fatalf("%v, torn %v: got %v, want %v", err, torn, again, events)
		}
	})
}
