package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"faultbed/faults"
	"faultbed/reports/check"
	"faultbed/reports/history"
	"faultbed/reports/verdict"
	"github.com/spf13/cobra"
)

func printJSON(v any) error {
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", " ")
	return enc.Encode(v)
}

// table prints rows in aligned columns.
func table[T any](head string, rows []T, cols func(T) []any) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, head)
	for _, r := range rows {
		for i, c := range cols(r) {
			if i > 0 {
				io.WriteString(w, "\t")
			}
			fmt.Fprint(w, c)
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

func listCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List scenarios, faults, subjects or checks", Args: exactly(0, "scenarios, faults, subjects or checks"),
		RunE: func(*cobra.Command, []string) error {
			return fmt.Errorf("%w: want list scenarios, faults, subjects or checks", errUsage)
		}}
	var asJSON bool
	cmd.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	add := func(use, short string, run func() error) {
		cmd.AddCommand(&cobra.Command{Use: use, Short: short, Args: exactly(0, "no arguments"), RunE: func(*cobra.Command, []string) error { return run() }})
	}
	add("scenarios", "What the default campaign does, and what runs when it is named", func() error { return listScenarios(asJSON) })
	add("faults", "What can be done to a bed", func() error { return listFaults(asJSON) })
	add("subjects", "The subjects that are built in", func() error { return listSubjects(asJSON) })
	add("checks", "What is promised, and by which source", func() error { return listChecks(asJSON) })
	return cmd
}

type scenarioRow struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Requires    []string `json:"requires"`
	Variants    []string `json:"variants,omitempty"`
	Exclusive   bool     `json:"exclusive"`
	Default     bool     `json:"default"` // of the default campaign; otherwise it runs when it is named
}

func listScenarios(asJSON bool) error {
	usual, err := pickScenarios(nil)
	if err != nil {
		return err
	}
	all, err := pickScenarios([]string{"*/*"})
	if err != nil {
		return err
	}
	var rows []scenarioRow
	for i, s := range all {
		rows = append(rows, scenarioRow{s.Name, s.Description, s.Requires, s.Variants, s.Exclusive, i < len(usual)})
	}
	if asJSON {
		return printJSON(rows)
	}
	return table("SCENARIO\tRUNS\tREQUIRES\tWHAT", rows, func(r scenarioRow) []any {
		runs := "if named"
		if r.Default {
			runs = "always"
		}
		return []any{r.Name, runs, strings.Join(r.Requires, ","), r.Description}
	})
}

// faultRow is a fault of the catalogue and whether this host can have it.
type faultRow struct {
	faults.Kind
	Lacks string `json:"lacks,omitempty"` // why it can't run here
}

func listFaults(asJSON bool) error {
	var rows []faultRow
	for _, k := range faults.Catalogue() {
		row := faultRow{Kind: k}
		if err := faults.Probe(k.Name); err != nil {
			row.Lacks = err.Error()
		}
		rows = append(rows, row)
	}
	if asJSON {
		return printJSON(rows)
	}
	return table("FAULT\tBY\tLEGS\tHERE\tPARAMETERS\tWHAT", rows, func(k faultRow) []any {
		var ps []string
		for _, p := range k.Params {
			ps = append(ps, p.Name)
		}
		here := "yes"
		if k.Lacks != "" {
			here = "no: " + k.Lacks
		}
		return []any{k.Name, k.By, strings.Join(k.Legs, ","), here, strings.Join(ps, ","), k.Sentence}
	})
}

type subjectRow struct {
	Name         string   `json:"name"`
	Description  string   `json:"description"`
	Capabilities []string `json:"capabilities"`
}

func listSubjects(asJSON bool) error {
	all, err := pickSubjects(nil)
	if err != nil {
		return err
	}
	var rows []subjectRow
	for _, s := range all {
		rows = append(rows, subjectRow{s.Name, s.Description, s.Capabilities})
	}
	if asJSON {
		return printJSON(rows)
	}
	return table("SUBJECT\tCAPABILITIES\tWHAT", rows, func(r subjectRow) []any { return []any{r.Name, strings.Join(r.Capabilities, ","), r.Description} })
}

type checkRow struct {
	Name    string `json:"name"`
	Promise string `json:"promise"`
	Source  string `json:"source"`
}

func listChecks(asJSON bool) error {
	var rows []checkRow
	for _, c := range check.All() {
		rows = append(rows, checkRow{c.Name, c.Promise, c.Source})
	}
	if asJSON {
		return printJSON(rows)
	}
	return table("CHECK\tPROMISE\tSOURCE", rows, func(r checkRow) []any { return []any{r.Name, r.Promise, r.Source} })
}

func versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: exactly(0, "no arguments"), RunE: func(*cobra.Command, []string) error {
		fmt.Printf("faultbed %s (plan version %d, result version %d, toxiproxy v2.12.0)\n", version(), history.PlanVersion, verdict.ResultVersion)
		return nil
	}}
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
