package inject

import (
	"net/netip"
	"testing"
)

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0200000A:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:1F90 0200000A:C351 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0000000000000000
   4: B80D0120000000000000000001000000:01BB 0000000000000000FFFF00000100007F:1F91 08 0:0 00:0 0 0 0 4713 1 0 20 4 30 10 -1
`

func TestSocketTable(t *testing.T) {
	got, err := parseSockets(table)
	if err != nil {
		t.Fatal(err)
	}
	want := []socket{
		{netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("0.0.0.0:0"), listening, 4711},
		{netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("10.0.0.2:50000"), established, 4712},
		{netip.MustParseAddrPort("[2001:db8::1]:443"), netip.MustParseAddrPort("127.0.0.1:8081"), closeWait, 4713},
	}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d: got %v, want %v", i, got[i], want[i])
		}
	}
}

func TestSocketTableBroken(t *testing.T) {
	for _, line := range []string{
		"0: 0100007:1F90 00000000:0000 0A 0:0 0:0 0 0 0 4711",
		"0: 010000:1F90 00000000:0000 0A 0:0 0:0 0 0 0 4711",
		"0: 0100007F:1F90 00000000:10000 0A 0:0 0:0 0 0 0 4711",
		"0: 0100007F:1F90 00000000:0000 XX 0:0 0:0 0 0 0 4711",
		"0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 -1",
	} {
		if got, err := parseSockets(line); err == nil {
			t.Errorf("%q was read as %v", line, got)
		}
	}
}

func FuzzSocketTable(f *testing.F) {
	f.Add(table)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseSockets(text)
		for _, s := range got {
			if err == nil && (!s.local.IsValid() || !s.peer.IsValid() || s.inode == 0) {
				t.Errorf("no socket of a process: %+v", s)
			}
		}
	})
}
