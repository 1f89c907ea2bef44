package catalogue_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"faultbed/faults"
	"faultbed/fixtures"
	"faultbed/proxy"
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"faultbed/suites/scenario"
	"github.com/goccy/go-yaml"
)

// TestPairs lets faults of every two families overlap once (make pairs). The
// subject may fail as it likes: what is tested is the testbed, which must inject
// both, lift both, write its ledgers and leave nothing.
func TestPairs(t *testing.T) {
	if os.Getenv("FAULTBED_PAIRS") == "" {
		t.Skip("make pairs runs it")
	}
	spec := subject(t, "go")
	samples := samples(t, spec)
	names := slices.Sorted(maps.Keys(samples))
	var all []*scenario.Scenario
	for i, a := range names {
		for _, b := range names[i:] {
			s, err := pair(a, samples[a], b, samples[b])
			if err != nil && strings.Contains(err.Error(), "can't act on one replica at the same time") {
				t.Logf("%s twice: %v", a, err)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
	}
	runtime := os.Getenv("FAULTBED_RUNTIME")
	if runtime == "" {
		runtime = "process"
	}
	opt := campaign.Options{Scenarios: all, Subjects: []*proxy.Spec{spec}, Seed: 1, Trials: 1, Runtime: runtime, Out: filepath.Join(t.TempDir(), "run"), Slots: 2}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	c, err := campaign.Open(ctx, opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
	judge(t, opt.Out)
}

// judge wants that every pair was carried out.
func judge(t *testing.T, dir string) {
	res, err := verdict.JudgeDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range res.Trials {
		var bitten []string
		for _, f := range x.Faults {
			bitten = append(bitten, fmt.Sprintf("%s bit %d %s", f.Kind, f.Bites, f.Touched))
			if f.Real == 0 && !dead(x) {
				t.Errorf("%s: %s never took effect", x.Scenario, f.Kind)
			}
		}
		t.Logf("%-40s %-12s %s", x.Scenario, x.Verdict, strings.Join(bitten, ", "))
		if x.Status != "complete" || slices.ContainsFunc(x.Reasons, func(r string) bool { return strings.Contains(r, "injector") }) {
			t.Errorf("%s: the testbed failed (%s): %s", x.Scenario, x.Status, strings.Join(x.Reasons, "; "))
		}
	}
	for _, s := range res.Manifest.Skipped {
		t.Logf("%-40s skipped: %s", s.Scenario, s.Reason)
	}
	if len(res.Trials) == 0 {
		t.Error("no pair ran")
	}
}

// dead tells whether the subject ended before the trial did: what comes after finds
// nobody to act on.
func dead(x verdict.Trial) bool {
	return slices.ContainsFunc(x.Notes, func(n string) bool { return strings.Contains(n, "the subject had ended before") })
}

func subject(t *testing.T, name string) *proxy.Spec {
	all, err := proxy.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return all[slices.IndexFunc(all, func(s *proxy.Spec) bool { return s.Name == name })]
}

// samples is one fault of each family that the subject can have, as a scenario
// uses it.
func samples(t *testing.T, spec *proxy.Spec) map[string]scenario.FaultItem {
	out := map[string]scenario.FaultItem{}
	for _, dir := range []string{"catalogue", "scenarios"} {
		from := map[string]fs.FS{"scenarios": fixtures.Scenarios, "catalogue": fixtures.Catalogue}[dir]
		all, err := scenario.LoadFS(from, dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			if ok, _ := scenario.Supports(s, spec); !ok || s.Engine != scenario.Timeline {
				continue
			}
			for _, f := range s.Faults {
				family, _, _ := strings.Cut(f.Fault, ".")
				if old, ok := out[family]; !ok || f.Fault < old.Fault {
					out[family] = f
				}
			}
		}
	}
	return out
}

// pair is a scenario in which a and b overlap.
func pair(a string, fa scenario.FaultItem, b string, fb scenario.FaultItem) (*scenario.Scenario, error) {
	items := []map[string]any{item(fa, 400*time.Millisecond)}
	if a != b {
		items = append(items, item(fb, 500*time.Millisecond))
	} else {
		items = append(items, item(fa, 450*time.Millisecond)) // the same twice
	}
	text, err := yaml.Marshal(map[string]any{
		"name": fmt.Sprintf("pairs/%s-%s", a, b), "description": "Two faults at once.", "duration": "1500ms", "timeout": "2s",
		"load": []map[string]any{{"class": "short", "rate": 40}, {"class": "fresh", "rate": 10}, {"class": "slow", "rate": 10, "hold": "150ms"},
			{"class": "upload", "rate": 5, "size": 8192}, {"class": "stream", "rate": 5, "size": 8192, "hold": "150ms"}},
		"faults": items,
	})
	if err != nil {
		return nil, err
	}
	return scenario.Load("pairs.yaml", text)
}

func item(f scenario.FaultItem, at time.Duration) map[string]any {
	out := map[string]any{"fault": f.Fault, "at": at.String()}
	if k, _ := faults.Find(f.Fault); k.Lifts {
		out["for"] = "300ms"
	}
	if f.Leg != "" {
		out["leg"] = f.Leg
	}
	if len(f.With) > 0 {
		out["with"] = f.With
	}
	return out
}
