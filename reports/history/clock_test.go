package history

import "testing"

// TestNowIsTheHostsClock reads the system call between two Nows: all three are
// the same clock, so they are in order but for the calibration's half width.
func TestNowIsTheHostsClock(t *testing.T) {
	const slack = 50_000 // ns
	for range 1000 {
		before := Now()
		mono := clockGettime()
		after := Now()
		if mono < before-slack || mono > after+slack {
			t.Fatalf("clock_gettime gives %d, which is not within %d and %d", mono, before, after)
		}
		if after < before {
			t.Fatalf("the clock went back from %d to %d", before, after)
		}
	}
}

// TestEveryCalibrationAgrees stands for many processes: each calibrates anew,
// and their ledgers are ordered against each other.
func TestEveryCalibrationAgrees(t *testing.T) {
	first := calibrate()
	for range 100 {
		c := calibrate()
		if d := (c.mono - first.mono) - int64(c.at.Sub(first.at)); d > 50_000 || d < -50_000 {
			t.Fatalf("two calibrations differ by %d ns", d)
		}
	}
}

func BenchmarkNow(b *testing.B) {
	for b.Loop() {
		Now()
	}
}

func BenchmarkClockGettime(b *testing.B) {
	for b.Loop() {
		clockGettime()
	}
}
