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
	"github.com/klauspost/compress/zstd"

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
	got := reread(t, path) // before Close: what was appended is in the file
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
	if events := reread(t, path); len(events) != 800 {
		t.Errorf("%d events", len(events))
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
		"bad in the middle":            {good + "{\"t\":\n" + good, 2, false, "line 2: "},
		"blank in the middle":          {good + "\n" + good, 2, false, "line 2: "},
		"a wrong type":                 {good + good + `{"t":"soon"}` + "\n", 2, false, "one line is no event and was left out, line 3: "},
		"an unknown kind":              {good + `{"t":1,"kind":"requst"}` + "\n", 1, false, "one line is no event and was left out, line 2: unknown kind"},
		"several bad":                  {"x\n" + good + "y\nz", 1, true, "2 lines are no events and were left out, the first is line 1: "},
		"a long line":                  {`{"t":1,"kind":"note","node":"bed","detail":"` + strings.Repeat("x", 1<<20) + "\"}\n", 1, false, ""},
		"a field of a later version":   {`{"t":1,"kind":"note","node":"bed","later":1}` + "\n", 1, false, ""},
	} {
		l := history.DecodeLedger(strings.NewReader(c.text))
		said := strings.Join(l.Defects, "; ")
		if len(l.Events) != c.n || l.Torn != c.torn || (said != "") != (c.wrong != "") || !strings.Contains(said, c.wrong) {
			t.Errorf("%s: %d events, torn %v, defects %v", name, len(l.Events), l.Torn, l.Defects)
		}
	}
}

func TestCompress(t *testing.T) {
	dir := t.TempDir()
	small, large := filepath.Join(dir, "small.ndjson"), filepath.Join(dir, "large.ndjson")
	ledger(t, small, 3)
	ledger(t, large, 4000)
	want := reread(t, large)
	write(t, filepath.Join(dir, "large.fbl.tmp"), "of a killed predecessor")
	for _, p := range []string{small, large} {
		if err := history.Compress(p); err != nil {
			t.Fatal(err)
		}
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	if !slices.Equal(names, []string{filepath.Join(dir, "large.fbl"), small}) {
		t.Errorf("files %v", names)
	}
	if got := reread(t, large); !slices.Equal(got, want) {
		t.Errorf("%d events of %d: %s", len(got), len(want), cmp.Diff(want[:10], got[:10]))
	}
}

// TestCompressLeavesDamage: a ledger with a flaw is evidence and stays as it is.
func TestCompressLeavesDamage(t *testing.T) {
	for _, end := range []string{"nonsense\n", `{"t":1`} {
		path := filepath.Join(t.TempDir(), "x.ndjson")
		ledger(t, path, 4000)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, string(before)+end)
		if err := history.Compress(path); err != nil {
			t.Fatal(err)
		}
		if names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); !slices.Equal(names, []string{path}) {
			t.Errorf("%q at its end: files %v", end, names)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != string(before)+end {
			t.Errorf("%q at its end: the file changed, %v", end, err)
		}
	}
}

// TestOldZstd reads a ledger as versions before 1.1 kept it, and half of one.
func TestOldZstd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.ndjson")
	ledger(t, path, 4000)
	want := reread(t, path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	z.Write(text)
	z.Close()
	write(t, path+".zst", packed.String())
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := reread(t, path); !slices.Equal(got, want) {
		t.Errorf("%d events of %d", len(got), len(want))
	}
	write(t, path+".zst", packed.String()[:packed.Len()/2])
	for _, none := range []string{"", "text\n"} {
		write(t, path+".zst", none)
		if l, err := history.ReadLedger(path); err != nil || len(l.Events) != 0 || !strings.Contains(strings.Join(l.Defects, "; "), "does not begin as Zstandard does") {
			t.Errorf("a .zst with %q: %d events, defects %v, %v", none, len(l.Events), l.Defects, err)
		}
	}
	write(t, path+".zst", packed.String()[:packed.Len()/2])
	l, err := history.ReadLedger(path)
	if err != nil || len(l.Defects) == 0 || len(l.Events) >= len(want) || !strings.Contains(l.Defects[0], "it can't be read beyond line") {
		t.Errorf("half a .zst: %d events, defects %v, %v", len(l.Events), l.Defects, err)
	}
}

// TestCompressKilledHalfWay has all forms: the plain one is the whole one.
func TestCompressKilledHalfWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.ndjson")
	ledger(t, path, 3)
	write(t, path+".zst", "half")
	write(t, strings.TrimSuffix(path, ".ndjson")+".fbl", "half")
	if events := reread(t, path); len(events) != 3 {
		t.Errorf("%d events", len(events))
	}
}

// TestLedgerCounts: what it has appended is what a reader will find.
func TestLedgerCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.ndjson")
	l, err := history.CreateLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		if err := l.Append(slices.Repeat([]history.Event{full}, n)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(reread(t, path)); n != 6 || l.Len() != n {
		t.Errorf("%d events, said to be %d", n, l.Len())
	}
}

func TestMissingLedgerIsEmpty(t *testing.T) {
	if events := reread(t, filepath.Join(t.TempDir(), "none.ndjson")); len(events) != 0 {
		t.Error(events)
	}
}

// FuzzDecodeLedger: whatever the bytes, the events that come of them, written
// again, read the same, and bytes that are no event are spoken of.
func FuzzDecodeLedger(f *testing.F) {
	f.Add([]byte(`{"t":1,"kind":"begin","node":"load","id":"x"}` + "\n" + `{"t":2`))
	f.Add([]byte("{}\n[]\n"))
	f.Add([]byte("null\n\xff\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		was := history.DecodeLedger(bytes.NewReader(data))
		if lines := bytes.Count(data, []byte("\n")); len(was.Events) < lines && len(was.Defects) == 0 {
			t.Fatalf("%d events of %d lines, and no word of it", len(was.Events), lines)
		}
		path := filepath.Join(t.TempDir(), "x.ndjson")
		l, err := history.CreateLedger(path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := l.Append(was.Events...); err != nil {
			t.Fatal(err)
		}
		if again := reread(t, path); !slices.Equal(again, was.Events) {
			t.Fatalf("got %v, want %v", again, was.Events)
		}
	})
}
