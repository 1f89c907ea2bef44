// Package scenario is the engine: it reads scenarios, resolves them with a seed
// into plans, executes plans on a bed and writes the run folder.
//
// It knows nothing of Ginkgo and judges nothing: `faultbed run`, `replay` and
// the specs in suites/* share it, and package reports/verdict reads what it
// wrote. The order of a trial is fixed: nodes up, subject up and ready, load
// from T0 with the control arm beside it, faults on the timeline, the subject's
// end, ledgers complete, subject removed.
//
// Start with [Load], [Resolve] and [Lab.Execute].
package scenario
