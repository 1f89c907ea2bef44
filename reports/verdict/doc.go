// Package verdict turns trials into verdicts: pass, fail or inconclusive,
// each with its reason.
//
// A trial is judged in this order: was it valid (it completed, load reached
// its floor and was sent on time, the control arm was clean, every fault bit),
// and did any check find a violation. Fail beats inconclusive beats pass, but
// an injector's own failure only ever makes a trial inconclusive. Trials of one
// scenario and subject are then counted together with an exact interval.
//
// Everything here is a pure function of the run folder: the same folder gives
// the same [Result], byte for byte. A folder is judged a few trials at a time, so
// memory does not grow with the run. Start with [JudgeDir].
package verdict
