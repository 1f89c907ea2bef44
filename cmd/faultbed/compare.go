package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"faultbed/reports/compare"
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"github.com/spf13/cobra"
)

func compareCommand() *cobra.Command {
	var asJSON bool
	var subjects []string
	cmd := &cobra.Command{
		Use: "compare A B", Short: "Tell two runs apart, or two subjects of one run; needs no Docker",
		Long: `Compare run folder B with A cell by cell, or subjects: compare RUN#a RUN#b, or compare RUN --subjects a,b.

How often trials fail is compared by Boschloo's exact test, drain times by a permutation of the log-rank
test. Two subjects of one run are compared pair by pair (McNemar's test, the sign test): what run
--interleave made side by side. A cell is worse or better at 5 %, two-sided; otherwise no difference was
seen, or so few trials can't tell, and the smallest difference that could have been seen is said.`,
		Example: "  faultbed compare runs/before runs/after\n  faultbed compare runs/x --subjects go,python\n  faultbed compare runs/x#go runs/y#python",
		Args: func(cmd *cobra.Command, args []string) error {
			if n := 2 - min(1, len(subjects)); len(args) != n {
				return fmt.Errorf("%w: want two run folders, or one with --subjects a,b", errUsage)
			}
			if len(subjects) != 0 && len(subjects) != 2 {
				return fmt.Errorf("%w: --subjects: want two", errUsage)
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(subjects) == 2 {
				args = []string{args[0] + "#" + subjects[0], args[0] + "#" + subjects[1]}
			}
			r, err := compared(args[0], args[1])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(r)
			}
			return printComparison(r)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringSliceVar(&subjects, "subjects", nil, "two subjects of one run, such as go,python")
	return cmd
}

// part is a run folder, or a subject of one.
type part struct {
	dir, subject string
	res          verdict.Result
}

// open reads "DIR" or "DIR#subject".
func open(arg string) (p part, err error) {
	p.dir = arg
	if i := strings.LastIndexByte(arg, '#'); i >= 0 {
		if _, err := os.Stat(arg); err != nil {
			p.dir, p.subject = arg[:i], arg[i+1:]
		}
	}
	if p.res, err = verdict.JudgeDir(p.dir); err != nil {
		return p, fmt.Errorf("%w: %w", campaign.ErrInput, err)
	}
	var names []string
	for _, c := range p.res.Cells {
		if !slices.Contains(names, c.Subject) {
			names = append(names, c.Subject)
		}
	}
	if p.subject != "" && !slices.Contains(names, p.subject) {
		return p, fmt.Errorf("%w: %s has no subject %q, only %s%s", campaign.ErrInput, p.dir, p.subject, strings.Join(names, ", "), meant(p.subject, names))
	}
	return p, nil
}

func compared(x, y string) (compare.Report, error) {
	a, err := open(x)
	if err != nil {
		return compare.Report{}, err
	}
	b, err := open(y)
	switch {
	case err != nil:
		return compare.Report{}, err
	case (a.subject == "") != (b.subject == ""):
		return compare.Report{}, fmt.Errorf("%w: name a subject of both runs, or of neither", errUsage)
	case a.subject == "":
		return compare.Runs(a.res, b.res, compare.Options{}), nil
	case filepath.Clean(a.dir) == filepath.Clean(b.dir) && a.subject != b.subject:
		return compare.Within(a.res, a.subject, b.subject, compare.Options{}), nil
	}
	return compare.Subjects(a.res, a.subject, b.res, b.subject, compare.Options{}), nil
}

func printComparison(r compare.Report) error {
	err := table("scenario\tsubject\tvariant\tA\tB\tchange\twhy", r.Rows, func(r compare.Row) []any {
		subject := r.Subject
		if r.SubjectB != "" {
			subject += ", " + r.SubjectB
		}
		return []any{r.Scenario, subject, r.Variant, sideOf(r.A), sideOf(r.B), r.Change, r.Why}
	})
	fmt.Printf("\n%s\n", r.Summary)
	for _, n := range r.Notes {
		fmt.Printf("note: %s\n", n)
	}
	for _, s := range r.Sure {
		fmt.Printf("beyond chance: %s\n", s)
	}
	return err
}

func sideOf(s *compare.Side) string {
	if s == nil {
		return "-"
	}
	return string(s.Verdict)
}
