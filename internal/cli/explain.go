// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/app/local"
	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

func explainCommand(s IO) *cobra.Command {
	var t target
	var unit string
	c := &cobra.Command{
		Use: "explain [NAME]", Short: "what the latest decision rests on, or why a unit gets its version", Args: cobra.MaximumNArgs(1),
		Example: "  headgate explain ranker\n  headgate explain ranker --unit user-17",
		RunE: func(c *cobra.Command, args []string) error {
			client := t.client()
			defer client.Close()
			if unit != "" {
				a, err := client.Assign(c.Context(), nameOf(args), unit)
				if err != nil {
					return err
				}
				why := fmt.Sprintf("its slot %d of %d belongs to %s, which has %s", a.Slot, experiment.Whole, a.Version, percent(&a.Share, 2))
				if a.Killed {
					why += "; the experiment was killed"
				}
				_, err = fmt.Fprintf(s.Out, "%s gets %s from %s: %s (epoch %d)\n", unit, a.Version, a.Experiment, why, a.Epoch)
				return err
			}
			v, err := client.View(c.Context(), nameOf(args))
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(s.Out, explanation(v))
			return err
		},
	}
	c.ValidArgsFunction = t.complete
	c.Flags().StringVar(&unit, "unit", "", "say which version this unit gets, and why")
	t.flag(c)
	return c
}

// explanation says what is believed, on what, and what each code means.
func explanation(v view.Experiment) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", v.Verdict.Sentence)
	if e, ok := experiment.Lookup(experiment.ReasonCode(v.Verdict.Code)); ok {
		fmt.Fprintf(&b, "  %s: %s\n", e.Code, e.Meaning)
	}
	b.WriteString("\nIt rests on\n")
	for _, f := range v.Findings {
		fmt.Fprintf(&b, "  %s, %s: %s", f.Version, f.Question, f.Status)
		if f.Estimate != nil && f.Interval != nil {
			fmt.Fprintf(&b, "; %s, %.4g%% interval %s to %s, valid %s", signed(f, *f.Estimate), 100*f.Level,
				signed(f, f.Interval.Low), signed(f, f.Interval.High), guarantee(f.Guarantee))
		}
		fmt.Fprintf(&b, ", from %s %s\n", thousands(f.N), f.Basis)
	}
	fmt.Fprintf(&b, "  the split: sample-ratio e-value %.2g (alarm at 1000)\n", v.Health.Mismatch)
	return b.String()
}

func exportCommand(s IO) *cobra.Command {
	var t target
	c := &cobra.Command{
		Use: "export [NAME]", Short: "the decision journal, one JSON entry a line", Args: cobra.MaximumNArgs(1),
		Example: "  headgate export ranker >ranker.ndjson && headgate replay ranker.ndjson",
		RunE: func(c *cobra.Command, args []string) error {
			client := t.client()
			defer client.Close()
			err := client.Journal(c.Context(), nameOf(args), s.Out)
			if experiment.CodeOf(err) != experiment.CodeUnavailable {
				return err
			}
			// Nobody runs there: the file itself can be read.
			dir, derr := experimentDir(t.data, nameOf(args))
			if derr != nil {
				return err
			}
			return local.ExportJournal(c.Context(), filepath.Join(dir, local.RecordFile), s.Out)
		},
	}
	c.ValidArgsFunction = t.complete
	t.flag(c)
	return c
}

func replayCommand(s IO) *cobra.Command {
	return &cobra.Command{
		Use: "replay FILE", Short: "decide everything in an exported journal again, offline", Args: cobra.ExactArgs(1),
		Long: `Judges and decides every entry again from the facts it holds. Exit code 0 if every
decision comes out the same, 3 with the first entry that does not.`,
		RunE: func(_ *cobra.Command, args []string) error {
			in, closeIn, err := openInput(args[0])
			if err != nil {
				return err
			}
			defer closeIn()
			n, err := engine.Replay(entries(in))
			if d, ok := errors.AsType[*engine.Difference](err); ok {
				return falseError{d}
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.Out, "%d entries replayed: every decision the same\n", n)
			return err
		},
	}
}

func openInput(name string) (io.Reader, func(), error) {
	if name == "-" {
		return os.Stdin, func() {}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, experiment.Errorf(experiment.CodeInvalid, "read the journal: %w", err)
	}
	return f, func() { _ = f.Close() }, nil
}

// maxEntry bounds one line of a journal.
const maxEntry = 16 << 20

// entries reads a journal line by line.
func entries(in io.Reader) iter.Seq2[experiment.Entry, error] {
	return func(yield func(experiment.Entry, error) bool) {
		lines := bufio.NewScanner(in)
		lines.Buffer(nil, maxEntry)
		for n := 1; lines.Scan(); n++ {
			var e experiment.Entry
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				yield(e, experiment.Errorf(experiment.CodeInvalid, "line %d is not a journal entry: %w", n, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(experiment.Entry{}, experiment.Errorf(experiment.CodeInvalid, "read the journal: %w", err))
		}
	}
}
