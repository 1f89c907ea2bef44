// Package gate decides whether a judged run may pass: by limits, by a baseline
// run, and by known failures that are excused until a date, all from one file.
//
// A limit passes a cell only when the bound of its figure is on the right side,
// at the limit's confidence; it fails it when the other bound is on the wrong
// side; between them it is undecided, and the decision says how many clean trials
// are lacking. Bounds are Clopper–Pearson's, those of order statistics for drain
// times, and distribution-free ones over trials for shares of requests, since the
// requests of one trial fail together. A run that was made with --budget looked
// at its figures meanwhile; its bounds are those of [stats.Sequential], which hold
// at every look. A comparison with a baseline has no such bounds: if either run
// was made with a budget, a note says that it holds only roughly. A cell without a limit of its failure rate may break no promise.
//
// Everything is a pure function of its arguments: the day comes from the caller.
// It runs nothing. Start with [Load] and [Judge].
package gate
