package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"faultbed/proxy"
	"faultbed/reports/history"
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"faultbed/suites/sweep"
	"github.com/spf13/cobra"
)

// sweepFlags are those of one sweep.
type sweepFlags struct {
	runFlags
	sweep.Options
	with  map[string]string
	bytes string

	camp  *campaign.Campaign
	specs []*proxy.Spec
	asked bool // Next was
}

func sweepCommand() *cobra.Command {
	f := &sweepFlags{}
	cmd := &cobra.Command{
		Use: "sweep", Short: "Run one fault at every instant of a request and show the map of outcomes",
		Example: "  faultbed sweep --subject go,python,nginx --fault wire.rst-at --leg back\n  faultbed sweep --subject go --fault wire.cut --leg front --class upload\n  faultbed sweep --subject go --fault wire.stall --with pause=300ms --bytes 0..40 --direction down",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt, err := f.choose()
			if err != nil {
				return err
			}
			return f.run(cmd.Context(), opt)
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.subjects, "subject", []string{"go"}, "subjects: names, globs, or YAML files")
	fl.StringVar(&f.Fault, "fault", "", "a fault of the relay that has an instant, such as wire.rst-at, wire.cut or wire.half-close")
	fl.StringVar(&f.Leg, "leg", "back", "front (client to subject) or back (subject to origin)")
	fl.StringVar(&f.Class, "class", "short", "class of the requests: short, fresh, slow, upload, stream, headers or trailers")
	fl.Int64Var(&f.Size, "size", 4096, "body bytes of each request")
	fl.StringToStringVar(&f.with, "with", nil, "the fault's other parameters: pause=300ms,towards=client")
	fl.StringVar(&f.bytes, "bytes", "", "sweep bytes N..M from the end of the request line, instead of instants")
	fl.StringVar(&f.Direction, "direction", "down", "of the bytes: down (server to client) or up")
	fl.Uint64Var(&f.Options.Seed, "seed", 1, "seed: the same seed gives the same requests")
	f.bindOutput(cmd)
	return cmd
}

var span = regexp.MustCompile(`^(\d{1,9})\.\.(\d{1,9})$`)

// choose turns the flags into a campaign, or says what is wrong with them.
func (f *sweepFlags) choose() (opt campaign.Options, err error) {
	m := span.FindStringSubmatch(f.bytes)
	switch {
	case f.Fault == "":
		return opt, fmt.Errorf("%w: --fault: want a fault, such as wire.rst-at", errUsage)
	case f.bytes == "":
		f.Direction = ""
	case m == nil:
		return opt, fmt.Errorf("%w: --bytes %q: want N..M", errUsage, f.bytes)
	default:
		f.First, _ = strconv.ParseInt(m[1], 10, 64)
		f.Last, _ = strconv.ParseInt(m[2], 10, 64)
	}
	f.With = map[string]any{}
	for k, v := range f.with {
		f.With[k] = value(v)
	}
	if err := f.Check(); err != nil {
		return opt, fmt.Errorf("%w: %w", campaign.ErrInput, err)
	}
	f.trials = 1
	if opt, err = f.runFlags.options(); err != nil {
		return opt, err
	}
	opt.Scenarios, opt.Seed, opt.Asked, f.specs = nil, f.Options.Seed, true, opt.Subjects
	opt.Plans, err = f.first()
	return opt, err
}

// value is a parameter as YAML would read it.
func value(s string) any {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	if x, err := strconv.ParseFloat(s, 64); err == nil {
		return x
	}
	return s
}

// first are the looks, or, over bytes, the sweeps themselves.
func (f *sweepFlags) first() (ps []history.Plan, err error) {
	for _, s := range f.specs {
		p, err := f.Look(s)
		if f.Direction != "" {
			p, err = f.Plan(s, f.Bytes())
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", campaign.ErrInput, err)
		}
		ps = append(ps, p)
	}
	return ps, nil
}

func (f *sweepFlags) run(ctx context.Context, opt campaign.Options) error {
	f.opened = func(c *campaign.Campaign) { f.camp = c }
	if f.Direction == "" {
		opt.Next = f.next
	}
	res, err := f.campaign(ctx, opt)
	if !f.quiet && !f.json && res.Version > 0 {
		fmt.Println()
		printSweep(res)
	}
	return err
}

// next are the sweeps over what the looks saw, once.
func (f *sweepFlags) next() (ps []history.Plan, err error) {
	if f.asked {
		return nil, nil
	}
	f.asked = true
	for i, spec := range f.specs {
		key := f.camp.Plans
		at := slices.IndexFunc(key, func(p history.Plan) bool { return p.Subject == spec.Name })
		if at < 0 {
			continue // it is not to be had here, and the run says so
		}
		t, err := history.ReadTrial(history.TrialDir(f.camp.Dir(), key[at].Key()))
		if err != nil {
			return nil, fmt.Errorf("%w: look at %s: %w", campaign.ErrEnvironment, spec.Name, err)
		}
		seen := sweep.Seen(t)
		if len(seen) == 0 {
			return nil, fmt.Errorf("%w: no instant of HTTP/1 was seen on the %s leg of %s", campaign.ErrEnvironment, f.Leg, spec.Name)
		}
		p, err := f.Plan(f.specs[i], seen)
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// printSweep prints the map: an instant a line, a subject a column.
func printSweep(r verdict.Result) {
	var head, order []string
	rows := map[string]map[string]string{}
	for _, t := range r.Trials {
		if len(t.Sweep) > 0 {
			head = append(head, t.Subject)
		}
		for _, i := range t.Sweep {
			if rows[i.At] == nil {
				rows[i.At] = map[string]string{}
				order = append(order, i.At)
			}
			rows[i.At][t.Subject] = became(i)
		}
	}
	table("INSTANT\t"+strings.Join(head, "\t"), order, func(at string) []any {
		cols := []any{at}
		for _, s := range head {
			cols = append(cols, rows[at][s])
		}
		return cols
	})
	fmt.Println("client's outcome / what the origin saw (how often, if not once); ✗ the checks that it broke, · the fault did not bite")
}

// became is "5xx 502 / all of it".
func became(i verdict.Instant) string {
	s := string(i.Outcome)
	if i.Status != 0 {
		s += " " + strconv.Itoa(i.Status)
	}
	s += " / " + i.Origin
	if i.Reached > 1 {
		s += fmt.Sprintf(" (%d×)", i.Reached)
	}
	if i.Bites == 0 {
		s += " ·"
	}
	if len(i.Violations) > 0 {
		s += " ✗ " + strings.Join(i.Violations, ", ")
	}
	return s
}
