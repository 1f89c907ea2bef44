package scenario

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"faultbed/faults/http"
	"faultbed/fixtures/topology"
	"faultbed/reports/history"
)

// attacked tells whether the plan has faults for the attacker's node.
func (t *trial) attacked() bool {
	return slices.ContainsFunc(t.plan.Faults, func(f history.Fault) bool { return strings.HasPrefix(f.Kind, "http.") })
}

// attack begins a fault of package faults/http, against the replica itself: what
// stands before it on the front leg is for the load's connections.
func (t *trial) attack(ctx context.Context, f history.Fault) error {
	in := t.nodes[infra(f.Replica)]
	a := http.Fault{ID: f.ID, Kind: strings.TrimPrefix(f.Kind, "http."), Addr: in.Addr(topology.SubjectPort), TLS: in.Addr(topology.SubjectTLSPort)}
	if err := json.Unmarshal(f.With, &a); err != nil {
		return err
	}
	return t.attacks.Do(ctx, "inject", a, nil)
}
