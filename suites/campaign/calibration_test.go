package campaign

import (
	"os"
	"testing"
	"time"

	"faultbed/reports/history"
)

// TestACalibrationIsOfItsHost: what was kept is found again, but not on another
// host or kernel.
func TestACalibrationIsOfItsHost(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // Linux
	t.Setenv("HOME", t.TempDir())           // elsewhere
	if c := kept(); c == nil || c.Known() {
		t.Errorf("without a file: %+v", c)
	}
	host, kernel := Here()
	c := history.Calibration{Host: host, Kernel: kernel, Date: time.Unix(1, 0).UTC(), Gauges: []history.Gauge{{Fault: "wire.stall", Param: "pause", N: 1}}}
	file, err := Keep(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := kept(); !got.Known() || len(got.Gauges) != 1 {
		t.Errorf("kept: %+v", got)
	}
	for _, other := range []history.Calibration{{Host: "elsewhere.invalid", Kernel: kernel, Date: c.Date}, {Host: host, Kernel: "1.0", Date: c.Date}} {
		if _, err := Keep(other); err != nil {
			t.Fatal(err)
		}
		if got := kept(); got.Known() {
			t.Errorf("taken for this host's: %+v", got)
		}
	}
	if err := os.WriteFile(file, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := kept(); got.Known() {
		t.Errorf("a torn file: %+v", got)
	}
}
