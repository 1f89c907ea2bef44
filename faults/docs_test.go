package faults_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"faultbed/faults"
	"faultbed/faults/param"
	"faultbed/reports/history"
)

var update = flag.Bool("update", false, "write docs/faults.md")

const intro = `# The faults

Made from the catalogue (package ` + "`faults`" + `) by ` + "`go test ./faults -run Doc -update`" + `; ` + "`faultbed list faults`" + ` prints it shorter.

A fault that bites nothing makes its trial inconclusive: each says below what it counts as a bite. A parameter without a default must be given.
Bad parameters are refused before the bed starts, with the parameter's name.

**Where they run.** ` + "`toxic`" + ` in toxiproxy v2.12.0, on the back leg. ` + "`wire`" + ` in our own relay, on either leg, in both runtimes, with no
privilege unless it says so. ` + "`origin`" + ` in the origin. ` + "`process`" + ` by pidfd, kill(2) or the engine's API. ` + "`crash`" + ` where the subject's YAML
declares the hook. ` + "`dns`" + ` by a name server of ours, on a node of its own, that the subject then asks for its origin. ` + "`http`" + ` by the
attacker, a node of its own beside the load. ` + "`inject`" + ` by a program of its own, ` + "`injector`" + `. All others by faultbed itself, on the machine under the subject (one kernel), in both runtimes unless they say so.

**Where a wire fault begins.** At the first byte after ` + "`at_byte`" + ` bytes of its direction, which count from the injection, the connection's start or
the instant ` + "`when`" + `, whichever is last. A fault in the direction of its instant begins exactly there; one in the other direction as soon as the
relay has handed the instant's bytes on. Instants are read from plain bytes: HTTP/1 and HTTP/2 unencrypted, TLS by its records and, until they are
encrypted, its handshake messages. TLS 1.3 encrypts what follows the server's hello: count records there.

**Which connections.** ` + "`match`, `every`, `limit` and `chance`" + ` choose connections; with ` + "`class` or `request`" + ` they choose requests instead, by the
path of plain HTTP/1, and the fault begins anew for each. ` + "`chance`" + ` is a hash of seed, fault and connection number or request id: a replay of the
same requests decides the same.

**Together.** Any number may act at once. Before a piece of bytes goes on, in this order: paces wait (drip, bandwidth), holds wait (blackhole, stall,
late, never-read), manglers change it (corrupt, duplicate, reorder, in the order in which they took hold), it is written, and what acts at the byte
that was reached acts (rst-at, cut, half-close, late, tls-record-cut; of two at one byte the one that took hold first). At an accept all waits add up.
`

// TestDoc holds docs/faults.md against the catalogue.
func TestDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString(intro)
	timelines(&b)
	b.WriteString("\n## Common parameters of wire\n")
	table(&b, common())
	family := ""
	for _, k := range faults.Catalogue() {
		if f, _, _ := strings.Cut(k.Name, "."); f != family {
			family = f
			fmt.Fprintf(&b, "\n## %s\n", f)
		}
		describe(&b, k)
	}
	path := filepath.Join("..", "docs", "faults.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != b.String() {
		t.Errorf("docs/faults.md does not say what the catalogue says (%v): go test ./faults -run Doc -update", err)
	}
}

// late is what was measured of the time from an event to the fault.
const late = `0.4 ms in the median and 2 ms at the 90th percentile, with other work on the machine (297 faults, process runtime), and 5 to 10 ms in the median
in containers, whose control traffic passes a published port.`

const times = `
## Timelines

A fault begins at a time (` + "`at: 1.5s`" + `, from the start of the load) or with an event (` + "`after: drain-begun`" + `, and ` + "`delay`" + ` later if that is given), and
lasts for ` + "`for`" + `. With ` + "`every` and `times`" + ` it begins again and again, so far apart and so often in all, and ` + "`for`" + ` is the length of each, shorter than
` + "`every`" + `; with ` + "`chance`" + ` each of them happens with that probability. The seed throws the dice when the plan is made, so that a replay does the same; one
always happens. In a plan the repetitions of the first fault of the list are ` + "`f1.1`, `f1.2`" + ` and so on, without those that the dice left out, and a fault
that is not repeated is ` + "`f1`" + `. (` + "`with: {every: …, chance: …}`" + ` of wire faults is something else: it chooses connections.)

` + "```yaml" + `
faults:
  - {fault: wire.rst, leg: back, at: 400ms, for: 50ms, every: 300ms, times: 6, chance: 0.66}
  - {fault: process.signal, id: stop, after: request-begun slow 3}
  - {fault: toxic.latency, leg: back, after: fault-begun stop, delay: 100ms, for: 1s, with: {latency: 50ms}}
` + "```" + `

**Events.** N counts occurrences, from the start of the load, and is 1 if it is missing; REPLICA counts from 0 and is any if it is missing.

| event | ledger | meaning |
| --- | --- | --- |
`

const afterwards = `
An event that can't come in its scenario (no other fault sends a drain signal, no item of the load has the class, the body is shorter, faults wait for each
other) is refused with its line. One that could come and did not makes the trial inconclusive, with the event's name. What the checks excuse is the
time in which the fault really acted. A crash hook waits for no event, for its request is planned; nor does a replica whose clients leave it at a planned
time (` + "`out`" + `).

**How late.** The fault begins when faultbed has heard of the event: a node tells it of an awaited event at once, of others every 50 ms. On two cores that were
%s
What has to hit an exact byte is a wire fault with ` + "`at_byte` or `when`" + `: the relay acts before it hands the byte on.
`

// timelines writes how faults are timed, with the events from the code.
func timelines(b *strings.Builder) {
	b.WriteString(times)
	for _, e := range history.AwaitedEvents() {
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", strings.TrimSpace(e.Name+" "+e.Form), e.Side, e.Doc)
	}
	fmt.Fprintf(b, afterwards, late)
}

// TestTheSchemaNamesTheEvents: editors show it.
func TestTheSchemaNamesTheEvents(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "reports", "schema", "v1", "scenario.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range history.AwaitedEvents() {
		if form := strings.TrimSpace(e.Name + " " + e.Form); !strings.Contains(string(text), form) {
			t.Errorf("the schema of scenarios does not name %q", form)
		}
	}
}

func describe(b *strings.Builder, k faults.Kind) {
	fmt.Fprintf(b, "\n### %s\n\n%s%s.", k.Name, strings.ToUpper(k.Sentence[:1]), k.Sentence[1:])
	if len(k.Legs) > 0 {
		fmt.Fprintf(b, " Legs: %s.", strings.Join(k.Legs, ", "))
	}
	if k.Bites != "" {
		fmt.Fprintf(b, " A bite: %s.", k.Bites)
	} else {
		fmt.Fprintf(b, " Bites: %s.", k.Touches)
	}
	if k.Needs != "" {
		fmt.Fprintf(b, " The subject must declare: %s.", k.Needs)
	}
	if len(k.Runtimes) > 0 {
		fmt.Fprintf(b, " Runtimes: %s.", strings.Join(k.Runtimes, ", "))
	}
	if k.Host != "" {
		fmt.Fprintf(b, " The host must have: %s.", k.Host)
	}
	b.WriteString("\n")
	table(b, slices.DeleteFunc(slices.Clone(k.Params), shared))
	var also []string
	for _, p := range k.Params {
		if shared(p) {
			also = append(also, "`"+p.Name+"`")
		}
	}
	if len(also) > 0 {
		fmt.Fprintf(b, "\nAnd of the common ones: %s.\n", strings.Join(also, ", "))
	}
}

// common are the parameters that at least three faults have alike, in the order
// in which they come.
func common() (ps []faults.Param) {
	for _, k := range faults.Catalogue() {
		for _, p := range k.Params {
			if shared(p) && !slices.ContainsFunc(ps, func(o faults.Param) bool { return reflect.DeepEqual(o, p) }) {
				ps = append(ps, p)
			}
		}
	}
	return ps
}

func shared(p faults.Param) bool {
	n := 0
	for _, k := range faults.Catalogue() {
		if k.By == faults.Wire && slices.ContainsFunc(k.Params, func(o faults.Param) bool { return reflect.DeepEqual(o, p) }) {
			n++
		}
	}
	return n >= 3
}

func table(b *strings.Builder, ps []faults.Param) {
	if len(ps) > 0 {
		b.WriteString("\n| parameter | range | default | meaning |\n| --- | --- | --- | --- |\n")
	}
	for _, p := range ps {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", p.Name, p.Span(), standard(p), p.Doc)
	}
}

func standard(p param.Param) string {
	switch {
	case p.Default != nil:
		return p.Shown(p.Default)
	case p.Unless != "":
		return "0 if `" + p.Unless + "` is given"
	}
	return "required"
}
