package calibrate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"faultbed/faults"
	"faultbed/faults/room"
	"faultbed/faults/toxic"
	"faultbed/fixtures/control"
	"faultbed/fixtures/origin"
	"faultbed/fixtures/topology"
	"faultbed/reports/history"
	"faultbed/suites/campaign"
)

// bench is the nodes and a server of ours behind both injectors.
type bench struct {
	nodes    *campaign.Nodes
	bed      map[string]*topology.Node
	server   net.Listener
	heard    chan int64 // when a question that wants no answer came, ns
	wire     *control.Running
	toxi     *toxic.Proxy
	sessions []*control.Running
	mu       sync.Mutex
	begun    []history.Event // of the load
	serial   int
}

func newBench(ctx context.Context, nodes *campaign.Nodes) (*bench, error) {
	b := &bench{nodes: nodes, heard: make(chan int64, 1)}
	bed := topology.NewBed(nodes, 0)
	var err error
	if b.bed, err = bed.Nodes(ctx, "infra-0", "wire-back", "toxiproxy", "origin", "load"); err != nil {
		return nil, err
	}
	at := b.bed["infra-0"].Addr(topology.SubjectPort)
	if b.server, err = net.Listen("tcp", at); err != nil {
		return nil, err
	}
	go b.serve()
	if err := b.injectors(ctx, at); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) injectors(ctx context.Context, target string) (err error) {
	if b.wire, err = b.session(ctx, "wire-back", "wire", topology.WireSpec{Listen: b.addr("wire"), Target: target}); err != nil {
		return err
	}
	n := b.bed["toxiproxy"]
	if _, err := b.session(ctx, "toxiproxy", "toxiproxy", topology.ToxiproxySpec{API: n.ToxiproxyAPI()}); err != nil {
		return err
	}
	if b.toxi, err = toxic.Open(ctx, n.API, b.addr("toxic"), target); err != nil {
		return err
	}
	_, err = b.session(ctx, "origin", "origin", origin.Spec{Listen: b.bed["origin"].Addr(topology.OriginPort)})
	return err
}

// addr is where connections through an injector are opened.
func (b *bench) addr(family string) string {
	if family == "toxic" {
		return b.bed["toxiproxy"].Addr(topology.RelayPort)
	}
	return b.bed["wire-back"].Addr(topology.RelayPort)
}

func (b *bench) session(ctx context.Context, node, role string, spec any) (*control.Running, error) {
	s, err := b.bed[node].Control.Start(context.WithoutCancel(ctx), role, spec, func(es []history.Event) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, e := range es {
			if e.Kind == history.Begin {
				b.begun = append(b.begun, e)
			}
		}
		return nil
	})
	if err == nil {
		b.sessions = append(b.sessions, s)
	}
	return s, err
}

func (b *bench) end(ctx context.Context) (err error) {
	for _, s := range b.sessions {
		err = errors.Join(err, s.End(ctx))
	}
	return err
}

func (b *bench) close() { b.server.Close() }

// serve answers questions: four bytes that say how many bytes the answer has. One
// that wants none is noted with its time.
func (b *bench) serve() {
	for {
		c, err := b.server.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for {
				var n uint32
				if binary.Read(c, binary.BigEndian, &n) != nil {
					return
				}
				if n == 0 {
					select {
					case b.heard <- history.Now():
					default:
					}
				}
				c.Write(make([]byte, n))
			}
		}()
	}
}

// under runs f while the gauge's fault acts.
func (b *bench) under(ctx context.Context, g gauge, f func(addr string) error) error {
	with, err := g.params()
	if err != nil {
		return err
	}
	b.serial++
	id := fmt.Sprint("g", b.serial)
	family, _, _ := strings.Cut(g.kind(), ".")
	if family == "toxic" {
		if err := b.toxi.Inject(ctx, id, g.kind(), with, 1); err != nil {
			return err
		}
		return errors.Join(f(b.addr("toxic")), b.toxi.Lift(context.WithoutCancel(ctx), id, g.kind(), with))
	}
	if k, ok := faults.Room(g.kind()); ok {
		active, err := k.Inject(ctx, b.target(ctx, id), with)
		if err != nil {
			return err
		}
		return errors.Join(f(b.addr("wire")), active.Lift(context.WithoutCancel(ctx)))
	}
	wf, err := faults.WireFault(id, g.kind(), with)
	if err != nil {
		return err
	}
	wf.Seed = uint64(b.serial) // other dice each time
	if err := b.wire.Do(ctx, "inject", wf, nil); err != nil {
		return err
	}
	return errors.Join(f(b.addr("wire")), b.wire.Do(context.WithoutCancel(ctx), "lift", id, nil))
}

// target is the relay, as if it were a subject.
func (b *bench) target(ctx context.Context, id string) room.Target {
	t := room.Target{Fault: id, Run: b.nodes.Run, Node: "wire-back", Addr: b.addr("wire"), Origin: b.server.Addr().String(), Load: "127.0.0.1",
		Seed: uint64(b.serial), Note: func(history.Event) {}}
	if pong, err := b.bed["wire-back"].Control.Ping(ctx); err == nil {
		t.PID = pong.PID
	}
	return t
}

// line is one connection to the server.
type line struct{ net.Conn }

// dial opens one. It ends with the gauge's time.
func dial(ctx context.Context, addr string) (line, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return line{}, err
	}
	if t, ok := ctx.Deadline(); ok {
		c.SetDeadline(t)
	}
	return line{c}, nil
}

// put asks for n bytes.
func (l line) put(n int) error { return binary.Write(l, binary.BigEndian, uint32(n)) }

// ask asks for n bytes and reads them.
func (l line) ask(n int) error {
	if err := l.put(n); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, l, int64(n))
	return err
}

// since is ms from an instant.
func since(t time.Time) float64 { return float64(time.Since(t)) / ms }
