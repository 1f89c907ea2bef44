package check

import "faultbed/reports/history"

// Violation is one broken promise, with the evidence: the smallest two-sided
// stretch of the history that shows it.
type Violation struct {
	Check    string          `json:"check"`
	ID       string          `json:"id,omitempty"` // request, if it is about one
	At       int64           `json:"at"`           // ns from T0
	What     string          `json:"what"`         // one sentence, with figures
	Evidence []history.Event `json:"evidence,omitempty"`
}
