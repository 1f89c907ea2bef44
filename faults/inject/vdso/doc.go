// Package vdso shifts the wall clock that a running process reads: it diverts
// clock_gettime, gettimeofday and time in the process's vDSO (vdso(7)), its private
// copy of the kernel's code for them, to a few instructions that ask the kernel and
// add whole seconds.
//
// It does not touch the machine's clock, and not what is no reading of the wall
// clock: the monotonic clocks, timers, file times. A program that asks the kernel by
// the bare system call is not deceived; C libraries and Go's runtime, static or not,
// use the vDSO. A child that is forked inherits the shift, one that executes a program
// gets a fresh vDSO and the true time.
//
// Linux on amd64. Start with [Shift].
package vdso
