package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"faultbed/reports/history"
)

// signals writes the instant at which each SIGUSR1 arrived, in ns of
// CLOCK_MONOTONIC and one a line, until ctx ends or for a minute at most.
// faultbed calibrate measures by it how late a signal is.
func signals(ctx context.Context, out io.Writer) error {
	ch := make(chan os.Signal, 64)
	signal.Notify(ch, syscall.SIGUSR1)
	limit := time.After(time.Minute)
	fmt.Fprintln(out, "ready")
	for {
		select {
		case <-ch:
			fmt.Fprintln(out, history.Now())
		case <-limit:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}
