package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"faultbed/certs/clients"
	"faultbed/fixtures/control"
	"faultbed/fixtures/topology"
	"faultbed/reports/history"
)

// verifier is a session of role verify: the TLS clients that this node has and
// that were seen to reject.
type verifier struct{ clients []clients.Client }

// verifyRole counts no client before it rejected the negative controls.
func verifyRole(ctx context.Context, _ json.RawMessage, emit control.Emit, _ func()) (control.Session, error) {
	v := &verifier{}
	for _, c := range clients.Detect(ctx) {
		if !c.Available {
			emit(history.Event{Kind: history.Note, Detail: fmt.Sprintf("TLS client %s is not here: %s", c.Name, c.Why)})
			continue
		}
		if err := clients.SelfTest(ctx, c); err != nil {
			emit(history.Event{Kind: history.Error, Detail: fmt.Sprintf("TLS client %s does not count: %v", c.Name, err)})
			continue
		}
		emit(history.Event{Kind: history.Note, Detail: fmt.Sprintf("TLS client %s: %s", c.Name, c.Version)})
		v.clients = append(v.clients, c)
	}
	return v, nil
}

// Do executes clients (the names of those that count) and verify (a
// topology.VerifySpec): one client judges one server.
func (v *verifier) Do(ctx context.Context, name string, arg json.RawMessage) (any, error) {
	switch name {
	case "verify":
	case "clients":
		names := []string{}
		for _, c := range v.clients {
			names = append(names, c.Name)
		}
		return names, nil
	default:
		return nil, fmt.Errorf("verify: no command %q", name)
	}
	var spec topology.VerifySpec
	if err := json.Unmarshal(arg, &spec); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	i := slices.IndexFunc(v.clients, func(c clients.Client) bool { return c.Name == spec.Client })
	if i < 0 {
		return nil, fmt.Errorf("verify: no client %s here", spec.Client)
	}
	return v.clients[i].Verify(ctx, clients.Target{Addr: spec.Addr, ServerName: spec.ServerName, RootsPEM: spec.Roots}), nil
}

func (v *verifier) Close() error { return nil }
