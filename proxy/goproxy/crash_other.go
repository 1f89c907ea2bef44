//go:build !linux

package main

// limitMemory has no limit to set here; fillHeap stops by itself.
func limitMemory(uint64) {}
