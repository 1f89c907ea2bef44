package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"faultbed/certs"
	"faultbed/certs/malformed"
	"faultbed/suites/campaign"
	"github.com/spf13/cobra"
)

// corpusFlags choose a corpus of certificate chains.
type corpusFlags struct {
	seed   uint64
	epoch  string
	name   string
	client bool

	at time.Time // the epoch, once set
}

func (f *corpusFlags) bind(cmd *cobra.Command) {
	fl := cmd.PersistentFlags()
	fl.Uint64Var(&f.seed, "seed", 1, "seed: the same seed and epoch give the same bytes")
	fl.StringVar(&f.epoch, "epoch", "", "RFC 3339 instant that validity counts from (default: the begin of this day, UTC)")
	fl.StringVar(&f.name, "name", "leaf.example.test", "host name that verifiers will ask for")
	fl.BoolVar(&f.client, "client", false, "chains that a client presents instead of a server's")
}

func (f *corpusFlags) set(perCase bool, aia string) (*malformed.Set, error) {
	epoch := time.Now().UTC().Truncate(24 * time.Hour)
	if f.epoch != "" {
		t, err := time.Parse(time.RFC3339, f.epoch)
		if err != nil {
			return nil, fmt.Errorf("%w: --epoch %q: want an instant such as 2026-05-01T12:00:00Z", errUsage, f.epoch)
		}
		epoch = t
	}
	f.at = epoch
	s, err := malformed.New(nil, malformed.Options{Seed: f.seed, Epoch: epoch, Name: f.name, PerCase: perCase, Client: f.client, AIA: aia})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", campaign.ErrInput, err)
	}
	return s, nil
}

func certsCommand() *cobra.Command {
	f := &corpusFlags{}
	cmd := &cobra.Command{
		Use: "certs", Short: "The corpus of malformed certificate chains: list, show, make, serve, export; and limbo's",
		Long: "The corpus of malformed certificate chains. A pattern is a case (expired/leaf), a glob (expired/*), a family or a tag.",
		Args: exactly(0, "one of list, show, make, serve, export and limbo"),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f.bind(cmd)
	cmd.AddCommand(f.list(), f.show(), f.make(), f.serve(), f.export(), limboCommand())
	return cmd
}

func (f *corpusFlags) list() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list [PATTERN...]", Short: "List cases with their oracle and clause; --json gives the manifest, with hashes",
		RunE: func(_ *cobra.Command, patterns []string) error {
			s, err := f.set(false, "")
			if err != nil {
				return err
			}
			if asJSON {
				m, err := s.Manifest(patterns...)
				if err != nil {
					return unknownCase(err)
				}
				return printJSON(m)
			}
			rows, err := s.List(patterns...)
			if err != nil {
				return unknownCase(err)
			}
			return table("CASE\tORACLE\tCLAUSE\tWHAT", rows, func(i malformed.Info) []any { return []any{i.Name, i.Oracle, i.Clause, i.Sentence} })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the manifest")
	return cmd
}

func unknownCase(err error) error { return fmt.Errorf("%w: %w", campaign.ErrInput, err) }

func (f *corpusFlags) show() *cobra.Command {
	return &cobra.Command{
		Use: "show CASE", Short: "Show one case: what is wrong with it, what is right to do, and its chain as PEM",
		Args: exactly(1, "one case: faultbed certs list shows all"),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := f.set(false, "")
			if err != nil {
				return err
			}
			c, err := s.Case(args[0])
			if err != nil {
				return unknownCase(err)
			}
			showCase(os.Stdout, c)
			return nil
		},
	}
}

// showCase prints everything but the key.
func showCase(w io.Writer, c certs.Case) {
	fmt.Fprintf(w, "%s: %s\n\noracle: %s, by %s\nmade by: %s\n", c.Name, c.Sentence, c.Oracle, c.Clause, c.Made)
	for _, line := range []struct{ what, text string }{{"tags", strings.Join(c.Tags, ", ")}, {"doubt", c.Doubt}, {"ask for", c.Host}, {"names", strings.Join(c.Names, ", ")}} {
		if line.text != "" {
			fmt.Fprintf(w, "%s: %s\n", line.what, line.text)
		}
	}
	fmt.Fprintf(w, "sent: %d certificates; anchors: %d; sha256: %s\n", len(c.Chain), len(c.Roots), c.Digest())
	fmt.Fprintf(w, "again: faultbed certs make DIR %s\n\n%s", c.Name, c.ChainPEM())
}

func (f *corpusFlags) make() *cobra.Command {
	return &cobra.Command{
		Use: "make DIR [PATTERN...]", Short: "Write cases as PEM, with a manifest, for any other tool",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("%w: want a folder to write to", errUsage)
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if es, err := os.ReadDir(args[0]); err == nil && len(es) > 0 {
				return fmt.Errorf("%w: %s is not empty", campaign.ErrInput, args[0])
			}
			s, err := f.set(false, "")
			if err != nil {
				return err
			}
			if _, err := s.List(args[1:]...); err != nil {
				return unknownCase(err)
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("%w: %w", campaign.ErrInput, err)
			}
			m, err := s.Write(args[0], args[1:]...)
			if err != nil {
				return err
			}
			fmt.Printf("%d cases in %s, sha256 of all %s\n", len(m.Cases), args[0], m.SHA256)
			return nil
		},
	}
}

func (f *corpusFlags) serve() *cobra.Command {
	var listen, ports, aia string
	cmd := &cobra.Command{
		Use: "serve [PATTERN...]", Short: "Serve cases over TLS: all on one port by SNI, and with --ports each on a port of its own",
		RunE: func(cmd *cobra.Command, patterns []string) error {
			ctx, stop := context.WithCancel(cmd.Context())
			defer stop()
			endpoints, err := net.Listen("tcp", aia)
			if err != nil {
				return fmt.Errorf("%w: --aia: %w", campaign.ErrEnvironment, err)
			}
			s, err := f.set(true, "http://"+endpoints.Addr().String())
			if err != nil {
				return err
			}
			if f.client {
				return fmt.Errorf("%w: a server has no chains of clients", errUsage)
			}
			infos, err := s.List(patterns...)
			if err != nil {
				return unknownCase(err)
			}
			go http.Serve(endpoints, s)
			context.AfterFunc(ctx, func() { endpoints.Close() })
			if err := bySNI(ctx, s, listen); err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "serving %d cases by SNI on %s; anchors: faultbed certs make DIR, roots.pem of each case; stop with Ctrl-C\n", len(infos), listen)
			if ports != "" {
				if err := byPort(ctx, s, infos, ports); err != nil {
					return err
				}
			} else {
				for _, i := range infos {
					fmt.Printf("%s\t%s\t%s\n", i.Name, i.Oracle, s.Host(i.Name))
				}
			}
			<-ctx.Done()
			return nil
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8443", "address for all cases, told by SNI")
	cmd.Flags().StringVar(&ports, "ports", "", "address of the first case's own port; the others follow, such as 127.0.0.1:20000")
	cmd.Flags().StringVar(&aia, "aia", "127.0.0.1:8080", "address of the endpoints that certificates point to")
	return cmd
}

func bySNI(ctx context.Context, s *malformed.Set, addr string) error {
	v, err := malformed.NewServer(s)
	if err != nil {
		return unknownCase(err)
	}
	return serveTLS(ctx, addr, &tls.Config{GetCertificate: v.GetCertificate})
}

// byPort gives each case a port, in order, and prints which. A case that crypto/tls
// can't serve is listed as such.
func byPort(ctx context.Context, s *malformed.Set, infos []malformed.Info, first string) error {
	host, port, err := net.SplitHostPort(first)
	n, err2 := strconv.Atoi(port)
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("%w: --ports %q: %w", errUsage, first, err)
	}
	for i, info := range infos {
		c, err := s.Case(info.Name)
		if err != nil {
			return err
		}
		pair, err := c.TLS()
		if err != nil {
			fmt.Printf("%s\t%s\tnot served: %v\n", info.Name, info.Oracle, err)
			continue
		}
		addr := net.JoinHostPort(host, strconv.Itoa(n+i))
		if err := serveTLS(ctx, addr, &tls.Config{Certificates: []tls.Certificate{pair}}); err != nil {
			return err
		}
		fmt.Printf("%s\t%s\t%s\t%s\n", info.Name, info.Oracle, s.Host(info.Name), addr)
	}
	return nil
}

// serveTLS answers every request on addr with 200 until ctx ends.
func serveTLS(ctx context.Context, addr string, config *tls.Config) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%w: %w", campaign.ErrEnvironment, err)
	}
	srv := &http.Server{TLSConfig: config, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0), // clients reject: that is the point
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })}
	context.AfterFunc(ctx, func() { srv.Close() })
	go srv.ServeTLS(l, "", "")
	return nil
}
