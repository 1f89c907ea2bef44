package resource

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
)

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000002 00:00000000 00000000     0        0 51 1 0 100 0 0 10 0
   1: 0100007F:1F90 0200007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1
   2: 0100007F:1F90 0200007F:C002 01 00000000:00000000 00:00000000 00000000     0        0 52 1 0 20 4 30 10 -1
   3: 0100007F:1F90 0200007F:C003 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1
   4: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000200007F:C004 01 0:0 0:0 0 0 0 0
   5: 0100007F:C100 0300007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 53 1
   6: 0100007F:C100 0400007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 54 1
   7: 0100007F:C103 0300007F:0050 06 00000000:00000000 00:00000000 00000000     0        0 0 1
   8: 0100007G:C103 nonsense
`

func TestParseSockets(t *testing.T) {
	if b := [2]byte{1, 0}; binary.NativeEndian.Uint16(b[:]) != 1 {
		t.Skip("the table is a little-endian machine's")
	}
	ss := parseSockets(table)
	if len(ss) != 8 {
		t.Fatalf("%d sockets: %+v", len(ss), ss)
	}
	at := netip.MustParseAddrPort("127.0.0.1:8080")
	if s := ss[0]; s.local != at || s.state != listening || s.inode != 51 || !s.serves(at) {
		t.Errorf("%+v", s)
	}
	if s := (socket{local: netip.MustParseAddrPort("0.0.0.0:8080"), state: listening}); !s.serves(at) || s.serves(netip.MustParseAddrPort("127.0.0.1:8081")) {
		t.Errorf("a listener at all addresses: %+v", s)
	}
	got := waiting(ss, at)
	want := []string{"127.0.0.2:49153", "127.0.0.2:49156"}
	if len(got) != len(want) || got[0].String() != want[0] || got[1].String() != want[1] {
		t.Errorf("waiting: %v, want %v", got, want)
	}
	few := span{0xC100, 0xC103}
	if n := few.taken(ss, netip.MustParseAddrPort("127.0.0.3:80")); n != 2 {
		t.Errorf("%d ports taken, want 2: TIME_WAIT counts, other destinations don't", n)
	}
}

func FuzzParseSockets(f *testing.F) {
	for line := range strings.Lines(table) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, x := range parseSockets(s) {
			if !x.local.IsValid() || !x.remote.IsValid() {
				t.Errorf("%q: %+v", s, x)
			}
		}
	})
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		all  span
		n    int
		used []uint16
		want span
	}{
		{span{10, 20}, 4, nil, span{17, 20}},
		{span{10, 20}, 4, []uint16{19}, span{15, 18}},
		{span{10, 20}, 1, []uint16{20}, span{19, 19}},
		{span{10, 20}, 12, nil, span{}},
		{span{10, 20}, 8, []uint16{14}, span{}},
		{span{65530, 65535}, 6, nil, span{65530, 65535}},
	} {
		used := map[uint16]bool{}
		for _, p := range c.used {
			used[p] = true
		}
		got, err := choose(c.all, c.n, used)
		if got != c.want || (err == nil) != (c.want != span{}) {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
		if err == nil && got.size() != c.n {
			t.Errorf("%+v: %d ports", c, got.size())
		}
	}
}

func TestLimitFor(t *testing.T) {
	for _, c := range []struct {
		open  []int
		more  int
		limit int
	}{
		{nil, 0, 0}, {nil, 3, 3},
		{[]int{0, 1, 2}, 0, 3}, {[]int{0, 1, 2}, 2, 5},
		{[]int{0, 1, 2, 4, 7}, 0, 3}, // the hole at 3 must not be usable
		{[]int{0, 1, 2, 4, 7}, 1, 5}, // 3 is
		{[]int{0, 1, 2, 4, 7}, 3, 8}, // 3, 5 and 6 are
		{[]int{0, 1, 2, 3, 4, 5, 6, 7}, 1, 9},
	} {
		got := limitFor(c.open, c.more)
		if got != c.limit || !full(c.open, got) && c.more == 0 || c.more > 0 && full(c.open, got) {
			t.Errorf("%v and %d more: limit %d, want %d", c.open, c.more, got, c.limit)
		}
	}
}

// diagOf is an answer of inet_diag.
func diagOf(inode, waiting, length, drops uint32) []byte {
	b := make([]byte, diagHeader)
	binary.NativeEndian.PutUint32(b[diagInode:], inode)
	binary.NativeEndian.PutUint32(b[diagWaiting:], waiting)
	binary.NativeEndian.PutUint32(b[diagLength:], length)
	b = binary.NativeEndian.AppendUint16(b, 5) // an attribute of one byte, padded
	b = binary.NativeEndian.AppendUint16(b, 8)
	b = append(b, 1, 0, 0, 0)
	b = binary.NativeEndian.AppendUint16(b, 4+9*4)
	b = binary.NativeEndian.AppendUint16(b, skMemInfo)
	for range skDrops {
		b = binary.NativeEndian.AppendUint32(b, 0)
	}
	return binary.NativeEndian.AppendUint32(b, drops)
}

func TestParseDiag(t *testing.T) {
	b := diagOf(7, 2, 1, 5)
	inode, q, err := parseDiag(b)
	if err != nil || inode != 7 || q != (queue{length: 1, waiting: 2, drops: 5}) {
		t.Errorf("%d %+v %v", inode, q, err)
	}
	for n := range b {
		if _, q, err := parseDiag(b[:n]); err == nil {
			t.Errorf("cut at %d: %+v", n, q)
		}
	}
}

func FuzzParseDiag(f *testing.F) {
	f.Add(diagOf(7, 2, 1, 5))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, q, err := parseDiag(b); err == nil && q.drops < 0 {
			t.Errorf("%x: %+v", b, q)
		}
	})
}
