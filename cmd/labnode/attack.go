package main

import (
	"context"
	"encoding/json"
	"fmt"

	"faultbed/faults/http"
	"faultbed/fixtures/control"
)

// attacker is a session of role attack.
type attacker struct{ *http.Attacker }

func attackRole(_ context.Context, _ json.RawMessage, emit control.Emit, _ func()) (control.Session, error) {
	return attacker{http.New(emit)}, nil
}

// Do executes inject (an http.Fault) and lift (its id).
func (a attacker) Do(_ context.Context, name string, arg json.RawMessage) (any, error) {
	var f http.Fault
	var id string
	switch name {
	case "inject":
		if err := json.Unmarshal(arg, &f); err != nil {
			return nil, fmt.Errorf("attack: %w", err)
		}
		return nil, a.Inject(f)
	case "lift":
		if err := json.Unmarshal(arg, &id); err != nil {
			return nil, fmt.Errorf("attack: %w", err)
		}
		a.Lift(id)
		return nil, nil
	}
	return nil, fmt.Errorf("attack: no command %q", name)
}

// Close lifts what is in force.
func (a attacker) Close() error {
	a.Attacker.Close()
	return nil
}
