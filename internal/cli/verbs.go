// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/app/cluster"
	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// verb describes a command that changes an experiment.
type verb struct {
	verb  experiment.Verb
	short string
	// reason says that a reason is required.
	reason bool
}

func verbCommands(s IO) []*cobra.Command {
	var out []*cobra.Command
	for _, v := range []verb{
		{experiment.VerbPromote, "give the candidate all traffic, ahead of the plan", false},
		{experiment.VerbPause, "keep the shares as they are; harm is still acted on", false},
		{experiment.VerbResume, "go on from a pause", false},
		{experiment.VerbRetry, "begin an ended or killed experiment anew, in a new epoch", false},
		{experiment.VerbAbort, "end the experiment and give the baseline all traffic", true},
		{experiment.VerbApprove, "let a stage, or the end of keeping warm, go on once all else is had", true},
		{experiment.VerbFreeze, "stop a bandit's learning: its shares stay", false},
		{experiment.VerbLearn, "let a bandit learn again", false},
	} {
		out = append(out, verbCommand(s, v))
	}
	return append(out, killCommand(s))
}

func verbCommand(s IO, v verb) *cobra.Command {
	var t target
	cmd := experiment.Command{Verb: v.verb}
	c := &cobra.Command{
		Use: string(v.verb) + " [NAME]", Short: v.short, Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if v.reason && cmd.Reason == "" {
				return usageError{fmt.Errorf("%s needs a --reason: it stands in the journal", v.verb)}
			}
			cmd.Author = author()
			client, err := t.client()
			if err != nil {
				return err
			}
			defer client.Close()
			d, err := client.Do(c.Context(), nameOf(args), cmd)
			if err != nil {
				return err
			}
			return told(s, d)
		},
	}
	c.ValidArgsFunction = t.complete
	t.cluster.waitFlag(c)
	c.Flags().StringVar(&cmd.Reason, "reason", "", "why; it stands in the journal")
	if v.verb == experiment.VerbPromote {
		c.Flags().StringVar(&cmd.Version, "candidate", "", "the version to promote, where several candidates are left")
		c.Flags().BoolVar(&cmd.Override, "override", false, "promote in spite of known harm; needs a reason")
	}
	t.flag(c)
	return c
}

// told prints a decision; a refusal is a condition that is false.
func told(s IO, d experiment.Decision) error {
	var reasons []string
	for _, r := range d.Reasons {
		reasons = append(reasons, r.String())
		if r.Code == experiment.ReasonRefused {
			return falseError{errors.New(r.String())}
		}
	}
	_, err := fmt.Fprintf(s.Out, "%s  %s -> %s  %s\n", strings.ToUpper(string(d.Act)), d.From, d.To, strings.Join(reasons, "; "))
	return err
}

func killCommand(s IO) *cobra.Command {
	var t target
	var lift bool
	cmd := experiment.Command{Verb: experiment.VerbKill}
	c := &cobra.Command{
		Use: "kill [NAME]", Short: "give the baseline all traffic at once, until a person lifts it", Args: cobra.MaximumNArgs(1),
		Long: `Gives the baseline all traffic with the next request. It works while the engine is
stuck, and survives a restart: the experiment stays killed until somebody lifts
the kill (--lift, which leaves the baseline serving) or retries. If no Headgate
runs in the directory, the kill is marked there and honoured at the next start;
where a cluster carried the traffic, the route is written back all the same.

In a cluster this command marks the experiment and writes the route itself, under
your own rights, so that it works with the controller down; each is done whatever
becomes of the other. The exit code is 0 only if both are done.`,
		Example: "  headgate kill ranker --reason 'wrong prices'\n  headgate kill ranker --lift --reason 'was the cache'\n  headgate kill ranker -n search",
		RunE: func(c *cobra.Command, args []string) error {
			cmd.Author = author()
			if lift {
				cmd.Verb = experiment.VerbLift
			}
			client, err := t.client()
			if err != nil {
				return err
			}
			defer client.Close()
			if k, ok := client.(*cluster.Client); ok && !lift {
				return killInCluster(c.Context(), s, k, nameOf(args), cmd)
			}
			d, err := client.Do(c.Context(), nameOf(args), cmd)
			if err == nil {
				return told(s, d)
			}
			if t.cluster.meant() || lift || experiment.CodeOf(err) != experiment.CodeUnavailable {
				return err
			}
			return markKill(c.Context(), s, t, nameOf(args), cmd, err)
		},
	}
	c.ValidArgsFunction = t.complete
	t.cluster.waitFlag(c)
	c.Flags().StringVar(&cmd.Reason, "reason", "", "why; it stands in the journal")
	c.Flags().BoolVar(&lift, "lift", false, "lift the kill; the baseline goes on serving")
	t.flag(c)
	return c
}

// markKill marks a kill in the directory of a run that cannot be reached.
func markKill(ctx context.Context, s IO, t target, id string, cmd experiment.Command, unreachable error) error {
	dir, err := experimentDir(t.data, id)
	if err != nil {
		return errors.Join(unreachable, err)
	}
	if err := desk.WriteKill(dir, cmd); err != nil {
		return err
	}
	if _, err = fmt.Fprintln(s.Out, "MARKED  no Headgate answers there; the kill is honoured as soon as one starts"); err != nil {
		return err
	}
	return killRemote(ctx, s, dir)
}

// experimentDir finds an experiment's directory without a running process.
func experimentDir(data, id string) (string, error) {
	entries, err := os.ReadDir(data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", experiment.Errorf(experiment.CodeUnavailable, "read the data directory: %w", err)
	}
	var known []string
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(data, e.Name(), desk.RecordFile)); err == nil {
			known = append(known, e.Name())
		}
	}
	for _, k := range known {
		if k == desk.DirOf(id) || (id == "" && len(known) == 1) {
			return filepath.Join(data, k), nil
		}
	}
	return "", experiment.Errorf(experiment.CodeNotFound, "no experiment %q is kept in %s", id, data).WithHint("kept there: %s", strings.Join(known, ", "))
}
