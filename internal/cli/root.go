// SPDX-License-Identifier: Apache-2.0

// Package cli is Headgate's command line: it reads arguments, calls a process
// in app, and shows its view. stdout is data, stderr is talk; exit codes mean
// the same for every output format:
//
//	0    the asked condition holds, or the work is done
//	1    could not find out: network, files, internal
//	2    wrong usage or invalid input
//	3    evaluated, and the condition is false
//	4    inconclusive
//	5    untrustworthy: the numbers must not be used
//	130  interrupted
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Exit codes. Frozen: docs/decisions/0009.
const (
	ExitOK            = 0
	ExitUnknown       = 1
	ExitUsage         = 2
	ExitFalse         = 3
	ExitInconclusive  = 4
	ExitUntrustworthy = 5
	ExitInterrupted   = 130
)

// IO is where a command reads and writes.
type IO struct {
	Out, Err io.Writer
	// Terminal says that Out is a terminal of Width columns that a live view
	// may be drawn on; Color that it may use colour.
	Terminal bool
	Color    bool
	// Interactive says that a person can be asked.
	Interactive bool
	Width       int
}

// StandardIO is the process's own streams, judged for colour and liveliness.
func StandardIO() IO {
	s := IO{Out: os.Stdout, Err: os.Stderr, Width: 100}
	fd := int(os.Stdout.Fd())
	s.Terminal = term.IsTerminal(fd) && os.Getenv("TERM") != "dumb"
	if w, _, err := term.GetSize(fd); err == nil && w > 0 {
		s.Width = w
	}
	s.Interactive = term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd()))
	s.Color = s.Terminal && os.Getenv("NO_COLOR") == ""
	return s
}

// usageError marks mistakes in arguments.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// falseError marks a condition that was evaluated and is false,
// inconclusiveError one that could not be decided in time.
type (
	falseError        struct{ error }
	inconclusiveError struct{ error }
)

func (f falseError) Unwrap() error        { return f.error }
func (i inconclusiveError) Unwrap() error { return i.error }

// Run executes the command line and returns the exit code.
func Run(ctx context.Context, args []string, s IO, version string) int {
	root := &cobra.Command{
		Use:           "headgate",
		Short:         "decides how much live traffic a model version may have, moves it, and can prove why",
		SilenceErrors: true, SilenceUsage: true,
		Version: version,
	}
	root.SetArgs(args)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.AddCommand(demoCommand(s), runCommand(s), ledgerCommand(s), controllerCommand(s), getCommand(s), describeCommand(s), statusCommand(s), assertCommand(s),
		explainCommand(s), exportCommand(s), forgetCommand(s), replayCommand(s), watchCommand(s), initCommand(s), loadCommand(s), versionCommand(s, version))
	root.AddCommand(verbCommands(s)...)
	root.AddCommand(simulateCommand(s))
	root.AddCommand(planCommand(s), lintCommand(s), convertCommand(s))
	root.AddCommand(reportCommand(s), outcomesCommand(s), checkCommand(s))
	began := false
	for _, c := range root.Commands() {
		if run := c.RunE; run != nil {
			c.RunE = func(c *cobra.Command, args []string) error {
				began = true
				return run(c, args)
			}
		}
	}
	err := root.ExecuteContext(ctx)
	if err != nil && !began {
		err = usageError{err} // Nothing ran: the arguments were wrong.
	}
	if err != nil {
		complain(s.Err, err)
	}
	return exitCode(ctx, err)
}

// exitCode maps errors to exit codes, by type and never by text.
func exitCode(ctx context.Context, err error) int {
	if err == nil {
		return ExitOK
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return ExitInterrupted
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return ExitUsage
	}
	if _, ok := errors.AsType[falseError](err); ok {
		return ExitFalse
	}
	if _, ok := errors.AsType[inconclusiveError](err); ok {
		return ExitInconclusive
	}
	if e, ok := errors.AsType[*experiment.Error](err); ok {
		switch e.Code {
		case experiment.CodeInvalid:
			return ExitUsage
		case experiment.CodeUntrustworthy:
			return ExitUntrustworthy
		}
	}
	return ExitUnknown
}

// complain prints an error and its hint, a line each.
func complain(w io.Writer, err error) {
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(w, "headgate: interrupted")
		return
	}
	for line := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
		fmt.Fprintln(w, "headgate: error:", line)
	}
	if hint := experiment.HintOf(err); hint != "" {
		fmt.Fprintln(w, "headgate: hint:", hint)
	}
}

func versionCommand(s IO, version string) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(s.Out, "headgate", version)
			return err
		},
	}
}
