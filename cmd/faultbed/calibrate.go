package main

import (
	"errors"
	"fmt"
	"os"

	"faultbed/reports/history"
	"faultbed/suites/calibrate"
	"faultbed/suites/campaign"
	"github.com/spf13/cobra"
)

func calibrateCommand() *cobra.Command {
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use: "calibrate", Short: "Measure how exactly this host's injectors keep times, rates and shares; later runs report it",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			show := newProgress(os.Stderr, quiet || asJSON)
			c, err := calibrate.Run(cmd.Context(), func(what string) { show.step(campaign.Progress{Stage: "setup", Text: "measuring " + what}) })
			show.end()
			if err != nil {
				return err
			}
			file, err := campaign.Keep(c)
			if err != nil {
				err = fmt.Errorf("%w: not kept for later runs: %w", campaign.ErrEnvironment, err)
			}
			if asJSON {
				return errors.Join(printJSON(c), err)
			}
			return errors.Join(printGauges(c, file), err)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&quiet, "quiet", false, "no progress")
	return cmd
}

func printGauges(c history.Calibration, file string) error {
	err := table("WHAT\tPARAMETER\tASKED\tP50\tP99\tOFF P50\tOFF P99\tN\tUNIT", c.Gauges, func(g history.Gauge) []any {
		if g.Lacks != "" {
			return []any{g.Fault, g.Param, g.Asked, "not measured: " + g.Lacks}
		}
		off, unit := "%+.2f %%", g.Unit
		if g.Absolute() {
			off = "%+.3f"
		}
		return []any{g.Fault, g.Param, g.Asked, fmt.Sprintf("%.3f", g.P50), fmt.Sprintf("%.3f", g.P99), fmt.Sprintf(off, g.Off50), fmt.Sprintf(off, g.Off99), g.N, unit}
	})
	fmt.Printf("\n%s, kernel %s, %s; load averages at the begin: %s\n", c.Host, c.Kernel, c.Date.Format("2006-01-02 15:04 MST"), c.Load)
	fmt.Println("off: measured less asked; the p99 is the error that 99 % are within")
	if file != "" {
		fmt.Println("kept for the reports of later runs:", file)
	}
	return err
}
