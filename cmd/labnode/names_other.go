//go:build !linux

package main

import "errors"

// names needs mount namespaces.
func names([]string) error { return errors.New("names: needs Linux") }
