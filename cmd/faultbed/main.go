// Command faultbed puts proxies on a test bed, breaks what is around and inside
// them on a schedule, and says with evidence whether they kept their promises.
//
// It is thin: flags, exit codes and what is printed. Campaigns are run by
// suites/campaign, judged by reports/verdict and rendered by package reports.
// Exit codes: 0 measured or pass, 1 fail, 2 inconclusive, 3 bad input, 4 an
// environment that can't do it, 130 interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"faultbed/reports/schema"
	"faultbed/reports/verdict"
	"faultbed/suites/campaign"
	"faultbed/suites/scenario"
	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK           = 0
	exitFail         = 1
	exitInconclusive = 2
	exitInput        = 3
	exitEnvironment  = 4
	exitInterrupted  = 130
)

func main() { os.Exit(Main(os.Args[1:])) }

// Main runs the command line and returns its exit code.
func Main(args []string) int {
	ctx := interruptible(context.Background())
	root := rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	return report(ctx, err)
}

// report prints an error as one line, with an excerpt and a hint where there is
// one, and returns its exit code.
func report(ctx context.Context, err error) int {
	var v *judged
	if errors.As(err, &v) {
		if v.also != nil {
			fmt.Fprintln(os.Stderr, "error:", v.also)
		}
		return v.code()
	}
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "interrupted:", err)
		return exitInterrupted
	}
	fmt.Fprintln(os.Stderr, "error:", err)
	var se *schema.Error
	if errors.As(err, &se) && se.Excerpt != "" {
		fmt.Fprintln(os.Stderr, se.Excerpt)
	}
	if h := hint(err); h != "" {
		fmt.Fprintln(os.Stderr, "hint:", h)
	}
	return codeOf(err)
}

var errInterrupted = errors.New("what was measured is reported")

// interruptible is done at the first of the signals that end a program. The
// second changes nothing, for the bed is being removed; the third leaves it, and
// says so.
func interruptible(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	ch := make(chan os.Signal, 8)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signal.Notify(ch, syscall.SIGHUP)
	}
	// A reader that goes away (| head) must not end us before the bed is removed.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		<-ch
		cancel()
		<-ch
		fmt.Fprintln(os.Stderr, "still removing the bed: one more signal leaves it as it is")
		<-ch
		fmt.Fprintln(os.Stderr, "left as it was: run faultbed clean")
		os.Exit(exitInterrupted)
	}()
	return ctx
}

func codeOf(err error) int {
	var se *schema.Error
	switch {
	case errors.As(err, &se), errors.Is(err, campaign.ErrInput), errors.Is(err, errUsage), errors.Is(err, os.ErrNotExist):
		return exitInput
	case errors.Is(err, campaign.ErrEnvironment), errors.Is(err, scenario.ErrSetup), errors.Is(err, scenario.ErrUnavailable):
		return exitEnvironment
	}
	return exitEnvironment
}

func hint(err error) string {
	var se *schema.Error
	switch {
	case errors.As(err, &se):
		return se.Hint
	case errors.Is(err, errUsage):
		return "faultbed --help"
	case errors.Is(err, scenario.ErrUnready):
		return "the subject's own last lines are above; its command and configuration are in its YAML, its whole output in subject.log of the trial's folder"
	case errors.Is(err, scenario.ErrUnavailable):
		return ""
	case errors.Is(err, campaign.ErrEnvironment), errors.Is(err, scenario.ErrSetup):
		return "faultbed doctor says what this machine lacks"
	}
	return ""
}

// errUsage is a command line that can't be understood.
var errUsage = errors.New("bad command line")

// judged carries a gate's verdict to the exit code, and what went wrong besides.
type judged struct {
	v    verdict.Verdict
	also error
}

func (j *judged) Error() string { return "verdict: " + string(j.v) }

func (j *judged) code() int {
	switch j.v {
	case verdict.Pass:
		return exitOK
	case verdict.Fail:
		return exitFail
	}
	return exitInconclusive
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "faultbed",
		Short:         "Chaos and fault-replay testbed for proxies",
		SilenceErrors: true, SilenceUsage: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("%w: unknown command %q%s", errUsage, args[0], meant(args[0], commands(cmd)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	root.AddCommand(runCommand(), gateCommand(), reportCommand(), replayCommand(), compareCommand(), listCommand(), explainCommand(), certsCommand(),
		ledgerCommand(), calibrateCommand(), sweepCommand(), doctorCommand(), cleanCommand(), versionCommand())
	strictHelp(root)
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(*cobra.Command, []string) error {
			return fmt.Errorf("%w: want completion %s", errUsage, strings.Join(commands(c), ", "))
		}
	}
	return root
}

// strictHelp makes help of what there is not an error; cobra's says so and exits 0.
func strictHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil || help == root {
		return
	}
	help.Args = func(_ *cobra.Command, args []string) error {
		if cmd, rest, err := root.Find(args); err != nil || cmd.HasSubCommands() && len(rest) > 0 {
			word := args[len(args)-max(1, len(rest))]
			return fmt.Errorf("%w: no help on unknown command %q%s", errUsage, word, meant(word, commands(cmd)))
		}
		return nil
	}
}

func commands(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return names
}

// meant asks whether a known name was meant, if one is near.
func meant(word string, known []string) string {
	if s := schema.Nearest(word, known); s != "" {
		return fmt.Sprintf(": did you mean %q?", s)
	}
	return ""
}

// exactly is cobra.ExactArgs with our exit code.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return fmt.Errorf("%w: want %s", errUsage, what)
		}
		return nil
	}
}
