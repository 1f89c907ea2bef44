// Package sample makes up a whole run: plans, ledgers and a manifest with the
// shapes and sizes of the default campaign, for the tests of the renderers.
//
// It is no measurement and no mock of the judge: its ledgers go through
// verdict.Judge like real ones, so that a renderer is tested on results that can
// occur. In it go mostly keeps its promises, python breaks some (a drain that
// outlives its grace, a hang, a chain accepted that must not be), and one nginx
// trial is undecided, one torn, one never began.
//
// All of it follows from constants and a seed: the same call gives the same run.
// Start with [Run]; [Hostile] adds texts that try to break out of a report, and
// [Bulk] makes one trial of as many requests as are wanted.
package sample
