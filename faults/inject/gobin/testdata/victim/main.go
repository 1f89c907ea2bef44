// Command victim says where one of its functions begins, and waits for the end of its
// standard input.
//
// It is built in every way that the test of package gobin knows, for the start of a
// program's text is found differently in each. It does nothing else; start with that
// test.
package main

import (
	"fmt"
	"io"
	"os"
	"reflect"
)

//go:noinline
func struck() { fmt.Println("struck") }

func main() {
	fmt.Println(reflect.ValueOf(struck).Pointer())
	io.Copy(io.Discard, os.Stdin)
	if len(os.Args) > 9 {
		struck()
	}
}
