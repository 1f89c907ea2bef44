// Command peers measures faultbed's load generators beside other people's, in
// one run, against one server, on the same cores.
//
//	tools/peers/peers [-rounds 5] [-fixed-rounds 3] [-for 3s] [-only wrk,hey] [-labnode FILE]
//
// Two tables come out. Closed loop: 32 connections as fast as they go, client on
// core 0, server on core 1; what counts is requests per second of the client's
// own CPU time, since the machine may be shared. Fixed rate: 2,000 requests a
// second while the server once answers nothing for 500 ms; what counts is
// whether the stall is in the numbers that the client reports.
//
// Requests are counted by the server and CPU time by the kernel, never by the
// client. It is no test: a missed target is printed, not an error. A peer that
// can't be had is listed with the reason. Start with [clients] and [measure].
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// config is what the flags say.
type config struct {
	rounds, fixedRounds int
	lasts               time.Duration // of one closed-loop run
	only                []string
	cache, root         string
	labnode             string // a program to measure instead of this checkout's
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func flags() (config, error) {
	c := config{}
	flag.IntVar(&c.rounds, "rounds", 5, "rounds of the closed loop; 0 leaves it out")
	flag.IntVar(&c.fixedRounds, "fixed-rounds", 3, "rounds of the fixed rate; 0 leaves it out")
	flag.DurationVar(&c.lasts, "for", 3*time.Second, "length of a closed-loop run")
	flag.StringVar(&c.cache, "cache", "", "folder for built programs; the user's cache folder if empty")
	flag.StringVar(&c.labnode, "labnode", "", "labnode to measure, such as another version's; this checkout's if empty")
	flag.StringVar(&c.root, "root", filepath.Join("..", ".."), "faultbed's checkout")
	only := flag.String("only", "", "comma-separated names of the clients to run; all if empty")
	flag.Parse()
	if *only != "" {
		c.only = strings.Split(*only, ",")
	}
	var err error
	if c.cache == "" {
		if c.cache, err = os.UserCacheDir(); err != nil {
			return c, err
		}
		c.cache = filepath.Join(c.cache, "faultbed-peers")
	}
	for _, path := range []*string{&c.root, &c.cache} { // builds run in other folders
		if *path, err = filepath.Abs(*path); err != nil {
			return c, err
		}
	}
	return c, nil
}

func run(ctx context.Context) error {
	c, err := flags()
	if err != nil {
		return err
	}
	bins, missing, err := provide(ctx, c)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "faultbed-peers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	s, err := startServer(ctx, bins["server"])
	if err != nil {
		return err
	}
	defer s.stop()
	b := bench{config: c, server: s, bins: bins, missing: missing, tmp: tmp}
	b.conditions(ctx)
	if err := b.closedLoop(ctx); err != nil {
		return err
	}
	return b.fixedRate(ctx)
}
