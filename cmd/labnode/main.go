// Command labnode is the one static binary of the instrument nodes: in
// containers FROM scratch and as child processes alike.
//
//	labnode serve --control HOST:PORT   wait for a session: origin, load, wire, attack, dns, toxiproxy or verify
//	labnode pause                       hold a network namespace, nothing else
//	labnode toxiproxy --api HOST:PORT   run toxiproxy's server until standard input ends
//	labnode closed --addr HOST:PORT     send requests in a closed loop, for tools/peers
//	labnode names FILE COMMAND...       become COMMAND, with FILE as its /etc/resolv.conf
//	labnode signals                     write when each SIGUSR1 arrived, for faultbed calibrate
//	labnode open --addr HOST:PORT       send requests at a fixed rate without a bed, for tools/peers
//
// It measures nothing by itself and holds no state between sessions. The
// control protocol is package fixtures/control.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"faultbed/fixtures/control"
	"faultbed/fixtures/load"
	"faultbed/fixtures/origin"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "labnode:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("want serve, pause, toxiproxy, names, signals, closed or open")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	fs := flag.NewFlagSet(args[0], flag.ContinueOnError)
	switch args[0] {
	case "serve":
		addr := fs.String("control", "127.0.0.1:9100", "control address")
		lease := fs.Bool("lease", false, "end when standard input ends")
		if err := fs.Parse(args[1:]); err != nil {
			return err
		}
		return serve(ctx, *addr, *lease)
	case "pause":
		<-ctx.Done()
		return nil
	case "toxiproxy":
		api := fs.String("api", "127.0.0.1:8474", "API address")
		if err := fs.Parse(args[1:]); err != nil {
			return err
		}
		return serveToxiproxy(ctx, *api)
	case "names":
		return names(args[1:])
	case "signals":
		return signals(ctx, os.Stdout)
	case "closed":
		return closedLoop(ctx, args[1:], os.Stdout)
	case "open":
		return openLoop(ctx, args[1:], os.Stdout)
	}
	return fmt.Errorf("no command %q", args[0])
}

// serve answers control requests. With a lease it dies with whoever holds the
// other end of its standard input, even if that one was killed.
func serve(ctx context.Context, addr string, lease bool) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	if lease {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		go func() { io.Copy(io.Discard, os.Stdin); cancel() }()
	}
	return control.Serve(ctx, ln, map[string]control.Role{
		"origin":    origin.Role,
		"load":      load.Role,
		"wire":      wireRole,
		"attack":    attackRole,
		"dns":       dnsRole,
		"toxiproxy": toxiproxyRole,
		"verify":    verifyRole,
	})
}
