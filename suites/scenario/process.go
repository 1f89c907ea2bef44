package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"faultbed/fixtures/topology"
	"faultbed/proxy"
	"faultbed/proxy/pidfd"
	"faultbed/reports/history"
)

// signalling is what the process faults take, as package faults describes it.
type signalling struct {
	Signal  string `json:"signal"`
	Times   int    `json:"times"`
	Spacing int64  `json:"spacing"`

	Second string `json:"second"` // escalate
	Third  string `json:"third"`
	Grace  int64  `json:"grace"`

	Then    string `json:"then"` // kill
	Down    int64  `json:"down"`
	Backoff int64  `json:"backoff"` // crash-loop
	Most    int64  `json:"most"`
	Up      int64  `json:"up"`
}

// process carries out a fault on a replica's process.
func (t *trial) process(ctx context.Context, f history.Fault) error {
	var with signalling
	if err := json.Unmarshal(f.With, &with); err != nil {
		return err
	}
	rep, err := t.replica(f.Replica)
	if err != nil {
		return err
	}
	switch f.Kind {
	case "process.kill":
		return t.kill(ctx, rep, f, with)
	case "process.crash-loop":
		return t.crashLoop(ctx, rep, f, with)
	case "process.escalate":
		return t.escalate(ctx, rep, f, with)
	}
	return t.drain(ctx, rep, f, with)
}

// replica is what runs as subject-i now.
func (t *trial) replica(i int) (*replica, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i >= len(t.reps) || t.reps[i] == nil {
		return nil, fmt.Errorf("subject-%d is not there: it did not start again", i)
	}
	return t.reps[i], nil
}

// drain sends signals, waits for the end where they ask for one, and restarts.
func (t *trial) drain(ctx context.Context, rep *replica, f history.Fault, with signalling) error {
	begun := history.Now()
	for n := range max(with.Times, 1) {
		if n > 0 && !t.waitUntil(ctx, f.At+int64(n)*with.Spacing) {
			return nil
		}
		if done, err := t.signal(ctx, rep, f, with.Signal); err != nil {
			return err
		} else if done {
			break
		}
	}
	t.mark(history.Inject, f, begun, f.Kind)
	if !t.ends(with.Signal) {
		return nil
	}
	t.awaitExit(ctx, rep)
	if ended(rep) && ctx.Err() == nil {
		t.probePort(ctx, rep)
	}
	if f.Kind == "process.restart" && ctx.Err() == nil {
		return t.again(ctx, rep, f)
	}
	return nil
}

// ends tells whether a signal asks the subject to end: others may make it reload,
// or open its logs again.
func (t *trial) ends(signal string) bool {
	return slices.Contains([]string{"drain", t.plan.Promise.Signal, "TERM", "INT", "QUIT", "KILL"}, signal)
}

// escalate sends signals one after the other until the process has ended.
func (t *trial) escalate(ctx context.Context, rep *replica, f history.Fault, with signalling) error {
	for n, name := range []string{with.Signal, with.Second, with.Third} {
		if name == "none" || n > 0 && !t.outlives(ctx, rep, with.Grace) {
			break
		}
		begun := history.Now()
		if _, err := t.signal(ctx, rep, f, name); err != nil {
			return err
		}
		if n == 0 {
			t.mark(history.Inject, f, begun, f.Kind)
		}
	}
	t.awaitExit(ctx, rep)
	if ended(rep) && ctx.Err() == nil {
		t.probePort(ctx, rep)
	}
	return nil
}

// outlives waits for a time, in ns, and tells whether the process is still there.
func (t *trial) outlives(ctx context.Context, rep *replica, ns int64) bool {
	timer := time.NewTimer(time.Duration(ns))
	defer timer.Stop()
	select {
	case <-rep.gone:
		return false
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// kill takes a replica away at once and brings it back after a time, or not.
func (t *trial) kill(ctx context.Context, rep *replica, f history.Fault, with signalling) error {
	if err := t.slay(ctx, rep, f); err != nil {
		return err
	}
	if with.Then == "nothing" || !t.pause(ctx, with.Down) {
		return nil
	}
	return t.again(ctx, rep, f)
}

// crashLoop kills a replica again and again; each time it is started again after a
// back-off that doubles, as a kubelet does it.
func (t *trial) crashLoop(ctx context.Context, rep *replica, f history.Fault, with signalling) error {
	wait := with.Backoff
	for n := range with.Times {
		if n > 0 && !t.pause(ctx, with.Up) {
			return nil
		}
		if err := t.slay(ctx, rep, f); err != nil {
			return err
		}
		if !t.pause(ctx, wait) {
			return nil
		}
		wait = min(2*wait, max(with.Most, with.Backoff))
		var err error
		if rep, err = t.restart(ctx, rep); err != nil {
			return err
		}
	}
	t.mark(history.Lift, f, history.Now(), f.Kind)
	return nil
}

// again restarts a replica; with that the fault is over.
func (t *trial) again(ctx context.Context, old *replica, f history.Fault) error {
	if _, err := t.restart(ctx, old); err != nil {
		return err
	}
	t.mark(history.Lift, f, history.Now(), f.Kind)
	return nil
}

// pause waits for ns; false if the run was stopped.
func (t *trial) pause(ctx context.Context, ns int64) bool {
	return t.waitUntil(ctx, history.Now()-t.t0+ns)
}

// deathTime bounds how long a killed process takes to be gone.
const deathTime = 5 * time.Second

// slay kills a replica with all its processes and notes its death, seen, as a bite.
func (t *trial) slay(ctx context.Context, rep *replica, f history.Fault) error {
	if ended(rep) { // its pid may be another's by now
		t.note(history.Event{Kind: history.Note, ID: f.ID, Detail: fmt.Sprintf("%s: the subject had ended before", f.Kind)})
		return nil
	}
	begun := history.Now()
	below := stopped(rep.pid)
	for _, pid := range below {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill %d below the subject: %w", pid, err)
		}
	}
	if done, err := t.signal(ctx, rep, f, "KILL"); err != nil || done {
		return err
	}
	t.mark(history.Inject, f, begun, f.Kind)
	select {
	case <-rep.gone:
	case <-ctx.Done():
		return nil
	case <-time.After(deathTime):
		return errors.New("the subject outlived SIGKILL")
	}
	if rep.exit.Signal == "KILL" {
		t.note(history.Event{Kind: history.Bite, Node: fmt.Sprintf("subject-%d", rep.index), ID: f.ID, Count: 1 + died(below), Via: "processes", Detail: "died of SIGKILL"})
	}
	return nil
}

// stopped stops a process, so that it starts no other while it is being killed, and
// lists what is below it; nothing if it can't be seen from here.
func stopped(pid int) []int {
	if pid <= 0 || syscall.Kill(pid, syscall.SIGSTOP) != nil {
		return nil
	}
	return pidfd.Descendants(pid)
}

// died counts those processes that are gone or zombies, waiting up to 1 s for all.
func died(pids []int) (n int64) {
	for limit := time.Now().Add(time.Second); ; time.Sleep(time.Millisecond) {
		left := len(pidfd.Living(pids))
		if left == 0 || time.Now().After(limit) {
			return int64(len(pids) - left)
		}
	}
}

func ended(rep *replica) bool {
	select {
	case <-rep.gone:
		return true
	default:
		return false
	}
}

// signal sends a signal, by name or as the subject's drain signal, and notes it;
// done if the process had ended.
func (t *trial) signal(ctx context.Context, rep *replica, f history.Fault, name string) (done bool, err error) {
	if name == "drain" {
		name = t.plan.Promise.Signal
	}
	if ended(rep) {
		return true, nil
	}
	sent, err := rep.inst.Signal(ctx, name)
	if errors.Is(err, proxy.ErrEnded) {
		return true, nil
	}
	if err == nil {
		t.signalled(sent, rep.pid, fmt.Sprintf("subject-%d", rep.index), f.ID, name)
	}
	return false, err
}

// signalled notes a signal that was sent.
func (t *trial) signalled(sent proxy.Sent, pid int, node, id, name string) {
	e := history.Event{T: sent.T, Kind: history.Signal, Node: node, ID: id, PID: pid, Signal: name, Via: sent.Via}
	if sent.NoHandler {
		e.Detail = history.NoHandler
	}
	t.note(e)
}

// awaitExit waits for a drain's end and kills what outlives its limit.
func (t *trial) awaitExit(ctx context.Context, rep *replica) {
	limit := time.NewTimer(time.Duration(t.plan.Settings.Grace+t.frozen(rep.index)) + overtime)
	defer limit.Stop()
	select {
	case <-rep.gone:
		return
	case <-ctx.Done():
		return
	case <-limit.C:
	}
	t.note(history.Event{Kind: history.Killed, Node: fmt.Sprintf("subject-%d", rep.index)})
	rep.inst.Signal(ctx, "KILL")
	select {
	case <-rep.gone:
	case <-time.After(deathTime):
		t.note(history.Event{Kind: history.Error, Detail: "the subject outlived SIGKILL"})
	}
}

// frozen is how long a replica may be stopped by faults, ns: it can't drain then.
func (t *trial) frozen(replica int) (ns int64) {
	for _, f := range t.plan.Faults {
		if f.Kind == "process.pause" && f.Replica == replica {
			ns += f.For
		}
	}
	return ns
}

// probePort notes whether anything still takes connections where the subject did:
// a child that inherited its listener would keep the next one from starting.
func (t *trial) probePort(ctx context.Context, rep *replica) {
	addr := t.nodes[infra(rep.index)].Addr(topology.SubjectPort)
	e := history.Event{Kind: history.Port, Node: fmt.Sprintf("subject-%d", rep.index), Outcome: history.OK}
	if err := t.nodes["load"].Control.Probe(ctx, addr, ""); err != nil {
		e.Outcome, e.Detail = history.Refused, err.Error()
	}
	t.note(e)
}

// restart replaces a replica that has ended with a new instance. If another fault
// does so already, that one's is the new one.
func (t *trial) restart(ctx context.Context, old *replica) (*replica, error) {
	if !old.replaced.CompareAndSwap(false, true) {
		return t.replica(old.index)
	}
	log, err := old.remove(ctx)
	t.mu.Lock()
	t.log = append(t.log, log...)
	t.mu.Unlock()
	if err != nil {
		return nil, err
	}
	t.note(history.Event{Kind: history.Restart, Node: fmt.Sprintf("subject-%d", old.index)})
	rep, err := t.startReplica(ctx, old.index, t.params(old.index))
	if err != nil {
		return nil, fmt.Errorf("subject-%d did not start again: %v", old.index, err) // no failed set-up: load is under way
	}
	if err := t.ready(ctx, rep); err != nil {
		return nil, fmt.Errorf("subject-%d did not start again: %v", old.index, err)
	}
	return rep, nil
}
