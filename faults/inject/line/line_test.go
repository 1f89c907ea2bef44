package line

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

func TestLinesArriveAsTheyWereWritten(t *testing.T) {
	sent := []Line{{Event: Ready, T: 1, PID: 7}, {Event: Fired, T: 2, PID: 7, TID: 9, Func: "f", Path: "/a\n\"b", Held: 3},
		{Event: Detached, T: 4, Held: 5, Stops: 6, Fired: 1, Ended: "ended"}, {Event: Unsupported, Why: "no"}}
	var b bytes.Buffer
	for _, l := range sent {
		if err := Write(&b, l); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(b.String(), "\n"); n != len(sent) {
		t.Errorf("%d lines for %d events", n, len(sent))
	}
	var got []Line
	if err := Read(&b, func(l Line) bool { got = append(got, l); return true }); err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("%+v, %v; want %+v", got, err, sent)
	}
}

func TestReadEndsWhenToldAndRefusesOtherLines(t *testing.T) {
	n := 0
	if err := Read(strings.NewReader("{\"event\":\"READY\"}\n{\"event\":\"FIRED\"}\n"), func(Line) bool { n++; return false }); err != nil || n != 1 {
		t.Errorf("%d lines, %v", n, err)
	}
	if err := Read(strings.NewReader("panic: oh\n"), func(Line) bool { return true }); err == nil || !strings.Contains(err.Error(), "panic: oh") {
		t.Errorf("a line that is none of ours: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("{\"event\":\"READY\",\"t\":1}\n")
	f.Add("{}\n\n[]")
	f.Fuzz(func(t *testing.T, s string) {
		taken := 0
		err := Read(strings.NewReader(s), func(Line) bool { taken++; return true })
		if err == nil && taken < strings.Count(strings.TrimSpace(s), "\n") {
			t.Errorf("%d of %q", taken, s)
		}
	})
}
