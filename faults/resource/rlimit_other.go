//go:build !linux

package resource

func softLimit(int) (uint64, error) { return 0, linux() }

func setSoftLimit(int, uint64) error { return linux() }
