package verdict_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"faultbed/reports/history"
	"faultbed/reports/internal/sample"
	"faultbed/reports/verdict"
)

const (
	t0 = int64(1_000_000_000_000)
	ms = int64(time.Millisecond)
)

// build changes a trial; a table of them says what makes the difference.
type build func(*history.Trial)

// timeline is a good trial: three requests, a clean control arm, and a wire
// fault that reset two connections.
func timeline(more ...build) *history.Trial {
	t := &history.Trial{
		Plan: history.Plan{Version: 1, Scenario: "network/back-rst", Engine: "timeline", Subject: "go", Trial: 1, Replicas: 1, Duration: 3000 * ms,
			Faults:   []history.Fault{{ID: "f1", Kind: "wire.rst", Leg: "back", At: 1000 * ms, For: 500 * ms}},
			Promise:  history.Promise{Signal: "TERM", Grace: 2000 * ms, ExitCodes: []int{0}},
			Settings: history.Settings{Grace: 2000 * ms}, Expect: history.Expectation{Allow: []history.Outcome{history.Truncated}}},
		Info: history.TrialInfo{Runtime: "process", T0: t0, Status: "complete"},
		Fault: []history.Event{{T: t0 + 1000*ms, Kind: history.Inject, Node: "bed", ID: "f1"},
			{T: t0 + 1100*ms, Kind: history.Bite, Node: "wire-back", ID: "f1", Count: 2}, {T: t0 + 1500*ms, Kind: history.Lift, Node: "bed", ID: "f1"}},
	}
	request("a", history.Short, 100, 105, history.OK)(t)
	request("b", history.Stream, 900, 1100, history.Truncated)(t)
	request("c", history.Short, 2000, 2005, history.OK)(t)
	request("k", history.Control, 200, 201, history.OK)(t)
	for _, m := range more {
		m(t)
	}
	return t
}

// drained is a good drain: signal at 800 ms, gone 400 ms later.
func drained(more ...build) *history.Trial {
	t := timeline(func(t *history.Trial) {
		t.Plan.Scenario, t.Plan.Expect = "drain/sigterm", history.Expectation{Drain: true}
		t.Plan.Faults = []history.Fault{{ID: "f1", Kind: "process.signal", At: 800 * ms}}
		t.Plan.Arrivals, t.Client, t.Fault = nil, nil, nil
	}, request("a", history.Slow, 500, 1100, history.OK), request("b", history.Fresh, 900, 901, history.Refused), request("k", history.Control, 200, 201, history.OK),
		event(history.Signal, 800), event(history.Exit, 1200))
	for _, m := range more {
		m(t)
	}
	return t
}

func request(id string, c history.Class, from, to int64, o history.Outcome) build {
	return func(t *history.Trial) {
		t.Plan.Arrivals = append(t.Plan.Arrivals, history.Arrival{ID: id, Class: c, At: from * ms})
		begin := history.Event{T: t0 + from*ms, Kind: history.Begin, Node: "load", ID: id, Class: c, Planned: t0 + from*ms}
		end := begin
		end.T, end.Kind, end.Outcome, end.Sent = t0+to*ms, history.End, o, begin.T+1
		t.Client = append(t.Client, begin, end)
	}
}

func event(k history.Kind, at int64, change ...func(*history.Event)) build {
	return func(t *history.Trial) {
		e := history.Event{T: t0 + at*ms, Kind: k, Node: "subject-0", ID: "f1", Via: "pidfd"}
		for _, c := range change {
			c(&e)
		}
		t.Fault = append(t.Fault, e)
	}
}

// without drops fault events of a kind.
func without(k history.Kind) build {
	return func(t *history.Trial) {
		t.Fault = slices.DeleteFunc(t.Fault, func(e history.Event) bool { return e.Kind == k })
	}
}

func status(s, why string) build {
	return func(t *history.Trial) { t.Info.Status, t.Info.Error = s, why }
}

var (
	failed    = request("x", history.Short, 2500, 2501, history.Reset)     // no fault excuses it
	crosstalk = request("y", history.Short, 2500, 2501, history.CrossTalk) // nothing excuses it
	injector  = func(t *history.Trial) { t.Info.Error, t.Info.Injector = "toxiproxy hung", true }
	badArm    = request("k2", history.Control, 2600, 2601, history.Refused)
	torn      = func(t *history.Trial) { t.Torn = true }
	late      = func(t *history.Trial) {
		for i := range t.Client {
			t.Client[i].Planned -= 50 * ms
		}
	}
	slowArm = request("k3", history.Control, 2600, 2900, history.OK)
	unsent  = func(t *history.Trial) {
		t.Plan.Arrivals = append(t.Plan.Arrivals, history.Arrival{ID: "u", Class: history.Short, At: 2700 * ms})
	}
)

func TestJudgeTrial(t *testing.T) {
	bitless := without(history.Bite)
	for name, c := range map[string]struct {
		trial  *history.Trial
		want   verdict.Verdict
		reason string
	}{
		"good":                               {timeline(), verdict.Pass, "every check"},
		"good drain":                         {drained(), verdict.Pass, "every check"},
		"a request fails":                    {timeline(failed), verdict.Fail, "recovery (1): all faults had ended"},
		"fault bit nothing":                  {timeline(bitless), verdict.Inconclusive, "fault f1 (wire.rst) bit nothing"},
		"fault bit nothing, a request fails": {timeline(bitless, failed), verdict.Inconclusive, "bit nothing"},
		"fault bit nothing, and all fails before it": {timeline(bitless, request("x", history.Short, 300, 305, history.Reset)), verdict.Fail, "outside (1): no fault acted"},
		"fault never injected":                       {timeline(without(history.Inject), without(history.Bite)), verdict.Inconclusive, "bit nothing"},
		"control arm fails":                          {timeline(badArm), verdict.Inconclusive, "1 of 2 control requests"},
		"control arm fails, a request too":           {timeline(badArm, failed), verdict.Inconclusive, "1 of 2 control requests"},
		"control arm slow":                           {timeline(slowArm), verdict.Inconclusive, "a starved machine"},
		"generator late":                             {timeline(late), verdict.Inconclusive, "the generator was late by 50ms"},
		"arrivals unsent":                            {timeline(unsent), verdict.Inconclusive, "only 4 of 5 planned arrivals"},
		"torn ledger":                                {timeline(torn), verdict.Inconclusive, "in the middle of a line"},
		"torn ledger, a request fails":               {timeline(torn, failed), verdict.Inconclusive, "in the middle of a line"},
		"another's bytes, torn ledger":               {timeline(torn, crosstalk), verdict.Fail, "integrity (1)"},
		"another's bytes, bad control arm":           {timeline(badArm, crosstalk), verdict.Fail, "integrity (1)"},
		"another's bytes, an injector failed":        {timeline(injector, crosstalk), verdict.Inconclusive, "toxiproxy hung"},
		"interrupted":                                {timeline(status("interrupted", "the run was stopped")), verdict.Inconclusive, "the trial is interrupted: the run was stopped"},
		"set-up failed":                              {timeline(status("setup-failed", "no image")), verdict.Inconclusive, "setup-failed: no image"},
		"still running":                              {timeline(status("running", "")), verdict.Inconclusive, "the trial is running"},
		"the bed says error":                         {timeline(event(history.Error, 2000, func(e *history.Event) { e.Detail = "boom" })), verdict.Inconclusive, "subject-0: boom"},
		"drain never seen to end":                    {drained(without(history.Exit)), verdict.Inconclusive, "no exit of subject-0"},
		"drain killed by the bed":                    {drained(without(history.Exit), event(history.Killed, 3800), event(history.Exit, 3801, killed)), verdict.Fail, "drain-time (1): still alive 3s"},
		"restarted and back in time":                 {drained(restarted, event(history.Ready, 1290)), verdict.Pass, "every check"},
		"restarted and back too late":                {drained(restarted, event(history.Ready, 1310)), verdict.Inconclusive, "subject-0 was not ready again 500ms after its signal"},
		"restarted and never back":                   {drained(restarted), verdict.Inconclusive, "was not ready again"},
		"several checks at once":                     {timeline(failed, crosstalk), verdict.Fail, "integrity (1)"},
		"nothing but a plan, killed at once":         {&history.Trial{Info: history.TrialInfo{Status: "running"}}, verdict.Inconclusive, "the trial is running"},
		"nothing happened though it completed":       {&history.Trial{Plan: timeline().Plan, Info: history.TrialInfo{Status: "complete"}}, verdict.Inconclusive, "only 0 of 4"},
	} {
		j := verdict.JudgeTrial(c.trial)
		if j.Verdict != c.want || !strings.Contains(strings.Join(j.Reasons, "; "), c.reason) {
			t.Errorf("%s: %s %q, want %s and %q", name, j.Verdict, j.Reasons, c.want, c.reason)
		}
	}
}

func restarted(t *history.Trial) {
	t.Plan.Faults[0].Kind, t.Plan.Out = "process.restart", 500*ms
}

func killed(e *history.Event) { e.Code, e.Signal = 137, "KILL" }

// TestManyViolationsHideNoOther has more of one kind than are kept.
func TestManyViolationsHideNoOther(t *testing.T) {
	x := timeline()
	for i := range 50 {
		request(fmt.Sprint("t", i), history.Short, 1100, 1200, history.Timeout)(x)
	}
	event(history.Exit, 2000)(x)
	j := verdict.JudgeTrial(x)
	last := j.Violations[len(j.Violations)-1]
	if j.Found != 51 || len(j.Violations) != 20 || last.Check != "survives" {
		t.Errorf("%d found, %d kept, the last of %s", j.Found, len(j.Violations), last.Check)
	}
	if len(j.Reasons) != 2 || !strings.HasPrefix(j.Reasons[0], "during (50)") || !strings.HasPrefix(j.Reasons[1], "survives (1)") {
		t.Errorf("reasons %q", j.Reasons)
	}
}

// TestKilledDrainIsCensored: a drain that the bed cut off is only known to be
// longer, and counts as such in the cell's median.
func TestKilledDrainIsCensored(t *testing.T) {
	cut := drained(without(history.Exit), event(history.Killed, 3800), event(history.Exit, 3801, killed))
	d := verdict.JudgeTrial(cut).Drain
	if d == nil || !d.Time.Censored || d.Time.Ns != 3000*ms || d.ExitSignal != "KILL" {
		t.Fatalf("drain %+v", d)
	}
	r := verdict.Judge(&history.Run{Trials: []*history.Trial{cut, drained(), cut}})
	c := r.Cells[0]
	if c.Drain.N != 3 || c.Drain.Censored != 2 || !c.Drain.Median.Censored || c.Headline != "drain > 3.00 s" {
		t.Errorf("cell %+v, median %+v, headline %s", *c.Drain, *c.Drain.Median, c.Headline)
	}
	if d := verdict.JudgeTrial(drained()).Drain; d.Time.Censored || d.Time.Ns != 400*ms || *d.FirstRefused != 100*ms || d.FirstHung != nil {
		t.Errorf("a good drain: %+v", d)
	}
}

// TestJudge holds the order of verdicts over a run: fail beats inconclusive
// beats pass, and what never began is no pass.
func TestJudge(t *testing.T) {
	pass, fail, open := timeline(), timeline(failed), timeline(torn)
	for name, c := range map[string]struct {
		trials  []*history.Trial
		missing []string
		want    verdict.Verdict
		reason  string
	}{
		"nothing":                  {nil, nil, verdict.Inconclusive, "nothing was measured"},
		"only missing":             {nil, []string{"a/b/c/1"}, verdict.Inconclusive, "nothing was measured"},
		"pass":                     {[]*history.Trial{pass, pass}, nil, verdict.Pass, "all 1 cells"},
		"pass, one never began":    {[]*history.Trial{pass}, []string{"a/b/c/1"}, verdict.Inconclusive, "1 trials never began"},
		"pass and undecided":       {[]*history.Trial{pass, open}, nil, verdict.Inconclusive, "1 of 1 cells are undecided"},
		"pass, undecided and fail": {[]*history.Trial{pass, open, fail}, nil, verdict.Fail, "1 of 1 cells broke a promise"},
		"fail and never began":     {[]*history.Trial{fail}, []string{"a/b/c/1"}, verdict.Fail, "broke a promise"},
		"two cells":                {[]*history.Trial{pass, drained(), drained(torn)}, nil, verdict.Inconclusive, "1 of 2 cells"},
	} {
		r := verdict.Judge(&history.Run{Manifest: history.Manifest{Status: "complete"}, Trials: c.trials, Missing: c.missing})
		if r.Verdict != c.want || !strings.Contains(r.Reason, c.reason) {
			t.Errorf("%s: %s %q, want %s and %q", name, r.Verdict, r.Reason, c.want, c.reason)
		}
	}
}

// TestKilledRunIsNoPass: all its trials may be whole.
func TestKilledRunIsNoPass(t *testing.T) {
	for _, status := range []string{"running", "interrupted", ""} {
		r := verdict.Judge(&history.Run{Manifest: history.Manifest{Status: status}, Trials: []*history.Trial{timeline()}})
		if r.Verdict != verdict.Inconclusive || !strings.Contains(r.Reason, "did not come to its end") {
			t.Errorf("status %q: %s %q", status, r.Verdict, r.Reason)
		}
	}
}

func TestCellCounts(t *testing.T) {
	r := verdict.Judge(&history.Run{Trials: []*history.Trial{timeline(), timeline(failed), timeline(torn), timeline()}})
	c := r.Cells[0]
	if c.Trials.K != 1 || c.Trials.N != 3 || c.Undecided != 1 || c.Verdict != verdict.Fail || !strings.HasPrefix(c.Reason, "1 of 3 trials failed: recovery") {
		t.Errorf("%+v", c)
	}
	during := c.Requests[1]
	if during.Epoch != "during" || during.N != 4 || during.Failed != 4 || during.Kinds[history.Truncated] != 4 {
		t.Errorf("during: %+v", during)
	}
	if after := c.Requests[2]; after.N != 5 || after.Failed != 1 {
		t.Errorf("after: %+v", after)
	}
}

// TestCleanSeriesSaysWhatIsLacking: so many more trials as it names, and no
// fewer, bring the bound to where it says.
func TestCleanSeriesSaysWhatIsLacking(t *testing.T) {
	series := func(n int) verdict.Cell {
		return verdict.Judge(&history.Run{Trials: slices.Repeat([]*history.Trial{timeline()}, n)}).Cells[0]
	}
	if c := series(3); !strings.Contains(c.Reason, "at most 71 % of trials do, at 95 %; 69 more clean ones would bring that to 5 %") {
		t.Error(c.Reason)
	}
	if c := series(71); c.Trials.High <= 0.05 || !strings.Contains(c.Reason, "; 1 more clean") {
		t.Errorf("71 trials: %f, %s", c.Trials.High, c.Reason)
	}
	if c := series(72); c.Trials.High > 0.05 || strings.Contains(c.Reason, "more") {
		t.Errorf("72 trials: %f, %s", c.Trials.High, c.Reason)
	}
}

// TestUnreachableIsUndecided: a verifier that is not there has not agreed.
func TestUnreachableIsUndecided(t *testing.T) {
	x := &history.Trial{Plan: history.Plan{Scenario: "tls/front", Subject: "go", Trial: 1, Engine: "tls-front"}, Info: history.TrialInfo{T0: t0, Status: "complete"}}
	for _, v := range []string{"reject", "unreachable"} {
		x.Client = append(x.Client, history.Event{T: t0, Kind: history.TLSCell, ID: "expired/leaf", Class: "openssl", Phase: "must-reject", Verdict: v})
	}
	j := verdict.JudgeTrial(x)
	if j.Verdict != verdict.Inconclusive || !j.TLS[0].Agrees || j.TLS[1].Agrees {
		t.Errorf("%s %q %+v", j.Verdict, j.Reasons, j.TLS)
	}
}

// TestQuestionsAreNoLoad: a request that asks one question is no load.
func TestQuestionsAreNoLoad(t *testing.T) {
	x := timeline(func(t *history.Trial) { t.Plan.Engine, t.Plan.Arrivals, t.Plan.Faults = "tls-back", nil, nil })
	for _, e := range verdict.JudgeTrial(x).Requests {
		if e.N != 0 {
			t.Errorf("%s: %d requests", e.Epoch, e.N)
		}
	}
}

// TestJudgingIsPure: the same run gives the same bytes, and they read back as the
// same result.
func TestJudgingIsPure(t *testing.T) {
	for name, r := range results() {
		first := encode(t, r)
		var back verdict.Result
		if err := json.Unmarshal(first, &back); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if second := encode(t, back); !bytes.Equal(first, second) {
			t.Errorf("%s: %d bytes read back as %d", name, len(first), len(second))
		}
	}
	again := results()
	for name, r := range results() {
		if !bytes.Equal(encode(t, r), encode(t, again[name])) {
			t.Errorf("%s: judged again it differs", name)
		}
	}
}

// TestAnyLedgerCanBeJudged shuffles lines that have the same instant, as ledgers
// of several writers may, and cuts ledgers short, as a kill may: judging always
// ends, gives the same twice, and its result reads back.
func TestAnyLedgerCanBeJudged(t *testing.T) {
	trials := sample.Run(1).Trials
	rapid.Check(t, func(t *rapid.T) {
		x := *trials[rapid.IntRange(0, len(trials)-1).Draw(t, "trial")]
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		coarse := rapid.SampledFrom([]int64{1, ms, 100 * ms}).Draw(t, "grain")
		for _, es := range []*[]history.Event{&x.Client, &x.Origin, &x.Fault} {
			*es = slices.Clone((*es)[:rapid.IntRange(0, len(*es)).Draw(t, "lines")])
			rng.Shuffle(len(*es), func(i, j int) { (*es)[i], (*es)[j] = (*es)[j], (*es)[i] })
			for i := range *es {
				(*es)[i].T -= (*es)[i].T % coarse
			}
			slices.SortStableFunc(*es, func(a, b history.Event) int { return int(a.T - b.T) })
		}
		run := &history.Run{Trials: []*history.Trial{&x}}
		a, err := json.Marshal(verdict.Judge(run))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(verdict.Judge(run))
		var back verdict.Result
		if err := json.Unmarshal(a, &back); err != nil || !bytes.Equal(a, b) {
			t.Fatalf("%v, same twice: %v", err, bytes.Equal(a, b))
		}
	})
}
