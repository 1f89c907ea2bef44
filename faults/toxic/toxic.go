// Package toxic injects what toxiproxy does well (latency with jitter,
// bandwidth, slicing, a limit, a slow close, down) through its HTTP client, with
// toxics of ours (package own) where its own can't be repeated by seed or counted.
//
// toxiproxy's traps are fenced off here. Attributes were validated before
// (package faults), since a bad one kills its process. Every call has a
// deadline and a hang is reported as [ErrHung], to be blamed on the injector:
// changing toxics under traffic can deadlock it (Shopify/toxiproxy#558). It is
// never asked for RST, half-close or "exactly these requests": that is wire's
// work. Each trial has an instance of its own.
//
// Start with [Open].
package toxic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"faultbed/faults/toxic/own"
	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
)

// ErrHung is an API call that did not answer by its deadline.
var ErrHung = errors.New("toxiproxy's control API hangs")

// callTimeout bounds each call; healthy ones take about a millisecond.
const callTimeout = 5 * time.Second

// Proxy is one toxiproxy listener in front of an upstream.
type Proxy struct {
	proxy *toxiproxy.Proxy
}

// Open creates the proxy on the instance whose API is at api.
func Open(ctx context.Context, api, listen, upstream string) (*Proxy, error) {
	var p *toxiproxy.Proxy
	err := bounded(ctx, "create proxy", func() (err error) {
		p, err = toxiproxy.NewClient(api).CreateProxy("back", listen, upstream)
		return err
	})
	if err != nil {
		return nil, err // p may still be written
	}
	return &Proxy{p}, nil
}

// params is the normalised form that faults.Validate gives.
type params struct {
	Latency   int64  `json:"latency"`
	Jitter    int64  `json:"jitter"`
	Rate      int64  `json:"rate"`
	Size      int64  `json:"size"`
	Variation int64  `json:"variation"`
	Delay     int64  `json:"delay"`
	Bytes     int64  `json:"bytes"`
	Direction string `json:"direction"`
}

// toxics is the attributes of each kind, of toxiproxy's own in its own units.
func toxics(id, kind string, p params, seed uint64) (string, toxiproxy.Attributes, error) {
	switch kind {
	case "toxic.latency":
		return own.Latency, toxiproxy.Attributes{"fault": id, "latency": p.Latency, "jitter": p.Jitter, "seed": strconv.FormatUint(seed, 10)}, nil
	case "toxic.limit":
		return own.Limit, toxiproxy.Attributes{"fault": id, "bytes": p.Bytes}, nil
	case "toxic.slow-close":
		return own.SlowClose, toxiproxy.Attributes{"fault": id, "delay": p.Delay}, nil
	case "toxic.bandwidth":
		return "bandwidth", toxiproxy.Attributes{"rate": p.Rate}, nil
	case "toxic.slicer":
		return "slicer", toxiproxy.Attributes{"average_size": p.Size, "size_variation": p.Variation, "delay": p.Delay / int64(time.Microsecond)}, nil
	}
	return "", nil, fmt.Errorf("no toxic for %s", kind)
}

// Inject applies a fault of the catalogue. id names it for Lift, seed is that of its
// dice.
func (p *Proxy) Inject(ctx context.Context, id, kind string, with json.RawMessage, seed uint64) error {
	if kind == "toxic.down" {
		return bounded(ctx, "disable", p.proxy.Disable)
	}
	var ps params
	if err := json.Unmarshal(with, &ps); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	typ, attrs, err := toxics(id, kind, ps, seed)
	if err != nil {
		return err
	}
	for _, stream := range streams(ps.Direction) {
		err := bounded(ctx, "add "+typ, func() error {
			_, err := p.proxy.AddToxic(id+"-"+stream, typ, stream, 1, attrs)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Lift takes a fault away again.
func (p *Proxy) Lift(ctx context.Context, id, kind string, with json.RawMessage) error {
	if kind == "toxic.down" {
		return bounded(ctx, "enable", p.proxy.Enable)
	}
	var ps params
	if err := json.Unmarshal(with, &ps); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	for _, stream := range streams(ps.Direction) {
		if err := bounded(ctx, "remove", func() error { return p.proxy.RemoveToxic(id + "-" + stream) }); err != nil {
			return err
		}
	}
	return nil
}

func streams(direction string) []string {
	switch direction {
	case "up":
		return []string{"upstream"}
	case "both":
		return []string{"upstream", "downstream"}
	}
	return []string{"downstream"}
}

// bounded gives a call of toxiproxy's client, which takes no context, a deadline.
// A caller that was stopped is not toxiproxy's fault.
func bounded(ctx context.Context, what string, call func() error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("toxiproxy: %s: %w", what, err)
		}
		return nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return fmt.Errorf("toxiproxy: %s: %w", what, ctx.Err())
		}
		return fmt.Errorf("%s: %w", what, ErrHung)
	}
}
