// Command injector makes one unmodified process fail from outside, by ptrace(2). It
// is a program of its own, because an armed tracer that is killed takes its target
// with it: it lives for seconds, minds no Ctrl-C, and lets go by its deadline.
//
//	injector gopanic --pid N [--path /fb/short/] [--request ID] [--point handler|proxy|response] [--times N]
//	injector godie --pid N [--path PREFIX]
//	injector gohang --pid N [--path PREFIX] [--hang 10s] [--times N]
//	injector segv|abort|stack-overflow --pid N
//	injector pyraise|pyblock|pyhang|pyexit --pid N --addr HOST:PORT [--path PREFIX] [--times N] [--seconds 1s]
//	injector skew --pid N --offset 1h
//	injector connect --pid N (orders on standard input; it lives as long as the process)
//
// It prints a line of JSON per event (package faults/inject/line) and ends with 0 if
// it let go as it should, 4 if this process or machine can't be had, else 1. Its
// standard input is its lease: it lets go when that ends, and upon SIGTERM. Never
// send it SIGKILL.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"faultbed/faults/inject/goshot"
	"faultbed/faults/inject/line"
	"faultbed/faults/inject/native"
)

// order is what the command line asks for.
type order struct {
	pid      int
	deadline time.Duration
	path     string
	request  string
	point    string
	times    int
	hang     time.Duration
	also     // of the commands in the other files
}

// deeds are the commands.
var deeds = map[string]func(context.Context, order) error{
	"gopanic":            goDeed(goshot.Panic),
	"godie":              goDeed(goshot.Die),
	"gohang":             goDeed(goshot.Hang),
	native.Segv:          nativeDeed(native.Segv),
	native.Abort:         nativeDeed(native.Abort),
	native.StackOverflow: nativeDeed(native.StackOverflow),
}

func goDeed(do string) func(context.Context, order) error {
	return func(ctx context.Context, o order) error {
		return goshot.Fire(ctx, o.pid, goshot.Shot{Do: do, Point: o.point, Match: o.match, Times: o.times, Sleep: o.hang}, say)
	}
}

func nativeDeed(do string) func(context.Context, order) error {
	return func(ctx context.Context, o order) error { return native.Fire(ctx, o.pid, do, say) }
}

// match tells whether a request with that path is to be hit.
func (o order) match(path string) bool {
	id := path[strings.LastIndexByte(path, '/')+1:]
	return path != "" && strings.HasPrefix(path, o.path) && strings.HasPrefix(id, o.request)
}

func say(l line.Line) { line.Write(os.Stdout, l) }

func main() {
	// A closed terminal or a reader that is gone must not end an armed tracer.
	signal.Ignore(syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGPIPE)
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	deed, o, err := parse(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "injector:", err)
		return line.ExitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.deadline)
	defer cancel()
	go func() { follow(args[0], os.Stdin); cancel() }()
	err = deed(ctx, o)
	switch {
	case errors.Is(err, goshot.ErrUnsupported) || errors.Is(err, native.ErrUnsupported) || unsupported(err):
		say(line.Line{Event: line.Unsupported, Why: err.Error()})
		return line.ExitUnsupported
	case err != nil:
		say(line.Line{Event: line.Failed, Why: err.Error()})
		return line.ExitFailed
	}
	return 0
}

func parse(args []string) (deed func(context.Context, order) error, o order, err error) {
	names := make([]string, 0, len(deeds))
	for n := range deeds {
		names = append(names, n)
	}
	slices.Sort(names)
	if len(args) == 0 || deeds[args[0]] == nil {
		return nil, o, fmt.Errorf("want one of %s", strings.Join(names, ", "))
	}
	fs := flag.NewFlagSet(args[0], flag.ContinueOnError)
	fs.IntVar(&o.pid, "pid", 0, "the process, as this PID namespace counts")
	fs.DurationVar(&o.deadline, "deadline", 30*time.Second, "lets go by then")
	fs.StringVar(&o.path, "path", "/", "prefix of the request's path")
	fs.StringVar(&o.request, "request", "", "prefix of the last part of the request's path")
	fs.StringVar(&o.point, "point", goshot.Handler, "gopanic: handler, proxy or response")
	fs.IntVar(&o.times, "times", 1, "requests to hit")
	fs.DurationVar(&o.hang, "hang", 10*time.Second, "gohang: how long")
	o.flags(fs)
	if err := fs.Parse(args[1:]); err != nil {
		return nil, o, err
	}
	if o.pid <= 0 || o.deadline <= 0 || o.times <= 0 || fs.NArg() > 0 {
		return nil, o, errors.New("want --pid, a deadline and times above 0, and no arguments")
	}
	if !slices.Contains([]string{goshot.Handler, goshot.Proxy, goshot.Response}, o.point) {
		return nil, o, fmt.Errorf("no point %q", o.point)
	}
	return deeds[args[0]], o, nil
}
