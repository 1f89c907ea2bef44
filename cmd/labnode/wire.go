package main

import (
	"context"
	"encoding/json"
	"fmt"

	"faultbed/faults/wire"
	"faultbed/fixtures/control"
	"faultbed/fixtures/topology"
)

// relay is a session of role wire.
type relay struct{ *wire.Relay }

func wireRole(_ context.Context, raw json.RawMessage, emit control.Emit, _ func()) (control.Session, error) {
	var spec topology.WireSpec
	if err := json.Unmarshal(raw, &spec); err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	r, err := wire.Listen(spec.Listen, spec.Target, emit)
	if err != nil {
		return nil, err
	}
	return relay{r}, nil
}

// Do executes inject (a wire.Fault) and lift (its id).
func (r relay) Do(_ context.Context, name string, arg json.RawMessage) (any, error) {
	switch name {
	case "inject":
		var f wire.Fault
		if err := json.Unmarshal(arg, &f); err != nil {
			return nil, fmt.Errorf("wire: %w", err)
		}
		return nil, r.Inject(f)
	case "lift":
		var id string
		if err := json.Unmarshal(arg, &id); err != nil {
			return nil, fmt.Errorf("wire: %w", err)
		}
		return nil, r.Lift(id)
	}
	return nil, fmt.Errorf("wire: no command %q", name)
}
