package history_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"faultbed/reports/history"
	"faultbed/reports/internal/sample"
)

// inPages writes events as pages and returns the file's path.
func inPages(t testing.TB, events []history.Event) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.fbl")
	p, err := history.CreatePages(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Append(events...); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// reread wants a ledger without a flaw.
func reread(t testing.TB, path string) []history.Event {
	t.Helper()
	l, err := history.ReadLedger(path)
	if err != nil || l.Torn || len(l.Defects) > 0 {
		t.Fatalf("torn %v, defects %v, %v", l.Torn, l.Defects, err)
	}
	return l.Events
}

// anyEvent draws every field of an event, whatever fields it has.
func anyEvent(t *rapid.T) history.Event {
	var e history.Event
	ids := rapid.OneOf(rapid.String(), rapid.StringMatching(`(0|1|9)?[0-9]{3,5}-[0-9a-f]{8}(\.[0-9]{1,2})?`), rapid.SampledFrom([]string{"", "0001-1a2b3c4d", "f1", "0001-1a2b3c4d.2"}))
	words := rapid.OneOf(rapid.String(), rapid.StringMatching(`c[0-9]{1,20}`), rapid.SampledFrom([]string{"", "", "ok", "127.0.0.1:80", "x0", "x00", "x007"}))
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		switch f, name := v.Field(i), v.Type().Field(i).Name; {
		case name == "ID":
			f.SetString(ids.Draw(t, name))
		case f.Kind() == reflect.String:
			f.SetString(words.Draw(t, name))
		case f.Kind() == reflect.Bool:
			f.SetBool(rapid.Bool().Draw(t, name))
		default:
			f.SetInt(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64(), rapid.Int64Range(1e12, 1e12+1000)).Draw(t, name))
		}
	}
	if rapid.Bool().Draw(t, "cites") {
		e.Detail += e.ID + e.Detail
	}
	return e
}

// TestPagesKeepEveryField draws events of which any field may have any value.
func TestPagesKeepEveryField(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		var want []history.Event
		for range rapid.IntRange(0, 40).Draw(t, "n") {
			want = append(want, anyEvent(t))
		}
		n++
		path := filepath.Join(dir, fmt.Sprint(n))
		p, err := history.CreatePages(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Append(want...); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		l, err := history.ReadLedger(path)
		if err != nil || len(l.Defects) > 0 || !slices.Equal(l.Events, want) {
			t.Fatalf("%v, %v: %s", err, l.Defects, cmp.Diff(want, l.Events))
		}
	})
}

// lots is a client ledger of n requests, as load writes it.
func lots(n int) []history.Event {
	t := sample.Bulk(n, 1)
	return t.Client
}

// TestPagesDamaged damages a ledger of three pages in every way that a disk or a
// kill knows, and wants the rest, with a plain word about what is lost.
func TestPagesDamaged(t *testing.T) {
	want := lots(5000) // 10,000 events: two whole pages and a part
	data, err := os.ReadFile(inPages(t, want))
	if err != nil {
		t.Fatal(err)
	}
	page := func(n int) int { // where it begins
		at := 8
		for range n {
			at += 20 + int(data[at+4]) + int(data[at+5])<<8 + int(data[at+6])<<16
		}
		return at
	}
	flip := func(at int) []byte { b := bytes.Clone(data); b[at] ^= 0x10; return b }
	first, last := want[:4096], want[8192:]
	for name, c := range map[string]struct {
		data []byte
		left []history.Event
		says string
	}{
		"a bit of a page":         {flip(page(1) + 100), slices.Concat(first, last), "page 2, with 4096 events, can't be read: its checksum is wrong"},
		"a bit of a head":         {flip(page(1) + 9), slices.Concat(first, last), "are no page; 2 pages of 3 were found"},
		"a bit of a head's mark":  {flip(page(1)), slices.Concat(first, last), "are no page"},
		"a bit of the end mark":   {flip(page(3) + 5), want, "it has no end mark"},
		"the end mark missing":    {data[:page(3)], want, "it has no end mark"},
		"the last page cut":       {data[:page(3)-1], want[:8192], "page 3, with 1808 events, can't be read: it is cut off; it has no end mark"},
		"cut between two pages":   {data[:page(2)], want[:8192], "it has no end mark"},
		"cut in a head":           {data[:page(2)+7], want[:8192], "it has no end mark"},
		"nothing but the magic":   {data[:8], nil, "it has no end mark"},
		"empty":                   {nil, nil, "it does not begin as a ledger in pages does; it has no end mark"},
		"a bit of the magic":      {flip(1), want, "it does not begin as a ledger in pages does"},
		"text":                    {[]byte("{}\n"), nil, "it does not begin as a ledger in pages does"},
		"half the magic's line":   {data[:7], nil, "it has no end mark"},
		"a page taken out":        {slices.Concat(data[:page(1)], data[page(2):]), slices.Concat(first, last), "2 pages of 3 were found"},
		"a page twice":            {slices.Concat(data[:page(1)], data[page(0):]), slices.Concat(first, want), "4 pages of 3 were found"},
		"something after the end": {append(bytes.Clone(data), "more"...), want, "4 bytes follow its end mark"},
		"a later version":         {flip(7), nil, "its form has version 17 and this faultbed knows 1"},
	} {
		path := filepath.Join(t.TempDir(), "x.fbl")
		write(t, path, string(c.data))
		l, err := history.ReadLedger(path)
		if said := strings.Join(l.Defects, "; "); err != nil || !strings.Contains(said, c.says) {
			t.Errorf("%s: says %q, want %q, %v", name, said, c.says, err)
		}
		if !slices.Equal(l.Events, c.left) {
			t.Errorf("%s: %d events, want %d", name, len(l.Events), len(c.left))
		}
	}
}

// TestPagesSurviveAKill reads a file whose writer is still at it.
func TestPagesSurviveAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.fbl")
	p, err := history.CreatePages(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	want := lots(5000)
	for _, e := range want {
		if err := p.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	l, err := history.ReadLedger(path)
	if err != nil || !slices.Equal(l.Events, want[:8192]) || len(l.Defects) != 1 {
		t.Errorf("%d events of %d, defects %v, %v", len(l.Events), len(want), l.Defects, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if got := reread(t, path); !slices.Equal(got, want) {
		t.Errorf("%d events of %d", len(got), len(want))
	}
	if _, err := history.CreatePages(path); err == nil {
		t.Error("a ledger was overwritten")
	}
}

// TestScanIsRead holds the two ways to read against each other, in every form.
func TestScanIsRead(t *testing.T) {
	want := lots(3000)
	text := filepath.Join(t.TempDir(), "x.ndjson")
	l, err := history.CreateLedger(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(want...); err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, path := range []string{text, inPages(t, want)} {
		var got []history.Event
		if _, err := history.ScanLedger(path, func(es []history.Event) error { got = append(got, es...); return nil }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) || !slices.Equal(reread(t, path), want) {
			t.Errorf("%s: %d events of %d", path, len(got), len(want))
		}
		enough := errors.New("enough")
		if _, err := history.ScanLedger(path, func([]history.Event) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := history.ScanLedger(text+"x", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// rewritten wants a damaged ledger's events to be such as can be written and read.
func rewritten(t *testing.T, file []byte) {
	path := filepath.Join(t.TempDir(), "x.fbl")
	write(t, path, string(file))
	l, err := history.ReadLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := reread(t, inPages(t, l.Events)); !slices.Equal(got, l.Events) {
		t.Fatalf("%d events written, %d read", len(l.Events), len(got))
	}
}

// FuzzPages reads any bytes as a ledger in pages.
func FuzzPages(f *testing.F) {
	for _, n := range []int{0, 1, 50} {
		data, err := os.ReadFile(inPages(f, lots(n)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rewritten(t, data)
		rewritten(t, history.Reseal(data))
	})
}

// TestPagesOfLies: a page may claim any number of events and of bytes; neither is
// made room for on its word.
func TestPagesOfLies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.fbl")
	write(t, path, string(history.Seal(1, history.Repeated(1<<20, 80))))
	l, err := history.ReadLedger(path)
	if said := strings.Join(l.Defects, "; "); err != nil || len(l.Events) != 0 || !strings.Contains(said, "columns don't fit") {
		t.Errorf("80 words of a mebibyte: %d events, %q, %v", len(l.Events), said, err)
	}
	write(t, path, string(history.Seal(1, history.Repeated(1<<20, 40))))
	if l, err := history.ReadLedger(path); err != nil || len(l.Events) != 1 || len(l.Defects) > 0 {
		t.Errorf("40 words of a mebibyte: %d events, %v, %v", len(l.Events), l.Defects, err)
	}
	if n := history.Promised(100, 1<<16); n != 1<<22 {
		t.Errorf("room for %d events was made", n)
	}
}

// FuzzColumns reads any bytes as the columns of a page whose checksum is right.
func FuzzColumns(f *testing.F) {
	for _, es := range [][]history.Event{nil, {full}, lots(20)} {
		f.Add(uint16(len(es)), history.Columns(es))
	}
	f.Fuzz(func(t *testing.T, n uint16, columns []byte) { rewritten(t, history.Seal(int(n), columns)) })
}

func BenchmarkPagesEncode(b *testing.B) {
	events := lots(50_000)
	for b.Loop() {
		inPages(b, events)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(events)), "ns/event")
}

func BenchmarkPagesDecode(b *testing.B) {
	events := lots(50_000)
	path := inPages(b, events)
	fi, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		reread(b, path)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(events)), "ns/event")
	b.ReportMetric(float64(fi.Size())/float64(len(events)), "B/event")
}
