// Package check holds the checks: pure functions of one trial's history that
// find broken promises, with evidence.
//
// A check knows the plan, both ledgers and the fault ledger, and nothing else:
// it reads no clock, no file and no environment. It judges only what is not
// excused: an honest failure in time while a fault acts is the contract, and
// each scenario says which failures its faults excuse. What must hold whatever
// acts (no other client's bytes, no truncation presented as complete, no
// request executed twice) is never excused.
//
// Start with [All] and [New]; each [Check] carries its promise and its source.
package check
