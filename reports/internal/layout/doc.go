// Package layout is what the renderers share: the summary matrix, the order of
// things, and how figures are written.
//
// It computes nothing that a verdict depends on and writes no file: it only
// arranges a [verdict.Result] for reading, so that report.html, summary.md and
// junit.xml agree on groups, rows, marks and units. Everything is a pure
// function and sorted; nothing depends on the time or the machine.
//
// Start with [Of] for the matrix, [Dur] and [Rate] for figures.
package layout
