package verdict

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"

	"faultbed/reports/check"
	"faultbed/reports/history"
)

// one is a trial that was judged, and what its cell needs of the plan.
type one struct {
	Trial
	plan   history.Plan // without arrivals and faults
	digest string       // of trial 1's plan
}

func judgeOne(v *check.View) one {
	p, digest := v.Plan, ""
	if p.Trial == 1 && p.Engine != "" {
		digest = digestOf(p)
	}
	p.Arrivals, p.Faults = nil, nil
	return one{judge(v), p, digest}
}

// digestOf is a short digest of what a scenario and a seed make of a plan: without
// what is the subject's, and without ids, which its name is part of.
func digestOf(p history.Plan) string {
	h := sha256.New()
	var b []byte
	for _, a := range p.Arrivals {
		b = b[:0]
		for _, n := range [...]int64{a.At, a.Size, a.Hold, int64(a.Lane)} {
			b = append(strconv.AppendInt(b, n, 10), 0)
		}
		for _, s := range [...]string{string(a.Class), a.Hook, a.Param, a.Client, a.Script} {
			b = append(append(b, s...), 0)
		}
		h.Write(b)
	}
	p.Arrivals, p.Subject, p.Variant, p.Description, p.Promise, p.Settings.Grace = nil, "", "", "", history.Promise{}, 0
	p.Faults = slices.Clone(p.Faults)
	for i := range p.Faults {
		p.Faults[i].ID, p.Faults[i].Replica = "", 0
	}
	rest, err := json.Marshal(p)
	if err != nil {
		return "" // a parameter of a fault that is no JSON: the trial's own defect
	}
	h.Write(rest)
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// Judge reads nothing but the run that it is given. The same run gives the same
// result.
func Judge(run *history.Run) Result {
	var trials []one
	for _, t := range run.Trials {
		v := check.New(t)
		j := judgeOne(v)
		settle(run.Manifest.Calibration, v, &j.Trial)
		trials = append(trials, j)
	}
	return result(run, trials, run.Missing)
}

// See is shown a trial as it is judged, with its history, which it must not keep:
// that would hold the whole run in memory. It is called for several at a time.
type See func(*check.View, Trial)

// JudgeDir reads and judges a run folder: trial by trial, as many at a time as
// there are processors and as memory allows (about 600 MiB, or one trial). While
// it is at work, the program's soft memory limit is lowered. The result is the
// same whatever the order of the trials. Damage of a trial is no error but its
// verdict; only a folder whose manifest can't be read is one.
func JudgeDir(dir string, see ...See) (Result, error) {
	run, err := history.OpenRun(filepath.Clean(dir))
	if err != nil {
		return Result{}, err
	}
	keys := run.Manifest.Planned
	judged := make([]*one, len(keys))
	defer frugal(run)()
	spare := sync.Pool{New: func() any { return check.New(&history.Trial{}) }}
	each(len(keys), func(i int) int64 { return run.Size(keys[i]) }, func(i int) {
		v := spare.Get().(*check.View)
		defer spare.Put(v)
		if t := run.ReadInto(keys[i], v.Trial); t != nil {
			v.Again(t)
			j := judgeOne(v)
			settle(run.Manifest.Calibration, v, &j.Trial)
			for _, s := range see {
				s(v, j.Trial)
			}
			j.detach()
			judged[i] = &j
		}
	})
	var trials []one
	var missing []string
	for i, j := range judged {
		if j == nil {
			missing = append(missing, keys[i])
			continue
		}
		trials = append(trials, *j)
	}
	return result(run, trials, missing), nil
}

// maxHeld is how much memory, in bytes, trials may take that are judged at the
// same time. One that takes more is judged alone.
const maxHeld = 600 << 20

// frugal has the garbage collector rather work than let memory grow to twice of
// what is needed, until the function that it returns is called. A limit that was
// lower stays.
func frugal(run *history.Run) (undo func()) {
	limit := int64(maxHeld * 4 / 3)
	for _, key := range run.Manifest.Planned {
		limit = max(limit, 2*run.Size(key))
	}
	was := debug.SetMemoryLimit(-1)
	debug.SetMemoryLimit(min(was, limit))
	return func() { debug.SetMemoryLimit(was) }
}

// each does n pieces of work, in order, on all processors. What size says of a
// piece counts towards maxHeld while it is at work.
func each(n int, size func(int) int64, work func(int)) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	freed := sync.NewCond(&mu)
	next, held := 0, int64(0)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= n {
					return
				}
				own := size(i)
				mu.Lock()
				for held > 0 && held+own > maxHeld {
					freed.Wait()
				}
				held += own
				mu.Unlock()
				work(i)
				mu.Lock()
				held -= own
				mu.Unlock()
				freed.Broadcast()
			}
		})
	}
	wg.Wait()
}

// detach copies what violations cite, for a string of a ledger keeps its whole
// neighbourhood in memory.
func (j *one) detach() {
	for i := range j.Violations {
		x := &j.Violations[i]
		x.ID, x.Evidence = strings.Clone(x.ID), slices.Clone(x.Evidence)
		for k := range x.Evidence {
			e := &x.Evidence[k]
			for _, s := range []*string{(*string)(&e.Kind), &e.Node, &e.ID, (*string)(&e.Class), &e.Conn, &e.Peer, &e.Local,
				(*string)(&e.Outcome), &e.Phase, &e.Signal, &e.Via, &e.Verdict, &e.Detail} {
				*s = strings.Clone(*s)
			}
		}
	}
}

// result counts trials together by cell.
func result(run *history.Run, trials []one, missing []string) Result {
	r := Result{Version: ResultVersion, Manifest: run.Manifest, SelfTest: selfTest(run), Missing: missing, Cells: []Cell{}, Trials: []Trial{}}
	byCell := map[string][]Trial{}
	plans, digests := map[string]history.Plan{}, map[string]string{}
	var order []string
	for _, t := range trials {
		r.Trials = append(r.Trials, t.Trial)
		key := t.Scenario + "\x00" + t.Subject + "\x00" + t.Variant
		if _, ok := byCell[key]; !ok {
			order = append(order, key)
		}
		if p, ok := plans[key]; !ok || p.Description == "" { // that of a trial whose plan can't be read
			plans[key] = t.plan
		}
		digests[key] = cmp.Or(digests[key], t.digest)
		byCell[key] = append(byCell[key], t.Trial)
	}
	for _, key := range order {
		c := cell(plans[key], byCell[key])
		c.Plan = digests[key]
		r.Cells = append(r.Cells, c)
	}
	r.Verdict, r.Reason = overall(r)
	return r
}
