package main

import (
	"fmt"
	"os"
	"syscall"
)

// limitMemory lets the process have that many bytes of address space more than it
// has. The first word of statm is what it has, in pages (proc(5)). Nothing is
// refused for want of a limit: then the panic of fillHeap says so.
func limitMemory(more uint64) {
	var pages uint64
	statm, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(statm), &pages)
	}
	if err == nil {
		limit := pages*uint64(os.Getpagesize()) + more
		err = syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: limit, Max: limit})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash hook: heap:", err)
	}
}
