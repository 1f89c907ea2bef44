package main

import (
	"context"
	"encoding/json"
	"fmt"

	"faultbed/faults/dns"
	"faultbed/fixtures/control"
	"faultbed/fixtures/topology"
)

// nameServer is a session of role dns.
type nameServer struct{ *dns.Server }

func dnsRole(_ context.Context, raw json.RawMessage, emit control.Emit, _ func()) (control.Session, error) {
	var spec topology.DNSSpec
	if err := json.Unmarshal(raw, &spec); err != nil {
		return nil, fmt.Errorf("dns: %w", err)
	}
	s, err := dns.Listen(spec.Listen, spec.Zone, emit)
	if err != nil {
		return nil, err
	}
	return nameServer{s}, nil
}

// Do executes inject (a dns.Order) and lift (its id).
func (s nameServer) Do(_ context.Context, name string, arg json.RawMessage) (any, error) {
	switch name {
	case "inject":
		var o dns.Order
		if err := json.Unmarshal(arg, &o); err != nil {
			return nil, fmt.Errorf("dns: %w", err)
		}
		return nil, s.Inject(o)
	case "lift":
		var id string
		if err := json.Unmarshal(arg, &id); err != nil {
			return nil, fmt.Errorf("dns: %w", err)
		}
		return nil, s.Lift(id)
	}
	return nil, fmt.Errorf("dns: no command %q", name)
}
