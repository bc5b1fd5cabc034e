// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/app/local"
	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func exportCommand(s IO) *cobra.Command {
	var t target
	c := &cobra.Command{
		Use: "export [NAME]", Short: "the decision journal, one JSON entry a line", Args: cobra.MaximumNArgs(1),
		Example: "  headgate export ranker >ranker.ndjson && headgate replay ranker.ndjson",
		RunE: func(c *cobra.Command, args []string) error {
			if t.cluster.meant() {
				return writeEntries(s.Out, t.cluster.entries(c.Context(), nameOf(args), s.Err))
			}
			return t.export(c.Context(), nameOf(args), s.Out)
		},
	}
	c.ValidArgsFunction = t.complete
	t.flag(c)
	return c
}

// writeEntries writes a journal, one entry a line.
func writeEntries(to io.Writer, journal iter.Seq2[experiment.Entry, error]) error {
	for e, err := range journal {
		if err != nil {
			return err
		}
		if err := writeLine(to, &e); err != nil {
			return err
		}
	}
	return nil
}

// export writes an experiment's journal: of the running process, or where none
// runs, of the files that it left.
func (t *target) export(ctx context.Context, name string, to io.Writer) error {
	client := t.local()
	defer client.Close()
	err := client.Journal(ctx, name, to)
	if experiment.CodeOf(err) != experiment.CodeUnavailable {
		return err
	}
	dir, derr := experimentDir(t.data, name)
	if derr != nil {
		return err
	}
	return local.ExportJournal(ctx, filepath.Join(dir, desk.RecordFile), to)
}

// journal reads a file, or where none is named, what export writes. Remarks go
// to notes.
func (t *target) journal(ctx context.Context, name, file string, notes io.Writer) iter.Seq2[experiment.Entry, error] {
	return func(yield func(experiment.Entry, error) bool) {
		if file != "" {
			in, closeIn, err := openInput(file)
			if err != nil {
				yield(experiment.Entry{}, err)
				return
			}
			defer closeIn()
			entries(in)(yield)
			return
		}
		if t.cluster.meant() {
			t.cluster.entries(ctx, name, notes)(yield)
			return
		}
		// The reader that is left early breaks the pipe, which ends the writer.
		in, out := io.Pipe()
		failed := make(chan error, 1)
		go func() {
			err := t.export(ctx, name, out)
			failed <- err
			_ = out.Close() // A pipe's writer closes without error.
		}()
		defer func() { _ = in.Close() }()
		for e, err := range entries(in) {
			if !yield(e, err) || err != nil {
				return
			}
		}
		if err := <-failed; err != nil {
			yield(experiment.Entry{}, err)
		}
	}
}

func replayCommand(s IO) *cobra.Command {
	var t target
	c := &cobra.Command{
		Use: "replay FILE", Short: "decide everything in an exported journal again, offline", Args: cobra.ExactArgs(1),
		Long: `Judges and decides every entry again from the facts it holds. Exit code 0 if every
decision comes out the same, 3 with the first entry that does not.

With a flag that means a cluster, the argument is the name of an experiment there,
whose journal must still be whole.`,
		Example: "  headgate replay ranker.ndjson\n  headgate replay ranker -n search",
		RunE: func(c *cobra.Command, args []string) error {
			var journal iter.Seq2[experiment.Entry, error]
			if t.cluster.meant() {
				journal = whole(t.cluster.entries(c.Context(), args[0], s.Err))
			} else {
				in, closeIn, err := openInput(args[0])
				if err != nil {
					return err
				}
				defer closeIn()
				journal = entries(in)
			}
			n, err := engine.Replay(journal)
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
	t.cluster.flag(c)
	return c
}

// whole refuses a journal that does not begin with its first entry: what came
// before is part of what the others were decided on.
func whole(journal iter.Seq2[experiment.Entry, error]) iter.Seq2[experiment.Entry, error] {
	return func(yield func(experiment.Entry, error) bool) {
		first := true
		for e, err := range journal {
			if err == nil && first && e.Seq > 0 {
				err = experiment.Errorf(experiment.CodeUnavailable, "entries 0 to %d are no longer kept, and without them nothing can be decided again", e.Seq-1).
					WithHint("export the journal while it is whole")
			}
			first = false
			if !yield(e, err) || err != nil {
				return
			}
		}
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
