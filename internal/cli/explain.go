// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// explaining is what the flags of explain ask for.
type explaining struct {
	target
	format
	unit, at, journal string
	seq               int64
	// notes is where remarks go.
	notes io.Writer
}

func explainCommand(s IO) *cobra.Command {
	x := explaining{notes: s.Err}
	c := &cobra.Command{
		Use: "explain [NAME]", Short: "what a decision rests on and what would have flipped it, or why a unit gets its version", Args: cobra.MaximumNArgs(1),
		Long: `Says what the latest decision rests on and the nearest change that would have made
another: of each verdict that decided, computed from its interval and its limit.
While the experiment runs that is what holds now; --seq and --at choose an entry
of the journal, which can be read when nothing runs, too.`,
		Example: "  headgate explain ranker\n  headgate explain ranker --at 2026-11-21T12:19:00Z\n  headgate explain --journal ranker.ndjson --seq 7\n  headgate explain ranker --unit user-17",
		RunE: func(c *cobra.Command, args []string) error {
			if err := x.check(); err != nil {
				return err
			}
			if x.unit != "" {
				client, err := x.client()
				if err != nil {
					return err
				}
				defer client.Close()
				return explainUnit(c.Context(), s, client, nameOf(args), x.unit)
			}
			e, err := x.explanation(c.Context(), nameOf(args), c.Flags().Changed("seq"))
			if err != nil {
				return err
			}
			if done, err := x.write(s.Out, e); done {
				return err
			}
			_, err = fmt.Fprint(s.Out, explanation(e))
			return err
		},
	}
	c.ValidArgsFunction = x.complete
	f := c.Flags()
	f.StringVar(&x.unit, "unit", "", "say which version this unit gets, and why")
	f.Int64Var(&x.seq, "seq", 0, "explain this entry of the journal")
	f.StringVar(&x.at, "at", "", "explain the newest entry that is not after this time (RFC 3339)")
	f.StringVar(&x.journal, "journal", "", "read this exported journal, or - for standard input")
	c.MarkFlagsMutuallyExclusive("unit", "seq", "at")
	x.target.flag(c)
	x.format.flag(c, "json", "yaml")
	return c
}

func explainUnit(ctx context.Context, s IO, client remote, name, unit string) error {
	a, err := client.Assign(ctx, name, unit)
	if err != nil {
		return err
	}
	slot := fmt.Sprintf("its slot %d of %d belongs to ", a.Slot, experiment.Whole)
	epoch := fmt.Sprintf(" (epoch %d)", a.Epoch)
	if a.Killed {
		epoch = "; the experiment was killed" + epoch
	}
	var b strings.Builder
	if len(a.Groups) == 0 {
		fmt.Fprintf(&b, "%s gets %s from %s: %s%s, which has %s%s\n", unit, a.Version, a.Experiment, slot, a.Version, percent(&a.Share, 2), epoch)
	}
	for _, g := range a.Groups {
		fmt.Fprintf(&b, "%s gets %s from %s with %s: %s%s, which has %s of it%s\n", unit, g.Version, a.Experiment, g.Slice, slot, g.Version, percent(&g.Share, 2), epoch)
	}
	if a.Where != "" {
		fmt.Fprintf(&b, "its requests that are not %s get %s\n", a.Where, a.Baseline)
	}
	_, err = io.WriteString(s.Out, b.String())
	return err
}

// explanation explains what holds now of an experiment that runs, else the
// entry that is asked for, else the last.
func (x *explaining) explanation(ctx context.Context, name string, bySeq bool) (view.Explanation, error) {
	until := time.Time{}
	if x.at != "" {
		var err error
		if until, err = time.Parse(time.RFC3339, x.at); err != nil {
			return view.Explanation{}, usageError{fmt.Errorf("--at: %q is not a time like 2026-11-21T12:19:00Z", x.at)}
		}
	}
	if !bySeq && x.at == "" && x.journal == "" {
		client, err := x.client()
		if err != nil {
			return view.Explanation{}, err
		}
		defer client.Close()
		v, err := client.View(ctx, name)
		if err == nil && v.Verdict.Outcome == "" {
			return v.Explain(), nil
		}
		if err != nil && experiment.CodeOf(err) != experiment.CodeUnavailable {
			return view.Explanation{}, err
		}
	}
	return x.entry(ctx, name, func(e *experiment.Entry) bool {
		return (!bySeq || e.Seq <= x.seq) && (until.IsZero() || !e.Now.After(until))
	}, bySeq)
}

// entry explains the last entry of the journal that is wanted.
func (x *explaining) entry(ctx context.Context, name string, wanted func(*experiment.Entry) bool, bySeq bool) (view.Explanation, error) {
	var plan *experiment.Plan
	var totals experiment.Totals
	var last *experiment.Entry
	for e, err := range x.target.journal(ctx, name, x.journal, x.notes) {
		if err != nil {
			return view.Explanation{}, err
		}
		if !wanted(&e) {
			break
		}
		if e.Plan != nil {
			plan = e.Plan
		}
		if plan == nil {
			return view.Explanation{}, experiment.Errorf(experiment.CodeInvalid, "the journal begins with entry %d, which has no plan", e.Seq)
		}
		if err := view.Check(plan, &e); err != nil {
			return view.Explanation{}, err
		}
		totals.Apply(e.Totals)
		last = &e
	}
	if last == nil || bySeq && last.Seq != x.seq {
		return view.Explanation{}, experiment.Errorf(experiment.CodeNotFound, "the journal has no such entry").
			WithHint("headgate export lists them all")
	}
	return view.ExplainEntry(plan, totals, last), nil
}

// explanation writes what was decided and on what, what each code means, and
// what would have flipped it.
func explanation(e view.Explanation) string {
	var b strings.Builder
	where := "now"
	if e.Seq != nil {
		where = fmt.Sprintf("entry %d of the journal", *e.Seq)
	}
	fmt.Fprintf(&b, "%s  %s -> %s  at %s, %s\n", strings.ToUpper(e.Act), e.From, e.To, e.At.Local().Format(time.DateTime), where)
	for _, g := range e.Grounds {
		fmt.Fprintf(&b, "  %s\n", strings.TrimSpace(g.Code+"  "+g.Text))
		if g.Meaning != "" {
			fmt.Fprintf(&b, "    %s\n", g.Meaning)
		}
	}
	fmt.Fprintf(&b, "  experiment %s, plan %s\n", e.Experiment, e.Plan)
	for _, n := range e.Notices {
		fmt.Fprintf(&b, "  ! %s\n", n.Text)
	}
	b.WriteString("\nIt rests on\n")
	for _, f := range e.RestsOn {
		b.WriteString("  " + restsOn(f) + "\n")
	}
	fmt.Fprintf(&b, "  the split: sample-ratio e-value %.2g (alarm at %d)\n", e.Mismatch, view.MismatchAlarm)
	switch {
	case len(e.Flips) == 0:
		return b.String()
	case e.Together:
		b.WriteString("\nWhat would make it otherwise, all of it together\n")
	case len(e.Flips) > 1:
		b.WriteString("\nWhat would make it otherwise, any one of these\n")
	default:
		b.WriteString("\nWhat would make it otherwise\n")
	}
	for _, f := range e.Flips {
		b.WriteString("  " + f.Text + "\n")
	}
	return b.String()
}

// restsOn writes a finding with its interval, guarantee, basis and owner.
func restsOn(f view.Finding) string {
	text := fmt.Sprintf("%s, %s: %s", f.Version, f.Question, f.Status)
	switch {
	case f.Hidden:
		text += "; the figures are hidden until the horizon"
	case f.Estimate != nil && f.Interval != nil:
		text += fmt.Sprintf("; %s, %.4g%% interval %s to %s, valid %s", signed(f, *f.Estimate), 100*f.Level,
			signed(f, f.Interval.Low), signed(f, f.Interval.High), guarantee(f.Guarantee))
	}
	text += fmt.Sprintf(", from %s %s", thousands(f.N), f.Basis)
	if f.Need > 0 {
		text += fmt.Sprintf("; about %s more are needed", thousands(f.Need))
	}
	if f.Owner != "" {
		text += "; owner " + f.Owner
	}
	return text
}
