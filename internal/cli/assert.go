// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// Conditions that assert knows.
var assertable = []string{"completed", "winner", "objectives", "healthy"}

func assertCommand(s IO) *cobra.Command {
	var t target
	var conditions, iter8 []string
	var file string
	var within time.Duration
	c := &cobra.Command{
		Use: "assert [NAME] --for CONDITION", Short: "a gate for CI: does a condition hold?", Args: cobra.MaximumNArgs(1),
		Long: `Waits until all conditions hold, or are known to be false, or the time is over.

  completed    the experiment has ended
  winner       it ended by promoting the candidate
  objectives   every objective of the candidate is met with confidence
  healthy      the evidence can be trusted

The exit code is 0 if they hold, 3 if one is false, 4 if it is still undecided
when the time is over, 5 if the evidence cannot be trusted.

Of an Iter8 experiment, in a cluster or in a file, -c asks by Iter8's conditions:
completed, winnerFound, successful, failure, candidateWon, baselineWon, noWinner.`,
		Example: `  headgate assert ranker --for completed,winner --timeout 30m
  headgate assert quickstart-exp -n default -c completed,winnerFound
  kubectl get experiments.iter8.tools quickstart-exp -o yaml | headgate assert -f - -c completed`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(iter8) > 0 || file != "" {
				return assertIter8Command(c.Context(), s, &t, file, args, iter8, within)
			}
			for _, x := range conditions {
				if !slices.Contains(assertable, x) {
					return usageError{fmt.Errorf("--for: unknown condition %q: want some of %s", x, strings.Join(assertable, ", "))}
				}
			}
			if len(conditions) == 0 {
				return usageError{fmt.Errorf("--for is required: some of %s", strings.Join(assertable, ", "))}
			}
			client, err := t.client()
			if err != nil {
				return err
			}
			defer client.Close()
			return assert(c.Context(), s, client, nameOf(args), conditions, within)
		},
	}
	c.ValidArgsFunction = t.complete
	c.Flags().StringSliceVar(&conditions, "for", nil, "conditions: "+strings.Join(assertable, ", "))
	c.Flags().StringSliceVarP(&iter8, "condition", "c", nil, "conditions of an Iter8 experiment")
	c.Flags().StringVarP(&file, "filename", "f", "", "with -c: the experiment's file, or - for standard input")
	c.Flags().DurationVar(&within, "timeout", 0, "how long to wait for an answer (default: answer now)")
	t.flag(c)
	c.MarkFlagsMutuallyExclusive("for", "condition")
	c.MarkFlagsMutuallyExclusive("for", "filename")
	return c
}

// assertIter8Command is assert -c.
func assertIter8Command(ctx context.Context, s IO, t *target, file string, args, conditions []string, within time.Duration) error {
	switch {
	case len(conditions) == 0:
		return usageError{fmt.Errorf("one or more conditions must be specified with assert: -c completed")}
	case file != "" && len(args) > 0:
		return usageError{fmt.Errorf("give a name or a file, not both")}
	case file != "" && within > 0:
		return usageError{fmt.Errorf("--timeout: a file does not change by waiting")}
	}
	if err := iter8Known(conditions); err != nil {
		return err
	}
	read, err := iter8Reader(t, file, nameOf(args))
	if err != nil {
		return err
	}
	return assertIter8(ctx, s, conditions, within, read)
}

// lookEvery is how often a waiting command asks again.
const lookEvery = 500 * time.Millisecond

func assert(ctx context.Context, s IO, client remote, id string, conditions []string, within time.Duration) error {
	deadline := time.Now().Add(within)
	for {
		v, err := client.View(ctx, id)
		if err != nil {
			return err
		}
		open := ""
		for _, x := range conditions {
			known, err := holds(v, x)
			if err != nil {
				return err
			}
			if !known && open == "" {
				open = x
			}
		}
		if open == "" {
			_, err := fmt.Fprintf(s.Out, "%s: %s\n", strings.Join(conditions, ", "), v.Verdict.Sentence)
			return err
		}
		if time.Now().After(deadline) {
			return inconclusiveError{fmt.Errorf("%s of %s is undecided: %s", open, name(v), v.Verdict.Sentence)}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookEvery):
		}
	}
}

// holds says whether a condition is known to hold; the error that it is known
// to be false, or that the evidence cannot be trusted.
func holds(v view.Experiment, condition string) (bool, error) {
	ended := v.Verdict.Outcome != ""
	if !v.Health.OK && condition != "completed" {
		return false, experiment.Errorf(experiment.CodeUntrustworthy, "%s: %s", name(v), strings.Join(v.Health.Trouble, "; "))
	}
	switch condition {
	case "completed":
		return ended, nil
	case "winner":
		if ended && v.Verdict.Outcome != string(experiment.Promoted) {
			return false, falseError{fmt.Errorf("%s has no winner: %s", name(v), v.Verdict.Sentence)}
		}
		return ended, nil
	case "objectives":
		met := true
		for _, f := range v.Findings {
			if f.Role != "objective" || !asserted(v, f.Version) {
				continue
			}
			if f.Status == "violated" {
				return false, falseError{fmt.Errorf("%s violates %s", f.Version, f.Question)}
			}
			met = met && f.Status == "met"
		}
		return met, nil
	default:
		return true, nil // healthy: checked above
	}
}

// asserted says whether a version's objectives count: every candidate's that
// was not removed, or the baseline's where it is alone.
func asserted(v view.Experiment, version string) bool {
	i := slices.IndexFunc(v.Versions, func(x view.Version) bool { return x.Name == version })
	return i >= 0 && v.Versions[i].Removed == nil && (i > 0 || len(v.Versions) == 1)
}

func statusCommand(s IO) *cobra.Command {
	var t target
	var within time.Duration
	c := &cobra.Command{
		Use: "status [NAME]", Short: "wait for the verdict, a line for each decision", Args: cobra.MaximumNArgs(1),
		Long: `Prints a line for each decision until the experiment ends. The exit code is 0 if
the candidate was promoted or the observed objectives are met, 3 if it was rolled
back, 4 without a winner or when the time is over, 5 if the evidence cannot be
trusted when the time is over.`,
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			if within > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, within, errTimeIsOver)
				defer cancel()
			}
			client, err := t.client()
			if err != nil {
				return err
			}
			defer client.Close()
			return status(ctx, s, client, nameOf(args))
		},
	}
	c.ValidArgsFunction = t.complete
	c.Flags().DurationVar(&within, "timeout", 0, "how long to wait (default: until it ends)")
	t.flag(c)
	return c
}

var errTimeIsOver = experiment.Errorf(experiment.CodeUnavailable, "the time is over")

func status(ctx context.Context, s IO, client remote, id string) error {
	var v view.Experiment
	told := &screen{io: IO{Err: s.Out}}
	for {
		next, err := client.View(ctx, id)
		if err != nil && !past(ctx) {
			return err
		}
		if err == nil {
			v = next
			told.tell(v)
		}
		if v.Verdict.Outcome != "" && !acting(v) {
			return verdictError(v)
		}
		select {
		case <-ctx.Done():
			return overdue(ctx, v)
		case <-time.After(lookEvery):
		}
	}
}

// past reports whether the time is over, also where the context's own timer does
// not know it yet: a call that began at its end has failed for no other reason.
func past(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() != nil || limited && !time.Now().Before(deadline)
}

func overdue(ctx context.Context, v view.Experiment) error {
	switch {
	case context.Cause(ctx) != errTimeIsOver:
		return ctx.Err()
	case !v.Health.OK:
		return experiment.Errorf(experiment.CodeUntrustworthy, "%s: %s", name(v), strings.Join(v.Health.Trouble, "; "))
	default:
		return inconclusiveError{fmt.Errorf("%s is not decided yet: %s", name(v), v.Verdict.Sentence)}
	}
}

// acting reports whether actions of the plan are still to be done.
func acting(v view.Experiment) bool {
	return slices.ContainsFunc(v.Actions, func(a view.Action) bool { return a.Status == "waiting" })
}

// verdictError maps an outcome to the error that carries its exit code.
func verdictError(v view.Experiment) error {
	err := fmt.Errorf("%s", v.Verdict.Sentence)
	switch experiment.Outcome(v.Verdict.Outcome) {
	case experiment.Promoted, experiment.OutcomeMet:
		return nil
	case experiment.RolledBack, experiment.OutcomeViolated, experiment.BaselineKept:
		return falseError{err}
	default:
		return inconclusiveError{err}
	}
}
