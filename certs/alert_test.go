package certs

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"testing"
)

func record(kind byte, body ...byte) []byte {
	return append([]byte{kind, 3, 3, byte(len(body) >> 8), byte(len(body))}, body...)
}

func TestRecordsFindTheAlert(t *testing.T) {
	hello, data, empty := record(22, make([]byte, 300)...), record(23, 21, 3, 3, 0, 2, 2, 48), record(23)
	for what, c := range map[string]struct {
		stream []byte
		want   string
	}{
		"nothing":                     {nil, ""},
		"fatal after the hello":       {bytes.Join([][]byte{hello, record(20, 1), record(21, 2, 48)}, nil), "unknown_ca"},
		"after an empty record":       {bytes.Join([][]byte{empty, record(21, 2, 45)}, nil), "certificate_expired"},
		"the first of two":            {bytes.Join([][]byte{record(21, 2, 42), record(21, 2, 80)}, nil), "bad_certificate"},
		"a warning is none":           {record(21, 1, 0), ""},
		"fatal after a warning":       {bytes.Join([][]byte{record(21, 1, 90), record(21, 2, 40)}, nil), "handshake_failure"},
		"encrypted ones are not read": {record(21, append([]byte{2, 48}, make([]byte, 22)...)...), ""},
		"data that looks like one":    {bytes.Join([][]byte{hello, data}, nil), ""},
		"cut short":                   {record(21, 2, 48)[:6], ""},
		"a number without a name":     {record(21, 2, 200), "alert_200"},
	} {
		for _, step := range []int{1, 3, 1 << 16} {
			if got := heardIn(c.stream, step); got != c.want {
				t.Errorf("%s in steps of %d: %q, want %q", what, step, got, c.want)
			}
		}
	}
}

func heardIn(stream []byte, step int) string {
	var r records
	for len(stream) > 0 {
		n := min(step, len(stream))
		r.feed(stream[:n])
		stream = stream[n:]
	}
	if !r.found {
		return ""
	}
	return AlertName(r.code)
}

// However the network cuts the stream, the same alert is found, and it is in there.
func FuzzRecords(f *testing.F) {
	f.Add(append(record(22, 1, 2, 3), record(21, 2, 48)...), 3)
	f.Add([]byte{21, 3, 3, 0, 2, 2}, 1)
	f.Add([]byte{23, 3, 3, 0, 0, 21, 3, 3, 0, 2, 2, 0}, 5)
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		var whole records
		whole.feed(stream)
		name := ""
		if whole.found {
			name = AlertName(whole.code)
			if !bytes.Contains(stream, []byte{0, 2, 2, whole.code}) {
				t.Errorf("found alert %d in %x", whole.code, stream)
			}
		}
		if got := heardIn(stream, 1+step&0xff); got != name {
			t.Errorf("%q at once, %q in pieces: %x", name, got, stream)
		}
	})
}

func TestRemoteAlert(t *testing.T) {
	for code := range 256 {
		err := fmt.Errorf("dial: %w", &net.OpError{Op: "remote error", Err: tls.AlertError(code)})
		if got := RemoteAlert(err); got != AlertName(uint8(code)) {
			t.Errorf("%d: %q", code, got)
		}
	}
	for _, err := range []error{nil, errors.New("remote error: tls: bad certificate"), &net.OpError{Op: "local error", Err: tls.AlertError(42)}} {
		if got := RemoteAlert(err); got != "" {
			t.Errorf("%v: %q", err, got)
		}
	}
}
