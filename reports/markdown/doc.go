// Package markdown writes summary.md: what a person wants to read of a run in
// a comment on a pull request, or on a CI job's page.
//
// The verdict comes first, then the matrix, then each failed and each undecided
// cell with its reason; what was skipped and on what it was measured is folded
// in. It is no second report: evidence and timelines are in report.html.
//
// GitHub refuses a comment above 65,536 characters, so the file keeps below
// [Limit], and what had to be left out is said in its place. Text that came
// from a subject, a peer or a person is escaped: it can neither become markup
// nor mention anyone. The same result gives the same bytes.
//
// Start with [Write].
package markdown
