package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"faultbed/reports/history"
	"faultbed/suites/campaign"
)

// TestLedgerPrintsAnyForm puts a ledger into pages and wants its text back, byte
// for byte, by either name; and of half the file what is left of it, and an error.
func TestLedgerPrintsAnyForm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "client.ndjson")
	l, err := history.CreateLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12_000 {
		e := history.Event{T: int64(i), Kind: history.Note, Node: "bed", Detail: "a <b> & \u2028 and enough text that a megabyte is reached before long"}
		if err := l.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := history.Compress(path); err != nil {
		t.Fatal(err)
	}
	pages := filepath.Join(filepath.Dir(path), "client.fbl")
	for _, name := range []string{path, pages} {
		var out bytes.Buffer
		if err := printLedger(&out, name); err != nil || !bytes.Equal(out.Bytes(), text) {
			t.Errorf("%s: %v, %d bytes of %d", name, err, out.Len(), len(text))
		}
	}
	fi, err := os.Stat(pages)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(pages, fi.Size()/2); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := printLedger(&out, pages); !errors.Is(err, campaign.ErrInput) || out.Len() == 0 || !bytes.HasPrefix(text, out.Bytes()) {
		t.Errorf("half the file: %v, %d bytes of %d", err, out.Len(), len(text))
	}
	if err := printLedger(&out, filepath.Join(t.TempDir(), "none.fbl")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
