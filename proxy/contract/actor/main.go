//go:build linux

// Command actor is the subject of the drivers' contract tests: it does what its
// arguments say, in their order, then calls itself "ready" (its name in /proc) and
// waits for a signal.
//
//	say=TEXT env=NAME cat=PATH pid   write to standard output
//	flood=BYTES                      write so much
//	on-term=CODE                     exit with that code on TERM
//	default-term                     give TERM the kernel's default action, which Go does not
//	child                            start a process that outlives this one, named "left"
//	exit=CODE                        end
//	sleep                            wait, without becoming ready
//
// It is no proxy: proxy/goproxy is one. Start with [main].
package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	log.SetFlags(0)
	for _, arg := range os.Args[1:] {
		verb, what, _ := strings.Cut(arg, "=")
		if err := act(verb, what); err != nil {
			log.Fatalf("%s: %v", arg, err)
		}
	}
	name("ready")
	rest()
}

// rest is no select: with nothing else to run Go would call that a deadlock.
func rest() {
	for {
		time.Sleep(time.Hour)
	}
}

func act(verb, what string) error {
	switch verb {
	case "say":
		fmt.Println(what)
	case "env":
		fmt.Printf("%s=%s\n", what, os.Getenv(what))
	case "pid":
		fmt.Println("pid", os.Getpid())
	case "cat":
		b, err := os.ReadFile(what)
		fmt.Println(string(b))
		return err
	case "flood":
		return flood(number(what))
	case "on-term":
		onTerm(number(what))
	case "default-term":
		return byDefault(syscall.SIGTERM)
	case "child":
		return exec.Command("/proc/self/exe", "sleep").Start()
	case "exit":
		os.Exit(number(what))
	case "sleep":
		name("left")
		rest()
	default:
		return fmt.Errorf("not known")
	}
	return nil
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		log.Fatal(err)
	}
	return n
}

// name sets the process's name.
func name(comm string) {
	if err := os.WriteFile("/proc/self/comm", []byte(comm), 0o644); err != nil {
		log.Fatal(err)
	}
}

func flood(n int) error {
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for ; n > 0; n -= len(line) {
		if _, err := os.Stdout.Write(line); err != nil {
			return err
		}
	}
	return nil
}

func onTerm(code int) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	go func() { <-c; os.Exit(code) }()
}

// byDefault goes round Go's runtime, which has a handler for every signal.
func byDefault(sig syscall.Signal) error {
	var action [4]uint64 // the kernel's struct sigaction; 0 is SIG_DFL
	_, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}
