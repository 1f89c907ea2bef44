package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"faultbed/faults/toxic/own"
	"faultbed/fixtures/control"
	"faultbed/fixtures/topology"
	"faultbed/reports/history"
	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// serveToxiproxy runs toxiproxy's own server: one process, one instance.
func serveToxiproxy(ctx context.Context, api string) error {
	bites := json.NewEncoder(os.Stdout)
	var mu sync.Mutex
	own.Register(func(b own.Bite) {
		mu.Lock()
		defer mu.Unlock()
		bites.Encode(b)
	})
	zerolog.SetGlobalLevel(zerolog.Disabled) // its bandwidth toxic logs each chunk
	srv := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	failed := make(chan error, 1)
	go func() { failed <- srv.Listen(api) }()
	gone := make(chan struct{})
	go func() { io.Copy(io.Discard, os.Stdin); close(gone) }()
	select {
	case err := <-failed:
		return err
	case <-gone:
	case <-ctx.Done():
	}
	return nil
}

// instance is a toxiproxy process of its own for one trial.
type instance struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	exited chan struct{}
}

func toxiproxyRole(ctx context.Context, raw json.RawMessage, emit control.Emit, _ func()) (control.Session, error) {
	var spec topology.ToxiproxySpec
	if err := json.Unmarshal(raw, &spec); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	i := &instance{cmd: exec.Command(self, "toxiproxy", "--api", spec.API), exited: make(chan struct{})}
	if i.stdin, err = i.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	bites, err := i.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	i.cmd.Stderr = os.Stderr
	if err := i.cmd.Start(); err != nil {
		return nil, err
	}
	told := make(chan struct{})
	go func() { tell(bites, emit); close(told) }()
	go func() {
		<-told // before Wait closes the pipe
		err := i.cmd.Wait()
		if ctx.Err() == nil {
			emit(history.Event{Kind: history.Error, Detail: fmt.Sprintf("toxiproxy ended: %v", err)})
		}
		close(i.exited)
	}()
	if err := i.listening(ctx, spec.API); err != nil {
		i.Close()
		return nil, err
	}
	return i, nil
}

// tell passes on what our own toxics say of their bites.
func tell(r io.Reader, emit control.Emit) {
	dec := json.NewDecoder(r)
	for {
		var b own.Bite
		if dec.Decode(&b) != nil {
			return
		}
		emit(history.Event{Kind: history.Bite, ID: b.Fault, Count: 1, Via: "connections", Detail: b.Detail})
	}
}

func (i *instance) listening(ctx context.Context, api string) error {
	for range 500 {
		if c, err := net.DialTimeout("tcp", api, time.Second); err == nil {
			return c.Close()
		}
		select {
		case <-i.exited:
			return fmt.Errorf("toxiproxy ended before it listened")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return fmt.Errorf("toxiproxy does not listen on %s", api)
}

func (i *instance) Do(context.Context, string, json.RawMessage) (any, error) {
	return nil, fmt.Errorf("toxiproxy: commands go to its own API")
}

// Close kills the instance: the only lift that can't hang.
func (i *instance) Close() error {
	i.stdin.Close()
	i.cmd.Process.Kill()
	<-i.exited
	return nil
}
