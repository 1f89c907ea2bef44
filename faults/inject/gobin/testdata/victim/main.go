// Command victim says where one of its functions begins, and waits for the end of its
// standard input.
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
