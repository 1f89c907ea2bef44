package check

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"faultbed/reports/history"
)

const (
	t0  = int64(1_000_000_000_000)
	msN = int64(time.Millisecond)
)

// bed builds a trial's history in milliseconds from T0.
type bed struct{ t history.Trial }

func newBed(p history.Plan) *bed {
	if p.Engine == "" {
		p.Engine = "timeline"
	}
	p.Replicas = max(p.Replicas, 1)
	p.Duration = 4000 * msN
	p.Settings.Grace = 2000 * msN
	p.Promise = history.Promise{Signal: "TERM", Grace: 2000 * msN, ExitCodes: []int{0}}
	return &bed{history.Trial{Plan: p, Info: history.TrialInfo{T0: t0, Status: "complete"}}}
}

// req adds an arrival that began and ended at the given times with an outcome.
func (b *bed) req(id string, c history.Class, from, to int64, o history.Outcome, more ...func(*history.Event)) *bed {
	b.t.Plan.Arrivals = append(b.t.Plan.Arrivals, history.Arrival{ID: id, Class: c, At: from * msN})
	begin := history.Event{T: t0 + from*msN, Kind: history.Begin, ID: id, Class: c, Planned: t0 + from*msN}
	end := begin
	end.T, end.Kind, end.Outcome, end.Sent = t0+to*msN, history.End, o, t0+from*msN+1
	for _, m := range more {
		m(&end)
	}
	b.t.Client = append(b.t.Client, begin, end)
	return b
}

func (b *bed) origin(id string, k history.Kind, at int64, o history.Outcome) *bed {
	b.t.Origin = append(b.t.Origin, history.Event{T: t0 + at*msN, Kind: k, ID: id, Outcome: o})
	return b
}

func (b *bed) fault(k history.Kind, at int64, more ...func(*history.Event)) *bed {
	e := history.Event{T: t0 + at*msN, Kind: k, Node: "subject-0"}
	for _, m := range more {
		m(&e)
	}
	b.t.Fault = append(b.t.Fault, e)
	return b
}

func (b *bed) window(kind string, from, to int64) *bed {
	b.t.Plan.Faults = append(b.t.Plan.Faults, history.Fault{ID: "f1", Kind: kind, At: from * msN, For: (to - from) * msN})
	id := func(e *history.Event) { e.ID = "f1" }
	return b.fault(history.Inject, from, id).fault(history.Lift, to, id)
}

func status(n int) func(*history.Event) { return func(e *history.Event) { e.Status = n } }
func code(n int) func(*history.Event)   { return func(e *history.Event) { e.Code = n } }
func sig(s string) func(*history.Event) { return func(e *history.Event) { e.Signal = s } }

// names are the distinct checks that fired.
func (b *bed) names() []string {
	var out []string
	for _, v := range Find(New(&b.t)) {
		if !slices.Contains(out, v.Check) {
			out = append(out, v.Check)
		}
	}
	return out
}

var (
	plain = history.Plan{}
	drain = history.Plan{Expect: history.Expectation{Drain: true}}
	crash = history.Plan{Crash: true}
)

// drained is a good drain: work in flight is answered, later connects are
// refused, the process is gone in time.
func drained() *bed {
	return newBed(drain).
		req("a", history.Short, 100, 110, history.OK).
		req("b", history.Slow, 700, 1100, history.OK).
		req("c", history.Fresh, 900, 901, history.Refused).
		fault(history.Signal, 800, sig("TERM")).fault(history.Exit, 1200)
}

func crashed() *bed {
	b := newBed(crash).req("x", history.Crash, 1000, 1010, history.EOF).req("a", history.Slow, 900, 1300, history.OK)
	b.t.Plan.Arrivals[0].Hook = "panic"
	b.t.Plan.Faults = []history.Fault{{ID: "f1", Kind: "crash.panic", At: 1000 * msN}}
	return b.fault(history.Inject, 1000, func(e *history.Event) { e.ID = "f1" })
}

// struck is a crash that the process survives or, with an exit code, dies of, with
// a request in flight that ends with an outcome at an instant.
func struck(e history.Expectation, o history.Outcome, at int64, exit ...int) *bed {
	b := newBed(history.Plan{Crash: true, Expect: e}).req("x", history.Crash, 1000, 1600, history.EOF).
		req("a", history.Slow, 900, at, o, func(e *history.Event) {
			if o == history.OK {
				e.FirstByte = e.T
			}
		}).
		origin("a", history.Request, 905, "").origin("a", history.Response, 1300, history.OK)
	b.t.Plan.Expect.Dies = len(exit) > 0
	b.t.Plan.Arrivals[0].Hook = "spin"
	b.t.Plan.Faults = []history.Fault{{ID: "f1", Kind: "crash.spin", At: 1000 * msN, With: []byte(`{"seconds":600000000}`)}}
	b.fault(history.Inject, 1000, func(e *history.Event) { e.ID = "f1" })
	for _, n := range exit {
		b.fault(history.Exit, 1601, code(n))
	}
	return b
}

// segv is a signal from outside that ends the process.
func segv(o history.Outcome) *bed {
	e := history.Expectation{Dies: true, Allow: []history.Outcome{history.EOF, history.Reset}, Concurrent: eofs, Exit: []int{2}}
	b := newBed(history.Plan{Expect: e}).req("a", history.Slow, 900, 1001, o).origin("a", history.Request, 905, "").
		fault(history.Signal, 1000, sig("SEGV"), func(e *history.Event) { e.ID = "f1" }).fault(history.Exit, 1001, code(2))
	b.t.Plan.Faults = []history.Fault{{ID: "f1", Kind: "process.signal", At: 1000 * msN}}
	return b
}

var (
	eofs = []history.Outcome{history.EOF}
	oks  = []history.Outcome{history.OK}
)

// again crashes another request, with an outcome.
func again(b *bed, o history.Outcome) *bed { return b.req("y", history.Crash, 1700, 1900, o) }

// hit is a good panic in one request, which a fault inside the subject hit.
func hit() *bed {
	b := newBed(history.Plan{Expect: history.Expectation{Allow: []history.Outcome{history.EOF}, Statuses: []int{502}}})
	return b.req("x", history.Fresh, 300, 310, history.EOF).window("inject.go-panic", 100, 2000).fault(history.Bite, 305, func(e *history.Event) {
		e.ID, e.Via, e.Detail = "f1", "requests", "/fb/fresh/x in net/http.serverHandler.ServeHTTP, thread 7 held for 0.1ms"
	})
}

func on(node string) func(*history.Event) { return func(e *history.Event) { e.Node = node } }

// rolled is a good restart of two replicas one after the other.
func rolled() *bed {
	b := newBed(drain).req("a", history.Short, 100, 110, history.OK)
	b.t.Plan.Replicas = 2
	for i, node := range []string{"subject-0", "subject-1"} {
		at := int64(1000 * i)
		b.fault(history.Start, -200, on(node)).fault(history.Signal, 500+at, on(node), sig("TERM")).fault(history.Exit, 900+at, on(node)).
			fault(history.Restart, 910+at, on(node)).fault(history.Start, 920+at, on(node)).fault(history.Ready, 1000+at, on(node))
	}
	slices.SortStableFunc(b.t.Fault, func(a, b history.Event) int { return cmp.Compare(a.T, b.T) })
	return b
}

// begun is a subject that was signalled 20 ms after it began to start.
func begun() *bed {
	return newBed(history.Plan{Engine: "starting", Variant: "pid1", Expect: history.Expectation{Drain: true}}).fault(history.Start, 0).fault(history.Signal, 20, sig("TERM"))
}

// usage is a look at the subject: open files, and resident MiB.
func (b *bed) usage(at, files, mib int64) *bed {
	return b.fault(history.Usage, at, func(e *history.Event) { e.Count, e.Bytes = files, mib<<20 })
}

// asked is a request of class headers as the origin saw it.
func (b *bed) asked(id, deviation string) *bed {
	b.t.Origin = append(b.t.Origin, history.Event{T: t0 + 2*msN, Kind: history.Request, ID: id, Class: history.Headers, Verdict: deviation})
	return b
}

// streamed is a stream that the origin drew out over 300 ms, and whose first
// byte reached the client at an instant.
func streamed(first int64) *bed {
	b := newBed(plain).req("s", history.Stream, 1, 330, history.OK, func(e *history.Event) { e.FirstByte = t0 + first*msN })
	b.t.Plan.Arrivals[0].Hold = 300 * msN
	return b.origin("s", history.Response, 310, history.OK)
}

func declared(b *bed, what string) *bed {
	b.t.Plan.Promise.Declares = []string{what}
	return b
}

func declaring(what string) *bed { return declared(newBed(plain), what) }

func underInit(b *bed) *bed { b.t.Plan.Variant = "init"; return b }

func noHandler(e *history.Event) { e.Detail = history.NoHandler }

func verified(oracle, verdict string) *bed {
	b := newBed(history.Plan{Engine: "tls-back"})
	b.t.Client = append(b.t.Client, history.Event{T: t0, Kind: history.TLSCell, ID: "eku/client-only", Phase: oracle, Verdict: verdict})
	return b
}

// good histories: no check fires on them.
func good() map[string]*bed {
	failing := history.Plan{Expect: history.Expectation{Statuses: []int{502}, Allow: []history.Outcome{history.Truncated}, Recovery: 100 * msN}}
	return map[string]*bed{
		"nothing happens": newBed(plain).req("a", history.Short, 1, 2, history.OK),
		"honest failures in the window": newBed(failing).window("origin.down", 500, 1000).
			req("a", history.Short, 600, 601, history.Status5xx, status(502)).req("b", history.Stream, 300, 520, history.Truncated).
			req("c", history.Short, 1050, 1051, history.Status5xx, status(502)).req("d", history.Short, 1200, 1201, history.OK),
		"upload once": newBed(plain).req("u", history.Upload, 1, 9, history.OK).
			origin("u", history.Request, 2, "").origin("u", history.UploadDone, 5, history.OK),
		"ambiguous upload": newBed(failing).window("wire.rst", 500, 1000).req("u", history.Upload, 600, 700, history.Status5xx, status(502)).
			origin("u", history.Request, 610, "").origin("u", history.UploadDone, 650, history.OK),
		"header lines kept":            newBed(plain).req("h", history.Headers, 1, 5, history.OK).asked("h", ""),
		"one retry that was declared":  declaring("retries-idempotent").req("a", history.Short, 1, 5, history.OK).origin("a", history.Request, 2, "").origin("a", history.Request, 3, ""),
		"streamed":                     streamed(20),
		"buffered, as was declared":    declared(streamed(320), "buffers-response"),
		"client left, origin was told": newBed(plain).req("l", history.Abort, 1, 300, history.OK).origin("l", history.Response, 350, history.Truncated),
		"warmed up":                    newBed(plain).req("a", history.Short, 1, 5, history.OK).usage(0, 20, 10).usage(4000, 60, 30),
		"drain":                        drained(),
		"SIGKILL": newBed(history.Plan{Expect: history.Expectation{Killed: true}}).req("a", history.Slow, 700, 810, history.EOF).
			fault(history.Signal, 800, sig("KILL")).fault(history.Exit, 801, sig("KILL"), code(137)),
		"crash":                          crashed(),
		"struck":                         hit().req("b", history.Slow, 290, 400, history.OK),
		"control arm is not judged here": newBed(plain).req("k", history.Control, 1, 2, history.Refused),
		"one connect reset as the listener closes":         drained().req("h", history.Fresh, 850, 851, history.Reset),
		"rolling restart":                                  rolled(),
		"killed by a start signal":                         begun().fault(history.Exit, 25, code(143), sig("TERM")),
		"start signal before a handler":                    begun().fault(history.Ready, 2600).fault(history.Killed, 2600).fault(history.Exit, 2601, sig("KILL")).edited(history.Signal, noHandler),
		"bad chain refused":                                verified("must-reject", "reject"),
		"bad chain not loaded":                             verified("must-reject", "config-refused"),
		"good chain accepted":                              verified("must-accept", "accept"),
		"either of local policy":                           verified("local-policy", "reject"),
		"nobody could judge":                               verified("must-accept", "unreachable"),
		"seen by both sides":                               newBed(plain).req("a", history.Short, 1, 5, history.OK).origin("a", history.Request, 2, ""),
		"probed before the load":                           newBed(plain).req("a", history.Short, 1, 5, history.OK).origin("", history.Request, -50, ""),
		"malformed bytes refused":                          newBed(plain).req("r", history.Raw, 1, 5, history.OK).origin("r.2", history.Request, 4, ""),
		"new connection after a broken answer":             spoilt("o2", history.OK),
		"trailers arrive":                                  trailed("", ""),
		"trailers dropped, as was declared":                declared(trailed("lost", "lost"), "drops-trailers"),
		"hinted":                                           hinted(true),
		"hint dropped, as was declared":                    declared(hinted(false), "drops-103"),
		"continued":                                        continued(10, 20),
		"continued by the proxy, as was declared":          declared(continued(35, 10), "answers-100"),
		"pipelined in order":                               newBed(plain).req("p", history.Pipeline, 1, 5, history.OK),
		"half a tunnel closed":                             newBed(plain).req("t", history.Tunnel, 1, 5, history.OK),
		"both halves, as was declared":                     declaring("closes-tunnels-whole").req("t", history.Tunnel, 1, 5, history.Truncated, status(101)),
		"slow reader slows the origin":                     slowly(900),
		"slow reader buffered, as was declared":            declared(slowly(10), "buffers-response"),
		"502 for a broken answer":                          told("cut 10 rst", history.Status5xx, status(502)),
		"visibly cut":                                      told("cut 10 fin", history.Truncated),
		"another's 503 passed on":                          told("status 503", history.Status5xx, status(503)),
		"as quick as before":                               quick(5),
		"announced":                                        drained().req("k", history.Short, 1000, 1001, history.OK, first(1001), closing),
		"goaway":                                           drained().req("g", history.H2, 700, 900, history.OK, first(890), conn("c7")).client(history.GoAway, 810, conn("c7")),
		"websocket told":                                   drained().req("w", history.WebSocket, 300, 900, history.Closed, code(1001), status(101)),
		"port free":                                        drained().fault(history.Port, 1210, outcome(history.Refused)),
		"again for each dead connection":                   declaring("retries-dead-connections").req("a", history.Short, 1, 20, history.OK).on("a", 4, 2).on("a", 7, 3).on("a", 1, 4),
		"again on connections that had waited":             waited(declaring("retries-dead-connections").req("a", history.Short, 10, 30, history.OK)),
		"again for each connection that the origin killed": dropping(declaring("retries-dead-connections").req("a", history.Short, 1, 20, history.Status5xx, status(502)).on("a", 1, 2).on("a", 1, 3).on("a", 1, 4)),
		"both lengths, as was declared":                    declaring("trusts-transfer-encoding").req("r", history.Raw, 1, 5, history.OK).origin("r", history.Request, 2, "").origin("r.x", history.Request, 3, "").param("cl-then-te"),
		"altered by the injector":                          newBed(plain).window("wire.corrupt", 0, 4000).req("a", history.Short, 1, 5, history.Corrupt),
		"doubled by the injector":                          newBed(plain).window("wire.duplicate", 0, 4000).req("u", history.Upload, 1, 9, history.OK).origin("u", history.Request, 2, "").origin("u", history.Request, 3, "").origin("u", history.UploadDone, 5, history.OK),
		"stream that outlasts the grace":                   holding(drained().req("s", history.Stream, 400, 2600, history.Truncated), 5000),
		"its turn came too late":                           onLane(newBed(plain).req("a", history.Short, 1, 900, history.Timeout, unsent)),
		"a naive client's dead connection":                 naive(newBed(plain).req("a", history.Short, 1, 5, history.EOF, nth(4))),
		"the subject's own look at the origin":             newBed(plain).req("a", history.Short, 1, 5, history.OK).origin("", history.Request, 50, ""),
		"connections to the origin are kept":               newBed(plain).req("a", history.Short, 1, 5, history.OK).opened(100).usage(0, 20, 10).usage(4000, 140, 10),
		"websocket to the end":                             newBed(plain).req("w", history.WebSocket, 1, 3900, history.Held, bytes(100), status(101)),
		"kept connection that closed after the signal":     drained().req("k", history.Short, 1000, 1001, history.EOF),
		"must be refused, and was":                         lawful(newBed(plain).req("r", history.Raw, 1, 5, history.OK), "reject"),
		"lawful, and passed on":                            lawful(newBed(plain).req("r", history.Raw, 1, 5, history.OK, status(200)).origin("r", history.Request, 2, ""), "one"),
		"no end, and broken off at the origin too":         lawful(newBed(plain).req("r", history.Raw, 1, 5, history.OK).origin("r", history.Request, 2, "").origin("r", history.Response, 4, history.Truncated), "part"),
		"as it came, which is allowed":                     lawful(newBed(plain).req("r", history.Raw, 1, 5, history.OK).seen(history.Event{T: t0 + 2*msN, Kind: history.Request, ID: "r", Detail: "malformed: DEL"}), "any"),
		"odd answer refused":                               lawful(told("raw cl-equal", history.Status5xx, status(502)), "ok 502"),
		"odd answer understood":                            lawful(told("raw cl-equal", history.OK), "ok 502"),
		"odd status passed on":                             lawful(told("raw status-999", history.Status5xx, status(999)), "502 999"),
		"cut answer visibly cut":                           lawful(told("raw eof-half", history.Reset), "502 cut"),
		"an attacker's requests":                           newBed(plain).window("http.rapid-reset", 500, 1500).req("a", history.Short, 1, 5, history.OK).origin("attack-f1", history.Request, 600, ""),
		"memory and CPU within bounds":                     granting(8, 0.5).usage(400, 9, 10).spent(400, 100).usage(900, 20, 17).usage(1600, 9, 18).spent(1600, 690),
		"memory grew after the fault":                      granting(8, 0.5).usage(400, 9, 10).usage(1600, 9, 11).usage(2100, 9, 30).spent(1600, 10).spent(2100, 900),
		"connect refused behind a relay":                   fronted(drained().req("h", history.Fresh, 1000, 1001, history.Reset, local("1.2.3.4:5")).req("i", history.Fresh, 1010, 1011, history.Reset, local("1.2.3.4:6"))),
		"retried by the client itself":                     retriedByClient(2),
		"crash as the scenario says":                       again(struck(history.Expectation{Faulty: eofs, Concurrent: oks, Again: []history.Outcome{history.Timeout}}, history.OK, 1305), history.Timeout),
		"death as the scenario says":                       struck(history.Expectation{Faulty: eofs, Concurrent: eofs, Bystanders: eofs, Exit: []int{2}}, history.EOF, 1601, 2),
		"done before the death":                            struck(history.Expectation{Faulty: eofs, Concurrent: eofs, Bystanders: eofs, Exit: []int{2}}, history.OK, 1305, 2),
		"others were served meanwhile":                     struck(history.Expectation{Ends: "before"}, history.OK, 1305),
		"others waited":                                    struck(history.Expectation{Ends: "after"}, history.OK, 1605),
		"SIGSEGV from outside":                             segv(history.EOF),
	}
}

// TestGoodHistoriesAreSilent is half of what a check is worth.
func TestGoodHistoriesAreSilent(t *testing.T) {
	for name, b := range good() {
		if got := b.names(); len(got) != 0 {
			t.Errorf("%s: %v fired", name, got)
		}
	}
}

// planted is a history with one bug and the check that must find it.
type planted struct {
	bug   string
	b     *bed
	check string
}

func bugs() []planted {
	during := history.Plan{Expect: history.Expectation{Statuses: []int{502}}}
	return []planted{
		{"body altered", newBed(plain).req("a", history.Short, 1, 2, history.Corrupt), "integrity"},
		{"another's body", newBed(plain).req("a", history.Short, 1, 2, history.CrossTalk), "integrity"},
		{"another's body, during a fault that allows much", newBed(during).window("wire.rst", 0, 4000).req("a", history.Short, 1, 2, history.CrossTalk), "integrity"},
		{"upload altered", newBed(plain).req("u", history.Upload, 1, 9, history.OK).origin("u", history.UploadDone, 5, history.Corrupt), "integrity"},
		{"POST repeated", newBed(plain).req("u", history.Upload, 1, 9, history.OK).origin("u", history.Request, 2, "").
			origin("u", history.Request, 4, "").origin("u", history.UploadDone, 5, history.OK), "at-most-once"},
		{"GET repeated", newBed(plain).req("a", history.Short, 1, 9, history.OK).origin("a", history.Request, 2, "").origin("a", history.Request, 4, ""), "retries"},
		{"GET repeated more often than declared", declaring("retries-idempotent").req("a", history.Short, 1, 9, history.OK).origin("a", history.Request, 2, "").
			origin("a", history.Request, 4, "").origin("a", history.Request, 6, ""), "retries"},
		{"request's header lines reordered", newBed(plain).req("h", history.Headers, 1, 5, history.OK).asked("h", "reordered"), "header-fidelity"},
		{"response's hop-by-hop header", newBed(plain).req("h", history.Headers, 1, 5, history.OK, func(e *history.Event) { e.Verdict = "hop-by-hop" }).asked("h", ""), "header-fidelity"},
		{"answer buffered", streamed(320), "streaming"},
		{"client left, origin was not told", newBed(plain).req("l", history.Abort, 1, 300, history.OK).origin("l", history.Response, 600, history.OK), "cancellation"},
		{"files leak", newBed(plain).req("a", history.Short, 1, 5, history.OK).usage(0, 20, 10).usage(4000, 85, 10), "leaks"},
		{"memory leaks", newBed(plain).req("a", history.Short, 1, 5, history.OK).usage(0, 20, 10).usage(4000, 20, 43), "leaks"},
		{"start signal ignored, though not PID 1", underInit(begun().fault(history.Ready, 2600).fault(history.Killed, 2600).fault(history.Exit, 2601, sig("KILL")).edited(history.Signal, noHandler)), "start-signal"},
		{"success without effect", newBed(plain).req("u", history.Upload, 1, 9, history.OK).origin("u", history.UploadDone, 5, history.Truncated), "no-lost-effect"},
		{"502 without a fault", newBed(plain).req("a", history.Short, 1, 2, history.Status5xx, status(502)), "outside"},
		{"still failing after the recovery time", newBed(during).window("origin.down", 100, 200).req("a", history.Short, 900, 901, history.Status5xx, status(502)), "recovery"},
		{"500 for a refused origin", newBed(during).window("origin.down", 100, 2000).req("a", history.Short, 900, 901, history.Status5xx, status(500)), "during"},
		{"hang", newBed(during).window("wire.blackhole", 100, 2000).req("a", history.Short, 300, 1900, history.Timeout), "during"},
		{"too few succeed", newBed(history.Plan{Expect: history.Expectation{MinOK: 1, Statuses: []int{502}}}).window("toxic.latency", 100, 2000).
			req("a", history.Short, 300, 400, history.Status5xx, status(502)), "during"},
		{"dies by itself", newBed(plain).req("a", history.Short, 1, 2, history.OK).fault(history.Exit, 50, code(2)), "survives"},
		{"drain cuts a request", drained().req("d", history.Slow, 700, 820, history.EOF), "drain-inflight"},
		{"drain too late", newBed(drain).req("a", history.Short, 1, 2, history.OK).fault(history.Signal, 800).fault(history.Exit, 3500), "drain-time"},
		{"drain never ends", newBed(drain).req("a", history.Short, 1, 2, history.OK).fault(history.Signal, 800).fault(history.Killed, 3800).fault(history.Exit, 3801, code(137), sig("KILL")), "drain-time"},
		{"wrong exit code", newBed(drain).req("a", history.Short, 1, 2, history.OK).fault(history.Signal, 800).fault(history.Exit, 900, code(1)), "drain-exit"},
		{"hung backlog", drained().req("h", history.Fresh, 950, 2450, history.Timeout), "drain-connect"},
		{"two connects reset as the listener closes", drained().req("h", history.Fresh, 850, 851, history.Reset).req("i", history.Fresh, 860, 861, history.Reset), "drain-connect"},
		{"connect reset after one was refused", drained().req("h", history.Fresh, 950, 951, history.Reset).req("i", history.Fresh, 970, 971, history.Reset), "drain-connect"},
		{"child left behind", drained().fault(history.Orphan, 1201), "stragglers"},
		{"blind to SIGKILL", newBed(history.Plan{Expect: history.Expectation{Killed: true}}).req("a", history.Slow, 700, 1200, history.OK).
			fault(history.Signal, 800, sig("KILL")).fault(history.Exit, 801, sig("KILL"), code(137)), "control-kill"},
		{"bystander of a struck request lost", hit().req("b", history.Short, 310, 320, history.EOF), "during"},
		{"bystander of a struck request answered 502", hit().req("b", history.Short, 310, 320, history.Status5xx, status(502)), "during"},
		{"bystander lost", crashed().req("b", history.Slow, 950, 1005, history.EOF), "blast-radius"},
		{"rolling restart that never ends", kill(rolled(), "subject-1", 1500), "drain-time"},
		{"rolling restart with a wrong exit code", rolled().edited(history.Exit, func(e *history.Event) {
			if e.Node == "subject-1" {
				e.Code = 3
			}
		}), "drain-exit"},
		{"restarted subject dies by itself", rolled().fault(history.Exit, 3000, on("subject-1"), code(2)), "survives"},
		{"crash that should kill did not", dying(crashed()), "blast-radius"},
		{"crash answered with success", struck(history.Expectation{Faulty: oks}, history.OK, 1305), "faulty-request"},
		{"crash that left nothing behind, against what was said", again(struck(history.Expectation{Again: []history.Outcome{history.Timeout}}, history.OK, 1305), history.OK), "faulty-request"},
		{"in flight beside a crash, and lost", struck(history.Expectation{Concurrent: oks, Bystanders: eofs}, history.EOF, 1305), "concurrent-requests"},
		{"waited for the crash, against what was said", struck(history.Expectation{Ends: "before"}, history.OK, 1605), "concurrent-requests"},
		{"served meanwhile, against what was said", struck(history.Expectation{Ends: "after"}, history.OK, 1305), "concurrent-requests"},
		{"cut at SIGSEGV in another way", segv(history.Reset), "concurrent-requests"},
		{"death with another exit code", struck(history.Expectation{Exit: []int{2}}, history.OK, 1305, 139), "crash-exit"},
		{"start signal lost", begun().fault(history.Ready, 2600).fault(history.Killed, 2600).fault(history.Exit, 2601, sig("KILL")), "start-signal"},
		{"start signal ends in nothing", begun().fault(history.Killed, 2600).fault(history.Exit, 2601, sig("KILL")), "start-signal"},
		{"bad chain accepted", verified("must-reject", "accept"), "tls-oracle"},
		{"bad chain accepted, then no reply", verified("must-reject", "accept-then-close"), "tls-oracle"},
		{"good chain rejected", verified("must-accept", "reject"), "tls-oracle"},
		{"a request that nobody sent", newBed(plain).req("a", history.Short, 1, 5, history.OK).origin("zz", history.Request, 3, ""), "framing"},
		{"hidden request taken for one", newBed(plain).req("r", history.Raw, 1, 5, history.OK).origin("r", history.Request, 2, "").origin("r.x", history.Request, 3, ""), "framing"},
		{"canary answered with another's", newBed(plain).req("r", history.Raw, 1, 5, history.OK, verdict("desync: poison")), "framing"},
		{"malformed bytes passed on", newBed(plain).req("r", history.Raw, 1, 5, history.OK).seen(history.Event{T: t0 + 2*msN, Kind: history.Request, ID: "r", Detail: "malformed: two lengths"}), "framing"},
		{"broken connection used again", spoilt("o1", history.Malformed), "reuse"},
		{"another's rest for an answer", spoilt("", history.Malformed), "reuse"},
		{"request's trailers lost", trailed("lost", ""), "trailers"},
		{"answer's trailers altered", trailed("", "altered"), "trailers"},
		{"hint lost", hinted(false), "informational"},
		{"100 before the origin's", continued(35, 10), "informational"},
		{"100 swallowed", continued(10, 0), "informational"},
		{"100 made up", continued(0, 10), "informational"},
		{"answers out of order", newBed(plain).req("p", history.Pipeline, 1, 5, history.OK, verdict("out of order: p.2 before p.1")), "ordering"},
		{"event lost", newBed(plain).req("e", history.Events, 1, 5, history.OK, verdict("gap at 3")), "ordering"},
		{"tunnel's other half lost", newBed(plain).req("t", history.Tunnel, 1, 5, history.Truncated, status(101)), "half-close"},
		{"slow reader buffered", slowly(10), "backpressure"},
		{"500 for a broken answer", told("garbage", history.Status5xx, status(500)), "status-honesty"},
		{"no answer in time", told("stall", history.Timeout), "status-honesty"},
		{"broken answer presented as whole", told("cut 10 fin", history.OK), "status-honesty"},
		{"another's 503 replaced", told("status 503", history.Status5xx, status(502)), "status-honesty"},
		{"slower than before", quick(400), "recovery"},
		{"no Connection: close", drained().req("k", history.Short, 1000, 1001, history.OK, first(1001)), "drain-signalling"},
		{"idle connection reset", drained().req("i", history.Idle, 300, 810, history.Reset), "drain-signalling"},
		{"no goaway", drained().req("g", history.H2, 700, 900, history.OK, first(890), conn("c7")), "drain-signalling"},
		{"websocket cut", drained().req("w", history.WebSocket, 300, 900, history.Closed, status(101)), "websocket-close"},
		{"port held", drained().fault(history.Port, 1210, outcome(history.OK)), "port"},
		{"sent again after the first byte", declaring("retries-idempotent").req("a", history.Short, 1, 20, history.Truncated, first(5)).window("wire.cut", 0, 4000).allowing(history.Truncated).
			origin("a", history.Request, 2, "").origin("a", history.Request, 9, ""), "retries"},
		{"again though the connection was new", declaring("retries-dead-connections").req("a", history.Short, 1, 20, history.OK).on("a", 4, 2).on("a", 1, 3).on("a", 1, 4).on("a", 1, 5), "retries"},
		{"again though it was answered", declaring("retries-dead-connections").req("a", history.Short, 1, 20, history.OK).on("a", 4, 2).origin("a", history.Response, 3, history.OK).on("a", 5, 4), "retries"},
		{"both lengths, which was not declared", newBed(plain).req("r", history.Raw, 1, 5, history.OK).origin("r", history.Request, 2, "").origin("r.x", history.Request, 3, "").param("cl-then-te"), "framing"},
		{"upload cut at the signal, half sent", drained().req("u", history.Upload, 700, 820, history.EOF, unsent).origin("u", history.Request, 710, ""), "drain-inflight"},
		{"websocket refused", newBed(plain).req("w", history.WebSocket, 1, 5, history.Status5xx, status(502)), "outside"},
		{"websocket without an echo", newBed(plain).req("w", history.WebSocket, 1, 3900, history.Held, status(101)), "outside"},
		{"idle connection whose request failed", newBed(plain).req("i", history.Idle, 1, 5, history.Timeout), "outside"},
		{"tunnel refused", newBed(plain).req("t", history.Tunnel, 1, 5, history.Status5xx, status(500)), "outside"},
		{"kept connections hang after the signal", drained().req("k", history.Short, 1000, 2500, history.Timeout), "drain-connect"},
		{"500 after the signal", drained().req("k", history.Short, 1000, 1001, history.Status5xx, status(500)), "drain-connect"},
		{"must be refused, and was passed on", lawful(newBed(plain).req("r", history.Raw, 1, 5, history.OK, status(200)).origin("r", history.Request, 2, ""), "reject"), "framing"},
		{"lawful, and refused", lawful(newBed(plain).req("r", history.Raw, 1, 5, history.OK, status(400)), "one"), "framing"},
		{"must be refused, and was answered", lawful(newBed(plain).req("r", history.Raw, 1, 5, history.OK, status(200)), "reject"), "framing"},
		{"request without an end got one", lawful(newBed(plain).req("r", history.Raw, 1, 5, history.OK).origin("r", history.Request, 2, "").origin("r", history.Response, 4, history.OK), "part"), "framing"},
		{"canary after an odd answer got another's", lawful(told("raw two-answers", history.OK, verdict("desync: poison")), "ok 502"), "framing"},
		{"odd answer taken for whole", lawful(told("raw cl-differ", history.OK), "502"), "status-honesty"},
		{"odd answer passed on as it came", lawful(told("raw cl-differ", history.Malformed), "502"), "status-honesty"},
		{"lawful answer refused", lawful(told("raw until-close", history.Status5xx, status(502)), "ok"), "status-honesty"},
		{"more memory than granted, for a while", granting(8, 0).usage(400, 9, 10).usage(900, 20, 19).usage(1600, 9, 10), "bounded"},
		{"more CPU time than granted", granting(0, 0.5).spent(400, 100).spent(1600, 710), "bounded"},
		{"raw that hangs", lawful(newBed(plain).req("r", history.Raw, 1, 2000, history.Timeout), "either"), "framing"},
		{"every GET twice at once", declaring("retries-dead-connections").req("a", history.Short, 1, 20, history.OK).on("a", 4, 2).on("a", 5, 2).
			origin("a", history.Response, 5, history.OK).origin("a", history.Response, 6, history.OK), "retries"},
		{"Expect dropped", continued(0, 0), "informational"},
		{"sent thrice for a client that sent twice", retriedByClient(3), "retries"},
		{"hang on a chain of local policy", verified("local-policy", "hang"), "tls-oracle"},
	}
}

func conn(id string) func(*history.Event)   { return func(e *history.Event) { e.Conn = id } }
func verdict(s string) func(*history.Event) { return func(e *history.Event) { e.Verdict = s } }
func first(at int64) func(*history.Event) {
	return func(e *history.Event) { e.FirstByte = t0 + at*msN }
}
func closing(e *history.Event)                       { e.Closing = true }
func outcome(o history.Outcome) func(*history.Event) { return func(e *history.Event) { e.Outcome = o } }

// client adds an event to the client ledger.
func (b *bed) client(k history.Kind, at int64, more ...func(*history.Event)) *bed {
	e := history.Event{T: t0 + at*msN, Kind: k}
	for _, m := range more {
		m(&e)
	}
	b.t.Client = append(b.t.Client, e)
	return b
}

// seen adds an event to the origin ledger.
func (b *bed) seen(e history.Event) *bed {
	b.t.Origin = append(b.t.Origin, e)
	return b
}

// on is the id's arrival at the origin, as the nth request of its connection.
func (b *bed) on(id string, nth int, at int64) *bed {
	return b.seen(history.Event{T: t0 + at*msN, Kind: history.Request, ID: id, Nth: nth})
}

func dropping(b *bed) *bed { b.last().Script = "drop"; return b }

// waited has a request come first on four connections that were open before it.
func waited(b *bed) *bed {
	for i, c := range []string{"o1", "o2", "o3", "o4"} {
		b.seen(history.Event{T: t0 + int64(i)*msN, Kind: history.ConnOpen, Conn: c})
	}
	for i, c := range []string{"o1", "o2", "o3", "o4"} {
		b.seen(history.Event{T: t0 + int64(12+i)*msN, Kind: history.Request, ID: "a", Nth: 1, Conn: c})
	}
	return b
}

func unsent(e *history.Event)                { e.Sent, e.Nth, e.Phase = 0, 0, "write" }
func nth(n int) func(*history.Event)         { return func(e *history.Event) { e.Nth = n } }
func bytes(n int64) func(*history.Event)     { return func(e *history.Event) { e.Bytes = n } }
func local(addr string) func(*history.Event) { return func(e *history.Event) { e.Local = addr } }

// last is the last planned arrival.
func (b *bed) last() *history.Arrival { return &b.t.Plan.Arrivals[len(b.t.Plan.Arrivals)-1] }

func holding(b *bed, ms int64) *bed   { b.last().Hold = ms * msN; return b }
func onLane(b *bed) *bed              { b.last().Lane = 1; return b }
func naive(b *bed) *bed               { b.last().Client = "naive"; return b }
func lawful(b *bed, what string) *bed { b.last().Lawful = what; return b }

// fronted has a relay before the subject, which was refused for two clients.
func fronted(b *bed) *bed {
	b.t.Plan.Front = []string{"wire"}
	for _, peer := range []string{"1.2.3.4:5", "1.2.3.4:6"} {
		b.fault(history.Shown, 1005, func(e *history.Event) { e.Peer, e.Detail = peer, "dial-failed" })
	}
	return b
}

// opened is so many connections to the origin, after the first ms.
func (b *bed) opened(n int) *bed {
	for range n {
		b.seen(history.Event{T: t0 + 2*msN, Kind: history.ConnOpen})
	}
	return b
}

// param sets that of the last arrival.
func (b *bed) param(s string) *bed {
	b.t.Plan.Arrivals[len(b.t.Plan.Arrivals)-1].Param = s
	return b
}

func (b *bed) allowing(o history.Outcome) *bed {
	b.t.Plan.Expect.Allow = append(b.t.Plan.Expect.Allow, o)
	return b
}

// spoilt has an answer that was cut on connection o1, and a request after it on
// another connection of the origin's, or on none.
func spoilt(on string, o history.Outcome) *bed {
	b := newBed(history.Plan{Expect: history.Expectation{Allow: []history.Outcome{history.Malformed}}}).window("wire.slow", 0, 4000).
		req("x", history.Short, 1, 5, history.Truncated).req("a", history.Short, 10, 15, o)
	b.t.Plan.Arrivals[0].Script = "cut 10 fin"
	b.seen(history.Event{T: t0 + 2*msN, Kind: history.Request, ID: "x", Conn: "o1"})
	if on != "" {
		b.seen(history.Event{T: t0 + 12*msN, Kind: history.Request, ID: "a", Conn: on})
	}
	return b
}

func trailed(request, answer string) *bed {
	return newBed(plain).req("t", history.Trailers, 1, 9, history.OK, verdict(answer)).origin("t", history.Request, 2, "").
		seen(history.Event{T: t0 + 5*msN, Kind: history.UploadDone, ID: "t", Outcome: history.OK, Verdict: request})
}

func hinted(arrived bool) *bed {
	b := newBed(plain).req("h", history.Hints, 1, 9, history.OK).seen(history.Event{T: t0 + 3*msN, Kind: history.Info, ID: "h", Status: 103})
	if arrived {
		b.client(history.Info, 4, func(e *history.Event) { e.ID, e.Status = "h", 103 })
	}
	return b
}

// continued is an upload with Expect; 0 is a 100 that was not sent, or did not come.
func continued(sent, came int64) *bed {
	b := newBed(plain).req("u", history.Expects, 1, 90, history.OK).origin("u", history.Request, 2, "")
	if sent > 0 {
		b.seen(history.Event{T: t0 + sent*msN, Kind: history.Info, ID: "u", Status: 100})
	}
	if came > 0 {
		b.client(history.Info, came, func(e *history.Event) { e.ID, e.Status = "u", 100 })
	}
	return b.origin("u", history.UploadDone, 80, history.OK)
}

// slowly is 64 MiB read evenly over 1 s, of which the origin was rid at an instant.
func slowly(rid int64) *bed {
	b := newBed(plain).req("r", history.Reader, 0, 1000, history.OK).origin("r", history.Request, 1, "").origin("r", history.Response, rid, history.OK)
	b.t.Plan.Arrivals[0].Hold, b.t.Plan.Arrivals[0].Size = 1000*msN, 64<<20
	return b
}

// told is a request whose answer the origin broke as the script says.
func told(script string, o history.Outcome, more ...func(*history.Event)) *bed {
	b := newBed(plain).req("s", history.Short, 1, 9, o, more...)
	b.t.Plan.Arrivals[0].Script = script
	return b
}

// granting is a fault from 500 to 1500 ms while which the subject may gain so many
// MiB and keep so many cores busy.
func granting(mib int64, cores float64) *bed {
	return newBed(history.Plan{Expect: history.Expectation{MaxRSS: mib << 20, MaxCPU: cores}}).window("http.slowloris", 500, 1500).req("a", history.Short, 1, 5, history.OK)
}

// spent is a look at the CPU time that the subject has used, ms.
func (b *bed) spent(at, used int64) *bed {
	return b.fault(history.Spent, at, func(e *history.Event) { e.Bytes = used * msN })
}

// quick is 25 requests of 5 ms before a fault and 25 of so many after it.
func quick(after int64) *bed {
	b := newBed(plain).window("toxic.latency", 500, 600)
	for i := range int64(25) {
		id := string(rune('a' + i))
		b.req(id, history.Short, 10*i, 10*i+5, history.OK).req(id+id, history.Short, 1000+10*i, 1000+10*i+after, history.OK)
	}
	return b
}

// retriedByClient is a request that its client sent twice.
func retriedByClient(delivered int) *bed {
	b := newBed(plain).req("a", history.Short, 1, 20, history.OK, func(e *history.Event) { e.Count = 2 })
	b.t.Plan.Arrivals[0].Client = "retrying"
	for i := range delivered {
		b.origin("a", history.Request, 2+int64(i), "")
	}
	return b
}

// edited changes the events of a kind.
func (b *bed) edited(k history.Kind, change func(*history.Event)) *bed {
	for i := range b.t.Fault {
		if e := &b.t.Fault[i]; e.Kind == k {
			change(e)
		}
	}
	return b
}

// kill lets the bed end a node.
func kill(b *bed, node string, at int64) *bed {
	return b.edited(history.Exit, func(e *history.Event) {
		if e.Node == node {
			e.Code, e.Signal = 137, "KILL"
		}
	}).fault(history.Killed, at, on(node))
}

func dying(b *bed) *bed {
	b.t.Plan.Expect.Dies = true
	return b
}

// TestPlantedBugsAreCaught allows no other check to fire.
func TestPlantedBugsAreCaught(t *testing.T) {
	for _, c := range bugs() {
		if got := c.b.names(); !slices.Equal(got, []string{c.check}) {
			t.Errorf("%s: %v fired, want %s alone", c.bug, got, c.check)
		}
	}
}

// TestEveryCheckIsProven wants for each check a bug that it finds and a good
// history that it looked at, and no bug for a check that is not.
func TestEveryCheckIsProven(t *testing.T) {
	found, silent := map[string]bool{}, map[string]bool{}
	for _, c := range bugs() {
		found[c.check] = true
	}
	for _, c := range All() {
		for _, b := range good() {
			silent[c.Name] = silent[c.Name] || c.Applies(b.t.Plan)
		}
		if !found[c.Name] || !silent[c.Name] {
			t.Errorf("%s: a bug that it finds %v, a good history that it applies to %v", c.Name, found[c.Name], silent[c.Name])
		}
		if c.Promise == "" || c.Source == "" {
			t.Errorf("%s promises nothing or names no source", c.Name)
		}
		delete(found, c.Name)
	}
	if len(found) > 0 {
		t.Errorf("bugs for checks that are not: %v", found)
	}
}

func TestEvidenceIsTwoSided(t *testing.T) {
	b := newBed(plain).window("toxic.latency", 3000, 3100).req("u", history.Upload, 1, 9, history.OK).
		origin("u", history.Request, 2, "").origin("u", history.Request, 4, "").origin("u", history.UploadDone, 5, history.OK)
	vs := Find(New(&b.t))
	if len(vs) != 1 {
		t.Fatalf("%d violations", len(vs))
	}
	var kinds []history.Kind
	for _, e := range vs[0].Evidence {
		kinds = append(kinds, e.Kind)
	}
	want := []history.Kind{history.Begin, history.Request, history.Request, history.UploadDone, history.End}
	if !slices.Equal(kinds, want) {
		t.Errorf("evidence %v, want %v", kinds, want)
	}
}
