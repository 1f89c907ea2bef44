package scenario_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"faultbed/fixtures"
	"faultbed/proxy"
	"faultbed/reports/history"
	"faultbed/reports/schema"
	"faultbed/suites/scenario"
	"pgregory.net/rapid"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func embedded(t testing.TB) ([]*scenario.Scenario, []*proxy.Spec) {
	t.Helper()
	all, err := scenario.LoadFS(fixtures.Scenarios, "scenarios")
	must(t, err)
	subjects, err := proxy.Embedded()
	must(t, err)
	return all, subjects
}

// yaml is a scenario from its text.
func yaml(t testing.TB, text string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Load("test.yaml", []byte("name: mine/one\ndescription: one\n"+text))
	must(t, err)
	return s
}

func subject(t testing.TB, name string) *proxy.Spec {
	t.Helper()
	_, subjects := embedded(t)
	i := slices.IndexFunc(subjects, func(s *proxy.Spec) bool { return s.Name == name })
	return subjects[i]
}

func plan(t testing.TB, s *scenario.Scenario, trial int) history.Plan {
	t.Helper()
	p, err := scenario.Resolve(s, subject(t, "go"), "", 1, trial)
	must(t, err)
	return p
}

func variants(s *scenario.Scenario) []string {
	if len(s.Variants) == 0 {
		return []string{""}
	}
	return s.Variants
}

// TestTheSameInputsGiveTheSamePlan, byte for byte; another seed or trial draws
// other ids, and other instants where they are drawn at all.
func TestTheSameInputsGiveTheSamePlan(t *testing.T) {
	all, subjects := embedded(t)
	rapid.Check(t, func(t *rapid.T) {
		s, spec := rapid.SampledFrom(all).Draw(t, "scenario"), rapid.SampledFrom(subjects).Draw(t, "subject")
		variant := rapid.SampledFrom(variants(s)).Draw(t, "variant")
		seed, trial := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 1000).Draw(t, "trial")
		encode := func(seed uint64, trial int) ([]byte, history.Plan) {
			p, err := scenario.Resolve(s, spec, variant, seed, trial)
			if err != nil {
				t.Fatal(err)
			}
			b, err := p.Encode()
			if err != nil {
				t.Fatal(err)
			}
			return b, p
		}
		one, p := encode(seed, trial)
		if again, _ := encode(seed, trial); !bytes.Equal(one, again) {
			t.Fatal("the same inputs give two plans")
		}
		for _, other := range []history.Plan{second(encode(seed+1, trial)), second(encode(seed, trial+1))} {
			if len(p.Arrivals) > 0 && slices.Equal(ids(p), ids(other)) {
				t.Fatal("another seed or trial gives the same ids")
			}
			if poisson(s) && slices.Equal(instants(p), instants(other)) {
				t.Fatal("another seed or trial gives the same instants")
			}
		}
	})
}

func second(_ []byte, p history.Plan) history.Plan { return p }

func ids(p history.Plan) (out []string) {
	for _, a := range p.Arrivals {
		out = append(out, a.ID)
	}
	return out
}

func instants(p history.Plan) (out []int64) {
	for _, a := range p.Arrivals {
		out = append(out, a.At)
	}
	return out
}

// poisson tells whether instants are drawn for every subject.
func poisson(s *scenario.Scenario) bool {
	return slices.ContainsFunc(s.Load, func(l scenario.LoadItem) bool { return l.Rate > 0 && l.Arrivals == "poisson" && l.Needs == "" })
}

// TestSubjectsMeetTheSameLoad: what compares two subjects must ask them the same.
func TestSubjectsMeetTheSameLoad(t *testing.T) {
	s := yaml(t, "duration: 2s\nload: [{class: short, rate: 50}, {class: upload, rate: 9}]\n")
	a, err := scenario.Resolve(s, subject(t, "go"), "", 3, 1)
	must(t, err)
	b, err := scenario.Resolve(s, subject(t, "nginx"), "", 3, 1)
	must(t, err)
	if !slices.Equal(instants(a), instants(b)) {
		t.Error("two subjects get different instants")
	}
}

func TestEveryEmbeddedScenarioResolves(t *testing.T) {
	all, subjects := embedded(t)
	for _, s := range all {
		supported := 0
		for _, spec := range subjects {
			if ok, why := scenario.Supports(s, spec); !ok {
				if why == "" {
					t.Errorf("%s on %s: no reason", s.Name, spec.Name)
				}
				continue
			}
			supported++
			for _, v := range variants(s) {
				p, err := scenario.Resolve(s, spec, v, 1, 1)
				must(t, err)
				sound(t, p)
			}
		}
		if supported == 0 {
			t.Errorf("%s: no embedded subject supports it", s.Name)
		}
	}
}

// sound is what holds of any plan.
func sound(t testing.TB, p history.Plan) {
	t.Helper()
	if !slices.IsSorted(instants(p)) {
		t.Errorf("%s: arrivals are not in order", p.Key())
	}
	seen := map[string]bool{}
	for _, a := range p.Arrivals {
		switch {
		case seen[a.ID]:
			t.Errorf("%s: two arrivals are %s", p.Key(), a.ID)
		case a.At < 0 || a.At > p.Duration && a.Class != history.Control: // which outlasts the last answer
			t.Errorf("%s: %s at %v of %v", p.Key(), a.ID, history.Dur(a.At), history.Dur(p.Duration))
		case a.Replica < 0 || a.Replica >= p.Replicas:
			t.Errorf("%s: %s goes to replica %d of %d", p.Key(), a.ID, a.Replica, p.Replicas)
		case a.At+a.Hold+p.Timeout < a.At:
			t.Errorf("%s: the deadline of %s overflows", p.Key(), a.ID)
		}
		seen[a.ID] = true
	}
	for _, f := range p.Faults {
		if !strings.HasPrefix(f.ID, "f") || seen[f.ID] || f.At < 0 || f.Delay < 0 || f.End()+f.Delay > p.Duration || f.After != "" && f.At != 0 {
			t.Errorf("%s: fault %+v", p.Key(), f)
		}
		seen[f.ID] = true
	}
	contiguous(t, p)
}

// contiguous sees that phases, if there are any, cover the trial without a gap.
func contiguous(t testing.TB, p history.Plan) {
	t.Helper()
	at := int64(0)
	for _, ph := range p.Phases {
		if ph.From != at || ph.To < ph.From {
			t.Errorf("%s: phase %+v begins at %d", p.Key(), ph, at)
		}
		at = ph.To
	}
	if len(p.Phases) > 0 && at != p.Duration {
		t.Errorf("%s: phases end at %v of %v", p.Key(), history.Dur(at), history.Dur(p.Duration))
	}
}

func TestPhasesSpanAllFaults(t *testing.T) {
	p := plan(t, yaml(t, `duration: 3s
load: [{class: short, rate: 10}]
faults:
  - {fault: wire.rst, leg: back, at: 1500ms, for: 500ms}
  - {fault: toxic.latency, leg: back, at: 1s, for: 250ms, with: {latency: 1ms}}
`), 1)
	ms := int64(time.Millisecond)
	want := []history.Phase{{Name: "baseline", To: 1000 * ms}, {Name: "fault", From: 1000 * ms, To: 2000 * ms}, {Name: "recovery", From: 2000 * ms, To: 3000 * ms}}
	if !slices.Equal(p.Phases, want) {
		t.Errorf("phases %+v, want %+v", p.Phases, want)
	}
	if want := []string{"toxiproxy", "wire"}; !slices.Equal(p.Back, want) || len(p.Front) > 0 {
		t.Errorf("back %v, want %v; front %v, want none", p.Back, want, p.Front)
	}
	if p := plan(t, yaml(t, "duration: 1s\nload: [{class: short, rate: 10}]\n"), 1); len(p.Phases) > 0 {
		t.Errorf("without a fault there are phases %+v", p.Phases)
	}
}

// TestTheControlArmSparesATakenOrigin: all through the trial, save where the
// origin itself is away.
func TestTheControlArmSparesATakenOrigin(t *testing.T) {
	controls := func(fault string) (out []time.Duration) {
		p := plan(t, yaml(t, "duration: 3s\nload: [{class: short, rate: 20, arrivals: uniform}]\nfaults:\n  - "+fault+"\n"), 1)
		for _, a := range p.Arrivals {
			if a.Class == history.Control {
				out = append(out, time.Duration(a.At))
			}
		}
		return out
	}
	away := func(at time.Duration) bool { return at >= time.Second && at <= 2*time.Second }
	down := controls("{fault: origin.down, leg: back, at: 1s, for: 1s}")
	if slices.ContainsFunc(down, away) || len(down) < 10 {
		t.Errorf("controls while the origin is away: %v", down)
	}
	if other := controls("{fault: toxic.down, leg: back, at: 1s, for: 1s}"); !slices.ContainsFunc(other, away) {
		t.Errorf("controls %v, want some while the injector is down: they don't pass it", other)
	}
}

// TestClientsLearnLateThatAReplicaIsGone: they choose it until the propagation
// has passed, then not, and again when it is back.
func TestClientsLearnLateThatAReplicaIsGone(t *testing.T) {
	p := plan(t, yaml(t, `duration: 6s
replicas: 3
propagation: 500ms
out: 3s
load: [{class: short, rate: 100, arrivals: uniform}]
faults:
  - {fault: process.restart, at: 1s, replica: 1}
`), 1)
	chosen := map[string]int{}
	for _, a := range p.Arrivals {
		when := "out"
		switch at := time.Duration(a.At); {
		case at < time.Second:
			when = "before"
		case at < 1500*time.Millisecond:
			when = "unknown"
		case at >= 4*time.Second:
			when = "back"
		}
		if a.Replica == 1 {
			chosen[when]++
		}
	}
	if chosen["before"] == 0 || chosen["unknown"] == 0 || chosen["out"] != 0 || chosen["back"] == 0 {
		t.Errorf("replica 1 was chosen %v", chosen)
	}
}

func TestWithoutAReplicaClientsTryAnyway(t *testing.T) {
	p := plan(t, yaml(t, `duration: 2s
out: 2s
load: [{class: short, rate: 50, arrivals: uniform}]
faults:
  - {fault: process.restart, at: 500ms}
`), 1)
	sound(t, p)
	if n := len(p.Arrivals); n < 99 {
		t.Errorf("%d arrivals", n)
	}
}

func TestSupportsSaysWhatIsLacking(t *testing.T) {
	s := yaml(t, "duration: 1s\nrequires: [http1, crash-python]\nload: [{class: short, rate: 1}]\n")
	if ok, why := scenario.Supports(s, subject(t, "go")); ok || !strings.Contains(why, "crash-python") {
		t.Errorf("go: %v %q", ok, why)
	}
	if ok, why := scenario.Supports(s, subject(t, "python")); !ok {
		t.Errorf("python: %q", why)
	}
}

// TestALoadItemNeedsItsCapability: it is left out where the subject lacks it.
func TestALoadItemNeedsItsCapability(t *testing.T) {
	s := yaml(t, "duration: 1s\nload: [{class: short, count: 1, at: 0s}, {class: h2, count: 5, at: 0s, needs: http2}]\n")
	for name, want := range map[string]int{"go": 5, "python": 0} {
		p, err := scenario.Resolve(s, subject(t, name), "", 1, 1)
		must(t, err)
		n := 0
		for _, a := range p.Arrivals {
			if a.Class == history.H2 {
				n++
			}
		}
		if n != want || p.TLS != (want > 0) {
			t.Errorf("%s: %d arrivals of h2 and TLS %v, want %d", name, n, p.TLS, want)
		}
	}
}

func TestACrashBringsItsRequest(t *testing.T) {
	p := plan(t, yaml(t, "duration: 1s\nload: [{class: short, rate: 10}]\nfaults:\n  - {fault: crash.panic, at: 300ms}\n"), 1)
	i := slices.IndexFunc(p.Arrivals, func(a history.Arrival) bool { return a.Class == history.Crash })
	if i < 0 || p.Arrivals[i].Hook != "panic" || p.Arrivals[i].At != int64(300*time.Millisecond) || !p.Crash {
		t.Errorf("crash %v, arrivals %+v", p.Crash, p.Arrivals)
	}
}

// TestACrashChoosesItsConnection: pooled, new, the first lane's or HTTP/2's, and what
// is expected of it reaches the plan.
func TestACrashChoosesItsConnection(t *testing.T) {
	for over, want := range map[string]history.Arrival{"pooled": {}, "new": {Over: "new"}, "lane": {Lane: 1}, "h2": {Over: "h2"}} {
		p := plan(t, yaml(t, "duration: 1s\nload: [{class: short, rate: 10, connections: 1}]\nfaults:\n  - {fault: crash.panic, at: 300ms, with: {over: "+over+"}}\n  - {fault: crash.spin, at: 400ms}\n"+
			"expect: {faulty: [eof], again: [timeout], concurrent: [ok], ends: before, exit: [2]}\n"), 1)
		i := slices.IndexFunc(p.Arrivals, func(a history.Arrival) bool { return a.Class == history.Crash })
		if i < 0 || p.Arrivals[i].Over != want.Over || p.Arrivals[i].Lane != want.Lane || p.TLS != (over == "h2") {
			t.Errorf("%s: TLS %v, arrivals %+v", over, p.TLS, p.Arrivals)
		}
		e := p.Expect
		if e.Faulty[0] != history.EOF || e.Again[0] != history.Timeout || e.Concurrent[0] != history.OK || e.Ends != "before" || e.Exit[0] != 2 {
			t.Errorf("expected: %+v", e)
		}
	}
	_, err := scenario.Load("x.yaml", []byte("name: x/y\ndescription: d\nduration: 1s\nload: [{class: short, rate: 10}]\nfaults:\n  - {fault: crash.panic, at: 300ms, with: {over: lane}}\n"))
	if err == nil || !strings.Contains(err.Error(), "needs a load item with connections") {
		t.Errorf("a lane that is not there: %v", err)
	}
}

// slow is load that takes a fuzzer too long to resolve.
func slow(l scenario.LoadItem) bool {
	return l.Rate > 100 || l.Count > 1000 || l.Hold > schema.Duration(time.Minute)
}

// FuzzLoad: no file makes Load panic, every mistake has its place, and what
// loads resolves to a sound plan.
func FuzzLoad(f *testing.F) {
	files, err := fixtures.Scenarios.ReadDir("scenarios")
	must(f, err)
	for _, file := range files {
		b, err := fixtures.Scenarios.ReadFile("scenarios/" + file.Name())
		must(f, err)
		f.Add(b)
	}
	catalogue, err := fixtures.Catalogue.ReadDir("catalogue")
	must(f, err)
	for _, file := range catalogue {
		b, err := fixtures.Catalogue.ReadFile("catalogue/" + file.Name())
		must(f, err)
		f.Add(b)
	}
	for _, c := range badTimes {
		f.Add([]byte(timed(c.faults)))
	}
	f.Add([]byte("name: a/b\ndescription: c\nduration: 2s\nload: [{class: short, rate: .nan}]\n"))
	f.Add([]byte("name: a/b\ndescription: c\nduration: 2562047h\nload: [{class: short, count: 1, at: 1s, hold: 2562047h}]\n"))
	spec := subject(f, "go")
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := scenario.Load("fuzz.yaml", data)
		var se *schema.Error
		if err != nil {
			if !errors.As(err, &se) || se.File != "fuzz.yaml" || strings.Contains(se.Error(), "\n") {
				t.Fatalf("error %#v", err)
			}
			return
		}
		if s.Duration > schema.Duration(time.Minute) || slices.ContainsFunc(s.Load, slow) {
			return
		}
		p, err := scenario.Resolve(s, spec, "", 1, 1)
		must(t, err)
		sound(t, p)
	})
}
