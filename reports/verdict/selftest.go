package verdict

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"faultbed/reports/check"
	"faultbed/reports/history"
	"faultbed/reports/stats"
)

// SelfTest is what the bed's own test showed: a stall of known length at the
// bare origin, as the load's ledger tells it and as it was. Durations are ns.
type SelfTest struct {
	Verdict  Verdict `json:"verdict"`
	Reason   string  `json:"reason"`
	Requests int     `json:"requests"` // that were planned
	Within   int     `json:"within"`   // of which planned while the origin stood still
	Stall    int64   `json:"stall"`
	Truth    int64   `json:"truth"`    // 99th percentile of the latency, computed from the schedule and the stall
	Reported int64   `json:"reported"` // the same from the client ledger
	Ratio    float64 `json:"ratio"`    // reported to truth
	Direct   int64   `json:"direct"`   // median latency of requests outside the stall: the cost of the bed without a subject

	SendLagP50 int64 `json:"sendLagP50"`
	SendLagP99 int64 `json:"sendLagP99"`
}

// selfTest judges the run's, if it has one. One that never began can't pass.
func selfTest(run *history.Run) *SelfTest {
	key := run.Manifest.SelfTest
	if key == "" {
		return nil
	}
	t := run.Read(key)
	if t == nil {
		return &SelfTest{Verdict: Inconclusive, Reason: "the self-test never began"}
	}
	s := JudgeSelfTest(t)
	return &s
}

// selfTestWithin is how far the reported percentile may lie from the truth, and
// the stall from what was planned; leastWithin is which share of the requests, as
// one of so many, must have been planned in the stall, so that the 99th percentile
// lies deep in it.
const (
	selfTestWithin = 0.10
	leastWithin    = 20
)

// JudgeSelfTest compares what the load reported with what was. A request that was
// planned in the stall waits for the stall's end, whatever the generator did; all
// others take what they took.
func JudgeSelfTest(t *history.Trial) SelfTest {
	s := judgeSelfTest(t)
	if n := t.Plan.Trial; n > 1 {
		s.Reason += fmt.Sprintf(" (%s attempt)", ordinal(n))
	}
	return s
}

func ordinal(n int) string {
	switch n {
	case 2:
		return "second"
	case 3:
		return "third"
	}
	return fmt.Sprintf("%dth", n)
}

func judgeSelfTest(t *history.Trial) SelfTest {
	v := check.New(t)
	s := SelfTest{Verdict: Inconclusive, Requests: len(t.Plan.Arrivals)}
	if t.Torn || len(t.Defects) > 0 {
		s.Reason = "the self-test's folder is damaged: " + strings.Join(append(slices.Clone(t.Defects), torn(t)...), "; ")
		return s
	}
	if t.Info.Status != "complete" || t.Info.Error != "" || len(v.Windows) != 1 || v.Windows[0].From == 0 {
		s.Reason = fmt.Sprintf("the self-test is %s: %s", t.Info.Status, t.Info.Error)
		return s
	}
	w := v.Windows[0]
	s.Stall = w.To - w.From
	var reported, outside, lags []int64
	bad := 0
	for _, x := range v.Exchanges {
		from, to := v.Span(x)
		reported, lags = append(reported, to-from), append(lags, x.Begin.T-from)
		if x.Outcome() != history.OK {
			bad++
		}
		if from < w.From || from > w.To {
			outside = append(outside, to-from)
		}
	}
	s.Direct = stats.Quantile(outside, 0.5)
	var truth []int64
	for _, a := range t.Plan.Arrivals {
		at, latency := t.Info.T0+a.At, s.Direct
		if at >= w.From && at < w.To {
			s.Within++
			latency += w.To - at
		}
		truth = append(truth, latency)
	}
	s.Truth, s.Reported = stats.Quantile(truth, 0.99), stats.Quantile(reported, 0.99)
	s.SendLagP50, s.SendLagP99 = stats.Quantile(lags, 0.5), stats.Quantile(lags, 0.99)
	s.Ratio = float64(s.Reported) / math.Max(float64(s.Truth), 1)
	s.Verdict, s.Reason = s.decide(bad, len(v.Exchanges), w.Fault.For)
	return s
}

func torn(t *history.Trial) []string {
	if t.Torn {
		return []string{"a ledger ends in the middle of a line"}
	}
	return nil
}

func (s SelfTest) decide(bad, begun int, planned int64) (Verdict, string) {
	switch {
	case begun < s.Requests:
		return Inconclusive, fmt.Sprintf("only %d of %d requests were sent", begun, s.Requests)
	case bad > 0:
		return Inconclusive, fmt.Sprintf("%d of %d requests to the bare origin failed", bad, s.Requests)
	case math.Abs(float64(s.Stall-planned)) > selfTestWithin*float64(planned):
		return Inconclusive, fmt.Sprintf("the origin stood still for %v, planned were %v", ms(s.Stall), ms(planned))
	case s.Within*leastWithin < s.Requests:
		return Inconclusive, fmt.Sprintf("only %d of %d requests were planned in the stall: the 99th percentile says nothing of it", s.Within, s.Requests)
	case math.Abs(s.Ratio-1) > selfTestWithin:
		return Inconclusive, fmt.Sprintf("a stall of %v makes a 99th percentile of %v; the load reports %v", history.Dur(s.Stall).Round(time.Millisecond), ms(s.Truth), ms(s.Reported))
	}
	return Pass, fmt.Sprintf("a stall of %v was seen as long as it was: 99th percentile %v, computed %v", history.Dur(s.Stall).Round(time.Millisecond), ms(s.Reported), ms(s.Truth))
}

func ms(ns int64) time.Duration { return history.Dur(ns).Round(time.Millisecond) }
