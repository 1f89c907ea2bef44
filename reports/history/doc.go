// Package history is the vocabulary that every other package writes in and
// reads from: the events of the three ledgers, the closed enum of outcomes,
// the plan, and the run folder.
//
// It is a leaf: it imports nothing of faultbed, starts nothing and judges
// nothing. Load, origin, injectors and drivers write events; checks read them;
// reports render them. Whatever is not in a plan or in a ledger did not happen
// as far as a verdict is concerned, which is why an old run can be judged again
// on a laptop with no Docker.
//
// All times are nanoseconds of the host's CLOCK_MONOTONIC ([Now]), in every
// process and container, so that events of both sides of a proxy can be
// ordered without a clock agreement. A ledger is text while its trial runs, and
// pages of columns when it is closed and large. Damage is told, never hidden, and
// the rest is read. Start with [Event], [Plan] and [ReadTrial].
package history
