package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"faultbed/certs"
	"faultbed/certs/clients"
	"faultbed/certs/limbo"
	"faultbed/suites/campaign"
	"github.com/spf13/cobra"
)

// limboFlags choose what of a limbo.json is replayed, and with what.
type limboFlags struct {
	clients []string
	only    []string
	json    bool
}

func limboCommand() *cobra.Command {
	f := &limboFlags{}
	cmd := &cobra.Command{
		Use: "limbo FILE", Short: "Replay a limbo.json (C2SP/x509-limbo) over live handshakes and say where clients disagree with it",
		Args: exactly(1, "the path of a limbo.json"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args[0]) },
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.clients, "client", nil, "clients: go, openssl, python (default: all that are here)")
	fl.StringSliceVar(&f.only, "only", nil, "cases whose id matches a glob such as 'rfc5280::*'")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

func (f *limboFlags) run(ctx context.Context, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("%w: %w", campaign.ErrInput, err)
	}
	defer file.Close()
	all, err := limbo.Read(file)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", campaign.ErrInput, name, err)
	}
	cases, err := f.pick(all.Testcases)
	if err != nil {
		return err
	}
	cs, err := f.verifiers(ctx)
	if err != nil {
		return err
	}
	var out []limbo.Outcome
	err = limbo.Replay(ctx, cases, cs, func(o limbo.Outcome) { out = append(out, o) })
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(struct {
			Clients  []clients.Client `json:"clients"`
			Tally    []limbo.Tally    `json:"tally"`
			Outcomes []limbo.Outcome  `json:"outcomes"`
		}{cs, limbo.Count(out), out})
	}
	return showLimbo(out)
}

func (f *limboFlags) pick(all []limbo.Testcase) ([]limbo.Testcase, error) {
	if len(f.only) == 0 {
		return all, nil
	}
	var out []limbo.Testcase
	for _, t := range all {
		for _, glob := range f.only {
			ok, err := path.Match(glob, t.ID)
			if err != nil {
				return nil, fmt.Errorf("%w: --only %q: %w", errUsage, glob, err)
			}
			if ok {
				out = append(out, t)
				break
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: --only %s matches none of %d cases", campaign.ErrInput, strings.Join(f.only, ","), len(all))
	}
	return out, nil
}

// verifiers are the clients that count: here, and seen to reject.
func (f *limboFlags) verifiers(ctx context.Context) (out []clients.Client, err error) {
	var names []string
	for _, c := range clients.Detect(ctx) {
		names = append(names, c.Name)
		if len(f.clients) > 0 && !slices.Contains(f.clients, c.Name) {
			continue
		}
		if err := clients.SelfTest(ctx, c); err != nil {
			fmt.Fprintf(os.Stderr, "client %s does not count: %v\n", c.Name, err)
			continue
		}
		out = append(out, c)
	}
	for _, want := range f.clients {
		if !slices.Contains(names, want) {
			return nil, fmt.Errorf("%w: --client %q: no such client%s", errUsage, want, meant(want, names))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: no client counts", campaign.ErrEnvironment)
	}
	return out, nil
}

func showLimbo(out []limbo.Outcome) error {
	skipped, replayed := map[string]int{}, 0
	var differ []limbo.Outcome
	for _, o := range out {
		if o.Skipped != "" {
			skipped[o.Skipped]++
			continue
		}
		replayed++
		for _, r := range o.Results {
			if !o.Agrees(r) {
				differ = append(differ, limbo.Outcome{ID: o.ID, Expected: o.Expected, Results: []certs.Result{r}})
			}
		}
	}
	if len(differ) > 0 {
		if err := table("CASE\tEXPECTED\tCLIENT\tVERDICT\tDETAIL", differ, func(o limbo.Outcome) []any {
			r := o.Results[0]
			return []any{o.ID, o.Expected, r.Client, r.Verdict, strings.TrimSpace(r.Alert + " " + oneLine(r.Detail))}
		}); err != nil {
			return err
		}
		fmt.Println()
	}
	for _, t := range limbo.Count(out) {
		fmt.Printf("%s: agrees in %d of %d, accepts %d that should fail, rejects %d that should succeed, else %d\n",
			t.Client, t.Agrees, replayed, t.Accepts, t.Rejects, t.Other)
	}
	for _, why := range sortedByCount(skipped) {
		fmt.Printf("not replayed: %d: %s\n", skipped[why], why)
	}
	return nil
}

func oneLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return s
}

func sortedByCount(m map[string]int) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b string) int {
		if m[a] != m[b] {
			return m[b] - m[a]
		}
		return strings.Compare(a, b)
	})
	return out
}

// export writes our cases in the format.
func (f *corpusFlags) export() *cobra.Command {
	return &cobra.Command{
		Use: "export [PATTERN...]", Short: "Write cases to standard output as a limbo.json, as far as that format reaches",
		RunE: func(_ *cobra.Command, patterns []string) error {
			if f.client {
				return fmt.Errorf("%w: chains of clients are not exported", errUsage)
			}
			s, err := f.set(false, "")
			if err != nil {
				return err
			}
			if _, err := s.List(patterns...); err != nil {
				return unknownCase(err)
			}
			file, left := limbo.File{Version: 1}, map[string]int{}
			for c, err := range s.Cases(patterns...) {
				if err != nil {
					return err
				}
				t, err := limbo.Of(c, f.name, f.at)
				if err != nil {
					left[err.Error()]++
					continue
				}
				file.Testcases = append(file.Testcases, t)
			}
			for _, why := range sortedByCount(left) {
				fmt.Fprintf(os.Stderr, "left out: %d: %s\n", left[why], why)
			}
			if len(file.Testcases) == 0 {
				return fmt.Errorf("%w: none of these can be expressed in that format", campaign.ErrInput)
			}
			enc := json.NewEncoder(os.Stdout)
			enc.SetIndent("", " ")
			return enc.Encode(file)
		},
	}
}
