package notify

import (
	"net/netip"
	"testing"
)

func TestDestination(t *testing.T) {
	for want, raw := range map[string][]byte{
		"127.1.2.3:8080":    {2, 0, 0x1f, 0x90, 127, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0},
		"127.0.0.1:80":      {10, 0, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1, 0, 0, 0, 0},
		"[2001:db8::1]:443": {10, 0, 1, 0xbb, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
	} {
		if got, ok := destination(raw); !ok || got != netip.MustParseAddrPort(want) {
			t.Errorf("got %v, %v; want %s", got, ok, want)
		}
	}
	for _, raw := range [][]byte{nil, {2, 0, 0, 80}, {1, 0, '/', 'a', 0, 0, 0, 0, 0}, {10, 0, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0}} {
		if got, ok := destination(raw); ok {
			t.Errorf("% x was read as %v", raw, got)
		}
	}
}

func FuzzDestination(f *testing.F) {
	f.Add([]byte{2, 0, 0x1f, 0x90, 127, 1, 2, 3})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if got, ok := destination(raw); ok && !got.IsValid() {
			t.Errorf("% x was read as nothing", raw)
		}
	})
}
