package verdict_test

import (
	"encoding/json"
	"testing"
	"time"

	"faultbed/reports/history"
	"faultbed/reports/internal/sample"
	"faultbed/reports/verdict"
)

// TestSettings: what the host's calibration says stands beside each setting that it
// covers, and a run without one is judged as it was before there were any.
func TestSettings(t *testing.T) {
	run := sample.Run(1)
	before, err := json.Marshal(verdict.Judge(run).Trials)
	if err != nil {
		t.Fatal(err)
	}
	run.Manifest.Calibration = &history.Calibration{}
	if after, _ := json.Marshal(verdict.Judge(run).Trials); string(after) != string(before) {
		t.Error("trials change where nothing was calibrated")
	}
	f := &run.Trials[0].Plan.Faults[0]
	f.Kind, f.For, f.With = "wire.stall", int64(70*time.Millisecond), json.RawMessage(`{"pause":50000000,"chance":1,"direction":"down"}`)
	gauge := func(param string) history.Gauge {
		return history.Gauge{Fault: "wire.stall", Param: param, Unit: "ms", Per: 1e6, N: 9, Off50: 0.25, Off99: 1}
	}
	run.Manifest.Calibration = &history.Calibration{Date: time.Unix(1, 0), Gauges: []history.Gauge{gauge("pause"), gauge("for"),
		{Fault: "wire", Param: "chance", Unit: "share", Per: 1, N: 9}, {Fault: "toxic", Param: "latency", Unit: "ms", Per: 1e6, N: 9}}}
	got := verdict.Judge(run).Trials[0].Faults[0].Settings
	if len(got) != 2 || got[0].Param != "for" || got[0].Asked != 70 || got[1].Param != "pause" || got[1].Asked != 50 || got[1].Gauge.Off99 != 1 {
		t.Errorf("settings %+v", got)
	}
}
