package layout

import (
	"testing"
	"time"

	"faultbed/reports/history"
	"faultbed/reports/verdict"
)

func TestCalibration(t *testing.T) {
	c := &history.Calibration{Date: time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC), Gauges: make([]history.Gauge, 3)}
	for _, x := range []struct{ got, want string }{
		{Calibrated(nil), ""},
		{Calibrated(&history.Calibration{}), "not calibrated: faultbed calibrate"},
		{Calibrated(c), "calibrated 2026-11-28, 3 gauges"},
		{Setting(verdict.Setting{Param: "pause", Asked: 50, Gauge: history.Gauge{Unit: "ms", Off50: 0.3, Off99: -0.9}}, c),
			"pause 50 ms; on this host, between processes, off by +0.30 ms (p50), -0.90 ms (p99), calibrated 2026-11-28"},
		{Setting(verdict.Setting{Param: "chance", Asked: 0.25, Gauge: history.Gauge{Unit: "share", Off50: 1, Off99: 2.25}}, c),
			"chance 0.25; on this host, between processes, off by +1.0 % (p50), +2.2 % (p99), calibrated 2026-11-28"},
	} {
		if x.got != x.want {
			t.Errorf("%q, want %q", x.got, x.want)
		}
	}
}
