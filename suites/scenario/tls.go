package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"faultbed/certs"
	"faultbed/certs/authority"
	"faultbed/certs/malformed"
	"faultbed/fixtures/control"
	"faultbed/fixtures/load"
	"faultbed/fixtures/topology"
	"faultbed/reports/history"
)

// Names in the certificates of the bed.
const (
	SubjectName = "subject.faultbed.test"
	OriginName  = "origin.faultbed.test"
)

// Certs are the run's certificates: a chain for the subject from the embedded
// authority, and the corpus for the origin's and the subject's name.
type Certs struct {
	SubjectChain, SubjectKey, SubjectRoots []byte // PEM
	OriginRoots                            []byte // PEM: the anchors of all cases, for a subject reads them once

	cases map[string]certs.Case // by leg/name
}

// Case is a case of the back leg's corpus by name.
func (c *Certs) Case(name string) (certs.Case, error) { return c.caseOf("back", name) }

func (c *Certs) caseOf(leg, name string) (certs.Case, error) {
	k, ok := c.cases[leg+"/"+name]
	if !ok {
		return certs.Case{}, fmt.Errorf("no chain case %q", name)
	}
	return k, nil
}

// tlsBack lets the subject verify one chain after another on its back leg.
func (t *trial) tlsBack(ctx context.Context) error {
	if err := t.subjects(ctx); err != nil {
		return err
	}
	if err := t.startClock(history.Now()); err != nil {
		return err
	}
	for i, name := range t.plan.Cases {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := t.backCase(ctx, i, name); err != nil {
			return err
		}
	}
	return nil
}

// backCase sends one request while the origin serves one chain. Only the origin
// sees the handshakes; how many there were is what one request cost.
func (t *trial) backCase(ctx context.Context, i int, name string) error {
	k, err := t.lab.Certs.Case(name)
	if err != nil {
		return err
	}
	if err := t.originS.Do(ctx, "case", k, nil); err != nil {
		return fmt.Errorf("%w: %w", ErrInjector, err)
	}
	end, err := t.single(ctx, fmt.Sprintf("tls-%02d", i))
	if err != nil {
		return err
	}
	cell := history.Event{T: end.T, Kind: history.TLSCell, Node: "load", ID: name, Class: "subject", Status: end.Status,
		AgeNs: end.T - end.Planned, Phase: string(k.Oracle), Peer: k.Clause, Outcome: end.Outcome, Verdict: "reject"}
	switch {
	case end.Outcome == history.OK:
		cell.Verdict = "accept"
	case end.Outcome == history.Timeout:
		cell.Verdict = "hang"
	}
	return t.client.Append(cell)
}

// single runs one request as a session of its own and returns its end.
func (t *trial) single(ctx context.Context, id string) (history.Event, error) {
	now := history.Now() + int64(5*time.Millisecond)
	spec := load.Spec{T0: now, Endpoints: t.endpoints, Timeout: int64(5 * time.Second), End: now,
		Arrivals: []history.Arrival{{ID: id, Class: history.Fresh, Size: 512}}}
	var end history.Event
	s, err := t.nodes["load"].Control.Start(ctx, "load", spec, func(es []history.Event) error {
		for _, e := range es {
			if e.Kind == history.End {
				end = e
			}
		}
		return t.client.Append(es...)
	})
	if err != nil {
		return end, fmt.Errorf("%w: %w", ErrInjector, err)
	}
	<-s.Done()
	if end.T == 0 {
		return end, errors.Join(fmt.Errorf("%w: no outcome", ErrInjector), s.Err())
	}
	return end, nil
}

// tlsFront lets each client verify each chain as the subject serves it.
func (t *trial) tlsFront(ctx context.Context) error {
	if err := t.startClock(history.Now()); err != nil {
		return err
	}
	v, err := t.session(ctx, t.nodes["verify"], "verify", struct{}{}, t.client)
	if err != nil {
		return err
	}
	clients, err := t.verifiers(ctx, v)
	if err != nil {
		return err
	}
	for _, name := range t.plan.Cases {
		k, err := t.lab.Certs.caseOf("front", name)
		if err != nil {
			return err
		}
		served, why, err := t.serveCase(ctx, k)
		if err != nil {
			return err
		}
		for _, client := range clients {
			res := certs.Result{Case: name, Client: client, Verdict: certs.ConfigRefused, Detail: why}
			if served {
				target := topology.VerifySpec{Client: client, Addr: t.endpoints[0].TLS, ServerName: SubjectName, Roots: k.RootsPEM()}
				begun := history.Now()
				if err := v.Do(ctx, "verify", target, &res); err != nil {
					return fmt.Errorf("%w: %w", ErrInjector, err)
				}
				res.Ns = history.Now() - begun
			}
			if err := t.client.Append(frontCell(k, res, client)); err != nil {
				return err
			}
		}
		if err := t.endReplica(ctx); err != nil {
			return err
		}
	}
	return nil
}

// verifiers are those of the planned clients that are here and were seen to
// reject; the node's own notes say why others are missing.
func (t *trial) verifiers(ctx context.Context, v *control.Running) ([]string, error) {
	var here []string
	if err := v.Do(ctx, "clients", nil, &here); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInjector, err)
	}
	planned := slices.DeleteFunc(slices.Clone(t.plan.Clients), func(c string) bool { return !slices.Contains(here, c) })
	if len(planned) == 0 {
		return nil, fmt.Errorf("%w: none of the TLS clients %s is here", ErrSetup, strings.Join(t.plan.Clients, ", "))
	}
	return planned, nil
}

func frontCell(k certs.Case, res certs.Result, client string) history.Event {
	return history.Event{T: history.Now(), Kind: history.TLSCell, Node: "verify", ID: k.Name, Class: history.Class(client),
		Verdict: string(res.Verdict), Local: res.Alert, Status: res.Status, Count: 1, AgeNs: res.Ns,
		Phase: string(k.Oracle), Peer: k.Clause, Detail: firstLine(res.Detail)}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// serveCase starts the subject with a chain. A subject that won't load it is no
// failure of the bed: it has refused the chain, and why says how.
func (t *trial) serveCase(ctx context.Context, k certs.Case) (served bool, why string, err error) {
	params := t.params(0)
	launch, err := t.subj.launch(t.lab, t.plan, t.nodes[infra(0)], params)
	if err != nil {
		return false, "", fmt.Errorf("%w: %w", ErrSetup, err)
	}
	launch.Files[params.TLS.Cert], launch.Files[params.TLS.Key] = k.ChainPEM(), k.KeyPEM()
	launch.Name = "subject-0"
	inst, st, err := t.lab.Driver.Start(ctx, launch)
	if err != nil {
		return false, "", fmt.Errorf("%w: %w", ErrSetup, err)
	}
	rep := &replica{inst: inst, gone: make(chan struct{})}
	t.reps = []*replica{rep}
	t.note(history.Event{T: st.T, Kind: history.Start, Node: launch.Name, PID: st.PID, Detail: k.Name})
	t.watchers.Go(func() { t.watch(rep, launch.Name) })
	addr := t.nodes[infra(0)].Addr(topology.SubjectTLSPort)
	limit := time.After(time.Duration(t.subj.Spec.Ready.Timeout))
	for {
		if t.nodes["load"].Control.Probe(ctx, addr, "") == nil {
			return true, "", nil
		}
		select {
		case <-rep.gone:
			return false, fmt.Sprintf("the subject ended with exit code %d", rep.exit.Code), nil
		case <-limit:
			return false, "the subject never listened", nil
		case <-ctx.Done():
			return false, "", ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// endReplica removes the subject between two chains.
func (t *trial) endReplica(ctx context.Context) error {
	log, err := t.reps[0].remove(ctx)
	t.log = append(t.log, log...)
	t.reps = nil
	return err
}

// NewCerts makes the run's certificates: an embedded authority for each leg,
// and the corpus that is signed by it. Verifiers judge dates by their own clock,
// so the epoch is the run's start.
func NewCerts(ctx context.Context, seed uint64, epoch time.Time) (*Certs, error) {
	c := &Certs{cases: map[string]certs.Case{}}
	for _, leg := range []struct{ name, host string }{{"front", SubjectName}, {"back", OriginName}} {
		ca, err := authority.New(ctx, authority.Options{Name: "faultbed " + leg.name, Seed: seed, Epoch: epoch})
		if err != nil {
			return nil, err
		}
		cases, err := malformed.Corpus(ca, malformed.Options{Seed: seed, Epoch: epoch, Name: leg.host})
		if err != nil {
			return nil, err
		}
		for _, k := range cases {
			c.cases[leg.name+"/"+k.Name] = k
		}
		if leg.name == "back" {
			c.OriginRoots = certs.UnionRootsPEM(cases)
			continue
		}
		pair, err := ca.Issue(certs.Request{Names: []string{leg.host}})
		if err != nil {
			return nil, err
		}
		c.SubjectChain, c.SubjectKey, c.SubjectRoots = pair.ChainPEM(), pair.KeyPEM(), ca.RootPEM()
	}
	return c, nil
}
