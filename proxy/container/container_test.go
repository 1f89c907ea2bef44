package container_test

import (
	"context"
	"maps"
	"testing"

	"faultbed/fixtures/engine"
	"faultbed/fixtures/images"
	"faultbed/proxy"
	"faultbed/proxy/container"
	"faultbed/proxy/contract"
	"github.com/testcontainers/testcontainers-go"
)

func TestContract(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a Docker engine")
	}
	run := contract.Claim(t)
	e, err := engine.Open(t.Context(), run)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { e.Close() })
	if !e.Local {
		t.Skip("the engine is not on this machine: its pids mean nothing here")
	}
	img, err := images.New(e, func(s string) { t.Log(s) }).Scratch(t.Context(), "actor", contract.Build(t))
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{engine.RunLabel: run}
	contract.Run(t, contract.Config{
		Driver:  container.Driver{Client: e.Provider.Client(), Local: true, Labels: labels},
		Launch:  proxy.Launch{Run: run, Image: img, Net: infra(t, img, labels)},
		Program: "/actor",
		Dir:     "/etc/actor",
		Left:    func() ([]string, error) { return left(t.Context(), e, run) },
	})
}

// infra owns the network namespace that the subjects join; its id.
func infra(t *testing.T, img string, labels map[string]string) string {
	labels = maps.Clone(labels)
	labels[engine.NodeLabel] = "infra"
	c, err := testcontainers.Run(t.Context(), img, testcontainers.WithCmd("sleep"), testcontainers.WithLabels(labels))
	if c != nil {
		t.Cleanup(func() { testcontainers.TerminateContainer(c, testcontainers.StopTimeout(0)) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return c.GetContainerID()
}

func left(ctx context.Context, e *engine.Engine, run string) ([]string, error) {
	ls, err := e.Leftovers(ctx, run)
	var out []string
	for _, l := range ls {
		if l.Name != "infra" {
			out = append(out, l.Kind+" "+l.Name)
		}
	}
	return out, err
}
