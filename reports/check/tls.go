package check

import (
	"fmt"
	"slices"

	"faultbed/reports/history"
)

// Cell is one chain judged by one verifier.
type Cell struct {
	history.Event        // of kind tls-cell: ID case, Class verifier, Verdict, Status, Detail
	Oracle        string // must-accept, must-reject, local-policy
}

// Cells lists the trial's TLS cells in order. The oracle stands in Phase, the
// clause in Peer, the alert in Local, so that a ledger can be judged without
// the corpus.
func (v *View) Cells() []Cell {
	var out []Cell
	for _, e := range v.Client {
		if e.Kind == history.TLSCell {
			out = append(out, Cell{e, e.Phase})
		}
	}
	return out
}

// Agrees tells whether the verdict is the oracle's. A subject that refuses to
// load a chain that must be rejected has rejected it; a verifier that completed
// the handshake has accepted, even if no reply came.
func (c Cell) Agrees() bool {
	switch c.Oracle {
	case "must-accept":
		return c.Verdict == "accept"
	case "must-reject":
		return slices.Contains([]string{"reject", "config-refused", "negotiation-failure"}, c.Verdict)
	}
	return c.Judged() && c.Verdict != "hang" && c.Verdict != "crash"
}

// Judged is false where there was no connection or no such verifier: that says
// nothing about the chain.
func (c Cell) Judged() bool { return c.Verdict != "unreachable" }

func tlsOracle(v *View) []Violation {
	var out []Violation
	for _, c := range v.Cells() {
		if c.Judged() && !c.Agrees() {
			out = append(out, Violation{ID: c.ID, At: v.Rel(c.T), Evidence: []history.Event{c.Event},
				What: fmt.Sprintf("%s: %s says %s, the oracle says %s (%s)", c.ID, c.Class, c.Verdict, c.Oracle, c.Peer)})
		}
	}
	return out
}
