package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"faultbed/faults/room"
	"faultbed/faults/toxic"
	"faultbed/fixtures/control"
	"faultbed/fixtures/load"
	"faultbed/fixtures/origin"
	"faultbed/fixtures/topology"
	"faultbed/proxy"
	"faultbed/reports/history"
)

// Error kinds of a trial, for exit codes and for blame.
var (
	// ErrSetup is a bed or a subject that did not come up.
	ErrSetup = errors.New("set-up failed")
	// ErrUnready is a subject that ended or never answered its readiness probe.
	ErrUnready = errors.New("the subject is not ready")
	// ErrInjector is an injector that failed: the subject can't be blamed.
	ErrInjector = errors.New("injector failed")
)

// trial is one execution of one plan.
type trial struct {
	lab  *Lab
	bed  *topology.Bed
	plan history.Plan
	dir  string
	subj *Subject

	client, origin, fault *history.Ledger
	nodes                 map[string]*topology.Node
	originS               *control.Running
	wires                 map[string]*control.Running // by leg and replica
	attacks               *control.Running
	toxi                  *toxic.Proxy
	sessions              []*control.Running // in the order in which they end: load first, origin last
	waits                 sync.Mutex         // of waiting
	waiting               *waiting           // nil until the load begins
	namesS                *control.Running   // the name server; nil if the plan has none
	originAddr            string             // where the subject finds its origin
	endpoints             []load.Endpoint
	t0                    int64

	mu       sync.Mutex
	info     history.TrialInfo
	reps     []*replica
	active   map[string]room.Active // faults of rooms in force, by id
	log      []byte
	injErr   error
	watchers sync.WaitGroup
}

// replica is one instance of the subject and the end of its process.
type replica struct {
	index int
	pid   int    // in this kernel's namespace; 0 if it is another's
	ref   string // container id; empty in the process runtime
	inst  proxy.Instance
	gone  chan struct{} // closed when the exit is in the ledger
	exit  proxy.Exit
	ours  atomic.Bool // the bed removes it: its end says nothing about the subject

	replaced atomic.Bool // a fault has begun to start the next one
}

// remove kills and removes the instance and returns its log.
func (r *replica) remove(ctx context.Context) ([]byte, error) {
	r.ours.Store(true)
	return r.inst.Close(context.WithoutCancel(ctx))
}

// Execute runs one plan on a bed and writes its trial folder. The error tells
// why it did not complete; what was seen until then is in the ledgers.
func (l *Lab) Execute(ctx context.Context, bed *topology.Bed, p history.Plan) error {
	t := l.trial(bed, p)
	if err := t.open(); err != nil {
		return err
	}
	err := t.run(ctx)
	err = errors.Join(err, t.injErr, t.close(context.WithoutCancel(ctx)))
	return errors.Join(err, t.finish(ctx, err))
}

func (l *Lab) trial(bed *topology.Bed, p history.Plan) *trial {
	return &trial{lab: l, bed: bed, plan: p, subj: l.Subjects[p.Subject], dir: history.TrialDir(l.Dir, p.Key()), wires: map[string]*control.Running{}, active: map[string]room.Active{}}
}

func (t *trial) open() error {
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return err
	}
	if err := history.WriteJSON(filepath.Join(t.dir, history.PlanFile), t.plan); err != nil {
		return err
	}
	var err error
	t.info = history.TrialInfo{Runtime: t.lab.Runtime, Status: "running", Peers: map[string]string{}}
	if t.subj != nil { // the bed's own test has none
		t.info.Versions = t.subj.Versions
	}
	for name, into := range map[string]**history.Ledger{history.ClientFile: &t.client, history.OriginFile: &t.origin, history.FaultFile: &t.fault} {
		if *into, err = history.CreateLedger(filepath.Join(t.dir, name)); err != nil {
			return err
		}
	}
	return t.save()
}

func (t *trial) save() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return history.WriteJSON(filepath.Join(t.dir, history.TrialFile), t.info)
}

// note writes an event of the bed itself to the fault ledger.
func (t *trial) note(e history.Event) {
	if e.T == 0 {
		e.T = history.Now()
	}
	if e.Node == "" {
		e.Node = "bed"
	}
	if err := t.tell(t.fault, e); err != nil {
		t.blame(err)
	}
}

// blame records the bed's or an injector's own failure: the trial can't count.
func (t *trial) blame(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.injErr = errors.Join(t.injErr, fmt.Errorf("%w: %w", ErrInjector, err))
}

func (t *trial) run(ctx context.Context) error {
	if err := t.up(ctx); err != nil {
		return err
	}
	switch t.plan.Engine {
	case SelfTest:
		return t.selfTest(ctx)
	case Starting:
		return t.starting(ctx)
	case TLSBack:
		return t.tlsBack(ctx)
	case TLSFront:
		return t.tlsFront(ctx)
	}
	if err := t.subjects(ctx); err != nil {
		return err
	}
	return t.timeline(ctx)
}

// up starts the nodes and the sessions of origin and injectors.
func (t *trial) up(ctx context.Context) error {
	names := []string{"load", "origin"}
	for _, by := range t.plan.Back {
		if by == "wire" {
			by = "wire-back"
		}
		names = append(names, by)
	}
	for r := range t.plan.Replicas {
		names = append(names, infra(r))
		if len(t.plan.Front) > 0 {
			names = append(names, front(r))
		}
	}
	if t.plan.Names {
		names = append(names, "dns", "moved")
	}
	if t.plan.Engine == TLSFront {
		names = append(names, "verify")
	}
	if t.attacked() {
		names = append(names, "attack")
	}
	nodes, err := t.bed.Nodes(ctx, names...)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSetup, err)
	}
	t.nodes = nodes
	for name, n := range nodes {
		t.info.Peers[name] = n.IP
	}
	return t.legs(ctx)
}

func infra(r int) string { return fmt.Sprintf("infra-%d", r) }
func front(r int) string { return fmt.Sprintf("wire-front-%d", r) }

// legs builds the chain from the origin towards the load.
func (t *trial) legs(ctx context.Context) error {
	o := t.nodes["origin"]
	spec := origin.Spec{Listen: o.Addr(topology.OriginPort), Watch: awaited(t.plan)}
	if t.plan.Engine == TLSBack {
		first, err := t.lab.Certs.Case(t.plan.Cases[0])
		if err != nil {
			return err
		}
		spec.Case, spec.Cases = &first, true
	}
	var err error
	if t.originS, err = t.session(ctx, o, "origin", spec, t.origin); err != nil {
		return err
	}
	t.originAddr = spec.Listen
	for i := len(t.plan.Back) - 1; i >= 0; i-- {
		if err := t.backInjector(ctx, t.plan.Back[i]); err != nil {
			return err
		}
	}
	if t.plan.Names {
		if err := t.names(ctx); err != nil {
			return err
		}
	}
	for r := range t.plan.Replicas {
		if err := t.frontLeg(ctx, r); err != nil {
			return err
		}
	}
	if t.attacked() {
		t.attacks, err = t.session(ctx, t.nodes["attack"], "attack", struct{}{}, t.fault)
	}
	return err
}

func (t *trial) session(ctx context.Context, n *topology.Node, role string, spec any, into *history.Ledger) (*control.Running, error) {
	sink := func(es []history.Event) error { return t.tell(into, es...) }
	s, err := n.Control.Start(context.WithoutCancel(ctx), role, spec, sink, awaited(t.plan)...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSetup, err)
	}
	t.sessions = append([]*control.Running{s}, t.sessions...)
	return s, nil
}

func (t *trial) backInjector(ctx context.Context, by string) error {
	if by == "wire" {
		n := t.nodes["wire-back"]
		s, err := t.session(ctx, n, "wire", topology.WireSpec{Listen: n.Addr(topology.RelayPort), Target: t.originAddr}, t.fault)
		t.wires["back"], t.originAddr = s, n.Addr(topology.RelayPort)
		return err
	}
	n := t.nodes["toxiproxy"]
	if _, err := t.session(ctx, n, "toxiproxy", topology.ToxiproxySpec{API: n.ToxiproxyAPI()}, t.fault); err != nil {
		return err
	}
	var err error
	t.toxi, err = toxic.Open(ctx, n.API, n.Addr(topology.RelayPort), t.originAddr)
	if errors.Is(err, toxic.ErrHung) {
		return fmt.Errorf("%w: %w", ErrInjector, err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSetup, err)
	}
	t.originAddr = n.Addr(topology.RelayPort)
	return nil
}

func (t *trial) frontLeg(ctx context.Context, r int) error {
	in := t.nodes[infra(r)]
	ep := load.Endpoint{Addr: in.Addr(topology.SubjectPort)}
	if t.plan.TLS {
		ep.TLS = in.Addr(topology.SubjectTLSPort)
	}
	if len(t.plan.Front) > 0 {
		n := t.nodes[front(r)]
		s, err := t.session(ctx, n, "wire", topology.WireSpec{Listen: n.Addr(topology.RelayPort), Target: ep.Addr}, t.fault)
		if err != nil {
			return err
		}
		t.wires[fmt.Sprintf("front-%d", r)] = s
		ep.Addr = n.Addr(topology.RelayPort)
	}
	t.endpoints = append(t.endpoints, ep)
	return nil
}

// subjects starts all replicas and waits until each is ready.
func (t *trial) subjects(ctx context.Context) error {
	t.reps = make([]*replica, t.plan.Replicas)
	errs := make([]error, t.plan.Replicas)
	var wg sync.WaitGroup
	for r := range t.plan.Replicas {
		wg.Go(func() {
			var rep *replica
			if rep, errs[r] = t.startReplica(ctx, r, t.params(r)); errs[r] == nil {
				errs[r] = t.ready(ctx, rep)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// startReplica starts the subject on infra node r and watches its end.
func (t *trial) startReplica(ctx context.Context, r int, params proxy.Params) (*replica, error) {
	launch, err := t.subj.launch(t.lab, t.plan, t.nodes[infra(r)], params)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSetup, err)
	}
	launch.Name = fmt.Sprintf("subject-%d", r)
	if t.plan.Names {
		if launch, err = t.lab.asking(launch, t.nodes["dns"].IP); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSetup, err)
		}
	}
	inst, st, err := t.lab.Driver.Start(ctx, launch)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSetup, err)
	}
	rep := &replica{index: r, pid: st.PID, ref: st.Ref, inst: inst, gone: make(chan struct{})}
	t.mu.Lock()
	if r < len(t.reps) {
		t.reps[r] = rep
	} else {
		t.reps = append(t.reps, rep)
	}
	t.mu.Unlock()
	t.note(history.Event{T: st.T, Kind: history.Start, Node: launch.Name, PID: st.PID})
	t.watchers.Go(func() { t.watch(rep, launch.Name) })
	return rep, nil
}

// watch writes a replica's exit to the ledger.
func (t *trial) watch(rep *replica, name string) {
	x, ok := <-rep.inst.Exited()
	if !ok || rep.ours.Load() {
		return
	}
	rep.exit = x
	t.note(history.Event{T: x.T, Kind: history.Exit, Node: name, Code: x.Code, Signal: x.Signal, Via: x.Via, Detail: oom(x.OOM)})
	for _, o := range x.Orphans {
		t.note(history.Event{T: x.T, Kind: history.Orphan, Node: name, PID: o.PID, Detail: o.Comm})
	}
	close(rep.gone)
}

func oom(b bool) string {
	if b {
		return "killed by the kernel for lack of memory"
	}
	return ""
}

// ready waits until the subject answers as its YAML says.
func (t *trial) ready(ctx context.Context, rep *replica) error {
	spec := t.subj.Spec
	limit := time.Duration(spec.Ready.Timeout)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	addr := t.nodes[infra(rep.index)].Addr(topology.SubjectPort)
	var last error
	for {
		err := t.nodes["load"].Control.Probe(ctx, addr, spec.Ready.HTTP)
		if ctx.Err() == nil || last == nil { // one that our own deadline cut says nothing
			last = err
		}
		if err == nil {
			t.note(history.Event{Kind: history.Ready, Node: fmt.Sprintf("subject-%d", rep.index)})
			return nil
		}
		select {
		case <-rep.gone:
			return t.unready(ctx, rep, fmt.Errorf("it ended with exit code %d", rep.exit.Code))
		case <-ctx.Done():
			return t.unready(ctx, rep, fmt.Errorf("not ready after %v: %w", limit, last))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (t *trial) unready(ctx context.Context, rep *replica, why error) error {
	log, _ := rep.remove(ctx)
	t.mu.Lock()
	t.log = append(t.log, log...)
	t.reps[rep.index] = nil
	t.mu.Unlock()
	return fmt.Errorf("%w: %w: %s: %w; its last lines: %s", ErrSetup, ErrUnready, t.plan.Subject, why, topology.Tail(string(log), 5))
}

// close ends sessions and subjects. Every step has a deadline of its own.
func (t *trial) close(ctx context.Context) error {
	errs := []error{t.leaveAll(ctx)}
	t.mu.Lock()
	reps := t.reps
	t.mu.Unlock()
	for _, rep := range reps {
		if rep == nil {
			continue
		}
		log, err := rep.remove(ctx)
		t.log = append(t.log, log...)
		errs = append(errs, err)
	}
	t.watchers.Wait() // every instance is closed, so none waits any more
	for _, s := range t.sessions {
		if err := s.End(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%w: %w", ErrInjector, err))
		}
	}
	t.confess()
	return errors.Join(errs...)
}

// confess looks for the crash hooks that the subject's log names: the proof that
// one fired where no client could notice.
func (t *trial) confess() {
	for _, f := range t.plan.Faults {
		hook, ok := strings.CutPrefix(f.Kind, "crash.")
		if mark := "crash hook: " + hook; ok && bytes.Contains(t.log, []byte(mark)) {
			t.note(history.Event{Kind: history.Bite, ID: f.ID, Count: 1, Detail: "the subject's log says " + mark})
		}
	}
}

// finish closes the ledgers and says in trial.json how it went.
func (t *trial) finish(ctx context.Context, err error) error {
	var errs []error
	for _, l := range []*history.Ledger{t.client, t.origin, t.fault} {
		errs = append(errs, l.Close())
	}
	for _, f := range []string{history.ClientFile, history.OriginFile, history.FaultFile} {
		errs = append(errs, history.Compress(filepath.Join(t.dir, f)))
	}
	if len(t.log) > 0 {
		errs = append(errs, os.WriteFile(filepath.Join(t.dir, history.LogFile), t.log, 0o644))
	}
	t.mu.Lock()
	t.info.Events = map[string]int{history.ClientFile: t.client.Len(), history.OriginFile: t.origin.Len(), history.FaultFile: t.fault.Len()}
	switch {
	case ctx.Err() != nil:
		t.info.Status, t.info.Error = "interrupted", "the run was stopped"
	case errors.Is(err, ErrSetup):
		t.info.Status, t.info.Error = "setup-failed", err.Error()
	case err != nil:
		t.info.Status, t.info.Error = "complete", err.Error()
		t.info.Injector = errors.Is(err, ErrInjector) || errors.Is(err, toxic.ErrHung)
	default:
		t.info.Status = "complete"
	}
	t.mu.Unlock()
	return errors.Join(append(errs, t.save())...)
}
