package main

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// even are arrivals every 0.5 ms for 5 s, each late by up to jitter; a capped
// client sends none of those of the stall but the first 32.
func even(first int64, jitter time.Duration, capped bool) sample {
	rng := rand.New(rand.NewPCG(1, 2))
	s := sample{stats: stats{First: first, Last: first + int64(fixedFor)}}
	from, to := s.stall()
	held := 0
	for t := first; t < first+int64(fixedFor); t += int64(time.Second / fixedRate) {
		late := int64(0)
		if t > first && jitter > 0 {
			late = rng.Int64N(int64(jitter))
		}
		if capped && t >= from && t < to {
			if held++; held > connections {
				s.at = append(s.at, to)
				continue
			}
		}
		s.at = append(s.at, t+late)
	}
	return s
}

func TestSteady(t *testing.T) {
	for _, c := range []struct {
		jitter   time.Duration
		min, max float64
	}{
		{0, 0, 0.001},
		{100 * time.Microsecond, 0, 0.02},
		{20 * time.Millisecond, 0.06, 0.4},
	} {
		for phase := range int64(8) {
			s := even(1e12+phase*61_000, c.jitter, false)
			if got := s.steady(); got < c.min || got > c.max {
				t.Errorf("jitter %v, phase %d: CV %.3f, want %.3f to %.3f", c.jitter, phase, got, c.min, c.max)
			}
		}
	}
}

func TestDuringStall(t *testing.T) {
	if got := even(1e12, 0, false).duringStall(); got != float64(inStall) {
		t.Errorf("an open model: %v arrivals in the stall, want %d", got, inStall)
	}
	s := even(1e12, 0, true)
	if got := s.duringStall(); got != connections {
		t.Errorf("a capped client: %v arrivals in the stall, want %d", got, connections)
	}
	if got := s.peak(); got < float64(inStall-connections) {
		t.Errorf("a capped client: fullest bin %v, want what was held back", got)
	}
	if s.steady() > 0.01 {
		t.Errorf("what follows the stall at once is no part of the CV: %.3f", s.steady())
	}
}

// TestTruth is the arithmetic, made by sorting the latencies themselves.
func TestTruth(t *testing.T) {
	n := int(fixedFor * fixedRate / time.Second)
	slow := 0
	for i := range n {
		if wait := stallFor - time.Duration(i)*time.Second/fixedRate; wait > truth {
			slow++
		}
	}
	if slow != n/100 {
		t.Errorf("%d of %d requests wait longer than %v, want 1%%", slow, n, truth)
	}
}

func TestMedianAndSpread(t *testing.T) {
	if m := median([]float64{3, 1, 2}); m != 2 {
		t.Errorf("median %v", m)
	}
	if m := median([]float64{4, 1, 2, 3}); m != 2.5 {
		t.Errorf("median %v", m)
	}
	if !math.IsNaN(median(nil)) {
		t.Error("the median of nothing is a number")
	}
	if s := spread([]float64{2, 1, 3}, "%.0f"); s != "2 (1–3)" {
		t.Errorf("spread %q", s)
	}
}

func TestReports(t *testing.T) {
	for name, c := range map[string]struct {
		report func(*bench, job, []byte) (outcome, error)
		text   string
		want   time.Duration
	}{
		"hey":    {heyReport, "Latency distribution:\n  95% in 0.0042 secs\n  99% in 0.0060 secs\n", 6 * time.Millisecond},
		"wrk2":   {wrk2Report, " 90.000%    1.02ms\n 99.000%  455.17ms\n 99.900%    0.50s \n", 455170 * time.Microsecond},
		"fortio": {fortioReport, `{"requests":1,"p99":0.0024}`, 2400 * time.Microsecond},
		"ours":   {oursReport, `{"requests":2,"outcomes":{"ok":2},"p99":450000000,"lag":25000}`, 450 * time.Millisecond},
	} {
		if got, err := c.report(nil, job{}, []byte(c.text)); err != nil || got.p99.Round(time.Microsecond) != c.want {
			t.Errorf("%s: %v, %v, want %v", name, got.p99, err, c.want)
		}
		if _, err := c.report(nil, job{}, []byte("nothing of the kind")); err == nil {
			t.Errorf("%s: no error for output without a p99", name)
		}
	}
}

func TestK6Report(t *testing.T) {
	j := job{dir: t.TempDir()}
	if _, err := k6Report(nil, j, nil); err == nil {
		t.Error("no error without a summary")
	}
	summary := `{"metrics":{"http_req_duration":{"p(99)":4.3}}}`
	if err := os.WriteFile(filepath.Join(j.dir, "summary.json"), []byte(summary), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := k6Report(nil, j, nil); err != nil || got.p99 != 4300*time.Microsecond {
		t.Errorf("%v, %v", got.p99, err)
	}
}

func TestProc(t *testing.T) {
	if got, err := parseStat([]byte("cpu  1 2 3 100 5 6 7 8 9 10\ncpu0 1\n")); err != nil || got != 27*tick {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := parseProcess([]byte("12 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20\n")); err != nil || got != 42*tick {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := read(1); err != nil {
		t.Errorf("this machine's own: %v", err)
	}
}

func FuzzProc(f *testing.F) {
	f.Add([]byte("cpu  1 2 3 100 5 6 7 8 9 10\ncpu0 1\n"))
	f.Add([]byte("12 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20\n"))
	f.Add([]byte(" 99% in 0.0060 secs\n 99.000%  455.17ms\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := parseStat(b); err != nil && d != 0 {
			t.Errorf("%v beside %v", d, err)
		}
		parseProcess(b)
		heyReport(nil, job{}, b)
		wrk2Report(nil, job{}, b)
	})
}

func TestOursReport(t *testing.T) {
	for text, want := range map[string]string{
		`{"requests":3,"outcomes":{"ok":3},"p99":2000,"lag":1000}`: "",
		`{"requests":3,"outcomes":{"ok":2,"reset":1}}`:             "of 3 requests 2 ended ok",
		`{"requests":0,"outcomes":{}}`:                             "of 0 requests",
		`{"requests":3}`:                                           "0 ended ok",
		`nonsense`:                                                 "invalid character",
	} {
		o, err := oursReport(nil, job{}, []byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if err == nil && (o.p99 != 2000 || o.lag != 1000) {
			t.Errorf("%s: %+v", text, o)
		}
	}
}
