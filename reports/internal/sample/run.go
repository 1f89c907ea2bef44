package sample

import (
	"cmp"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"faultbed/reports/history"
)

// Run makes up a run with so many trials of each of 12 scenarios on 3 subjects.
func Run(trials int) *history.Run {
	ps, skipped := plans(trials)
	started := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
	r := &history.Run{Dir: "runs/sample", Manifest: history.Manifest{
		Version: 1, Run: "20261120-093000-5ac3d1e0", Started: started, Ended: started.Add(3*time.Minute + 41*time.Second), Status: "complete",
		Args: []string{"run", "--seed", "1"}, Seed: 1, Trials: trials, Runtime: "docker", Why: "a Docker engine answers (28.0.1, API 1.48)",
		Env: map[string]string{"go": "go1.26.8", "kernel": "6.1.0-28-amd64", "docker": "28.0.1", "cpus": "2", "toxiproxy": "v2.12.0",
			"congestion": "cubic", "somaxconn": "4096", "os": "linux/amd64"},
		Subjects: map[string]string{"go": "goproxy 0.1.0", "python": "pyproxy 0.1.0, aiohttp 3.8.4, Python 3.11.2", "nginx": "nginx/1.22.1"},
		Mono:     1, Skipped: skipped,
	}}
	for i, p := range ps {
		r.Manifest.Planned = append(r.Manifest.Planned, p.Key())
		if i == len(ps)-1 {
			r.Missing = append(r.Missing, p.Key())
			continue
		}
		r.Trials = append(r.Trials, simulate(p))
	}
	return r
}

// Hostile puts markup into every text of a run that a subject, a peer or a
// person can choose, and returns it.
func Hostile(r *history.Run, markup string) *history.Run {
	for _, t := range r.Trials {
		t.Plan.Description += markup
		for i := range t.Plan.Faults {
			t.Plan.Faults[i].ID += markup
		}
		for _, es := range [][]history.Event{t.Client, t.Origin, t.Fault} {
			for i := range es {
				es[i].Detail += markup
				if es[i].Kind == history.Inject || es[i].Kind == history.Lift || es[i].Kind == history.Signal || es[i].Kind == history.Bite {
					es[i].ID += markup
				}
			}
		}
	}
	for k, v := range r.Manifest.Env {
		r.Manifest.Env[k] = v + markup
	}
	r.Manifest.Args = append(r.Manifest.Args, markup)
	r.Manifest.Why += markup
	return r
}

// dice are a trial's own; a salt keeps the plan's apart from the execution's.
func dice(p history.Plan, salt string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(salt + p.Key()))
	return rand.New(rand.NewPCG(p.Seed, h.Sum64()))
}

func hookOf(f history.Fault) (string, bool) { return strings.CutPrefix(f.Kind, "crash.") }

func byTime(a, b history.Event) int { return cmp.Compare(a.T, b.T) }

func simulate(p history.Plan) *history.Trial {
	s := &sim{p: p, rng: dice(p, "run"), t: &history.Trial{Plan: p}}
	s.t.Info = history.TrialInfo{Runtime: "docker", T0: 7_000_000_000_000, Status: "complete", SignalBy: "pidfd"}
	switch p.Engine {
	case "timeline":
		s.timeline()
	case "starting":
		s.starting()
	default:
		s.tls()
	}
	s.t.Torn = p.Scenario == "network/back-rst" && p.Subject == "nginx"
	for _, es := range [][]history.Event{s.t.Client, s.t.Origin, s.t.Fault} {
		slices.SortStableFunc(es, byTime)
	}
	return s.t
}
