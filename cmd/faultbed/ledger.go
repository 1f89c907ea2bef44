package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"faultbed/reports/history"
	"faultbed/suites/campaign"
	"github.com/spf13/cobra"
)

func ledgerCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ledger FILE", Short: "Print a ledger as NDJSON, in whichever form it is kept",
		Long: "Print a ledger as NDJSON, one event a line, for grep and jq.\n" +
			"FILE is a .ndjson, .fbl or .ndjson.zst; of client.ndjson it may also be the name before it was put into pages.\n" +
			"What can't be read is told on standard error; the exit code is 3 then.",
		Example: "  faultbed ledger RUN/trials/drain/sigterm/go/pid1/1/client.fbl | jq 'select(.outcome == \"timeout\")'",
		Args:    exactly(1, "one ledger"),
		RunE:    func(cmd *cobra.Command, args []string) error { return printLedger(cmd.OutOrStdout(), args[0]) },
	}
}

// printLedger writes events in the order in which they were written.
func printLedger(w io.Writer, path string) error {
	buf := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(buf)
	l, err := history.ScanLedger(path, func(events []history.Event) error {
		for _, e := range events {
			if err := enc.Encode(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = buf.Flush()
	}
	switch {
	case errors.Is(err, syscall.EPIPE):
		return nil // | head
	case err != nil:
		return err
	}
	if l.Torn {
		l.Defects = append(l.Defects, "its last line is cut off")
	}
	for _, d := range l.Defects {
		fmt.Fprintln(os.Stderr, "damaged:", d)
	}
	if len(l.Defects) > 0 {
		return fmt.Errorf("%w: %s was read as far as it goes", campaign.ErrInput, path)
	}
	return nil
}
