// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Poster sends a batch and says what became of it. An error of CodeInvalid about
// outcomes[i] is about that outcome; then nothing of the batch was stored.
type Poster interface {
	Post(ctx context.Context, outcomes []experiment.UnitOutcome) (experiment.Receipt, error)
}

// Options are how rows are sent.
type Options struct {
	Columns Columns
	// DryRun sends nothing.
	DryRun bool
	// SkipBad is how many bad rows are passed over before one is an error.
	SkipBad int
	// Skipped hears of each that is; nil is nobody.
	Skipped func(*BadRow)
	// Since remembers how far it went; nil remembers nothing.
	Since *Since
	// Progress hears after each batch; nil is nobody.
	Progress func(Report)
}

// Report says what became of rows. Every row is of one kind: Rows are Skipped and
// those that were read well; of these some were sent, unless something failed all
// of them; and of those sent each is accepted, duplicate, late or unmatched.
type Report struct {
	Rows       int64 `json:"rows"`
	Skipped    int64 `json:"skipped"`
	Batches    int64 `json:"batches"`
	Sent       int64 `json:"sent"`
	Accepted   int64 `json:"accepted"`
	Duplicates int64 `json:"duplicates"`
	Late       int64 `json:"late"`
	Unmatched  int64 `json:"unmatched"`
	// Since is what was remembered, if anything.
	Since string `json:"since,omitempty"`
}

// maxBatchBytes keeps a batch below the megabyte that the API reads.
const maxBatchBytes = 900_000

// run is one sending under way.
type run struct {
	Options
	poster Poster
	report Report
	batch  []Row
	bytes  int
	tide   tide
}

// Run sends all rows, batch by batch. The report tells what was done also where
// it ends with an error: of a row that is wrong (CodeInvalid, named by its place),
// of the source or of the poster.
func Run(ctx context.Context, s Source, p Poster, o Options) (Report, error) {
	r := &run{Options: o, poster: p, batch: make([]Row, 0, experiment.MaxOutcomes)}
	for {
		row, err := s.Next(ctx)
		if bad, ok := errors.AsType[*BadRow](err); ok {
			r.report.Rows++
			if err := r.skip(bad); err != nil {
				return r.report, err
			}
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return r.report, err
		}
		if err != nil {
			return r.report, r.flush(ctx, nil)
		}
		r.report.Rows++
		size := sizeOf(&row.Outcome)
		if len(r.batch) == experiment.MaxOutcomes || len(r.batch) > 0 && r.bytes+size > maxBatchBytes {
			if err := r.flush(ctx, &row); err != nil {
				return r.report, err
			}
		}
		if r.Since != nil {
			if bad := r.tide.pass(&row); bad != nil {
				return r.report, fatal(bad)
			}
		}
		r.batch = append(r.batch, row)
		r.bytes += size
	}
}

// skip passes over a bad row, if there may be another.
func (r *run) skip(bad *BadRow) error {
	if r.report.Skipped >= int64(r.SkipBad) {
		return fatal(bad)
	}
	r.report.Skipped++
	if r.Skipped != nil {
		r.Skipped(bad)
	}
	return nil
}

// flush sends the batch and remembers how far it went; next is the row that
// follows it.
func (r *run) flush(ctx context.Context, next *Row) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(r.batch) > 0 && !r.DryRun {
		if err := r.send(ctx); err != nil {
			return err
		}
	}
	if r.Since != nil && !r.DryRun {
		if mark := r.tide.reached(next); mark != "" && mark != r.report.Since {
			if err := r.Since.write(mark); err != nil {
				return err
			}
			r.report.Since = mark
		}
	}
	clear(r.batch)
	r.batch, r.bytes = r.batch[:0], 0
	if r.Progress != nil {
		r.Progress(r.report)
	}
	return nil
}

// send posts the batch. A row that only the other side can tell is bad (a token
// that has expired, a time in its future) is taken out, if it may be, and the rest
// is sent again.
func (r *run) send(ctx context.Context) error {
	for len(r.batch) > 0 {
		outcomes := make([]experiment.UnitOutcome, len(r.batch))
		for i := range r.batch {
			outcomes[i] = r.batch[i].Outcome
		}
		receipt, err := r.poster.Post(ctx, outcomes)
		if err == nil {
			r.report.Batches++
			r.report.Sent += int64(len(outcomes))
			r.report.Accepted += int64(receipt.Accepted)
			r.report.Duplicates += int64(receipt.Duplicates)
			r.report.Late += int64(receipt.Late)
			r.report.Unmatched += int64(receipt.Unmatched)
			return nil
		}
		p, i, ok := r.Columns.refused(err)
		if experiment.CodeOf(err) != experiment.CodeInvalid || !ok || i >= len(r.batch) {
			return fmt.Errorf("send %s to %s: %w", r.batch[0].Where, r.batch[len(r.batch)-1].Where, err)
		}
		if err := r.skip(p.at(r.batch[i].Where)); err != nil {
			return err
		}
		r.batch = slices.Delete(r.batch, i, i+1)
	}
	return nil
}

// sizeOf is at least as many bytes as an outcome has as JSON.
func sizeOf(o *experiment.UnitOutcome) int {
	size := 160 // Names, numbers, the time and what is between.
	for _, s := range []string{o.Token, o.Unit, o.Request, o.Event, o.Label, o.Key} {
		size += len(s)
		for i := range len(s) {
			switch c := s[i]; {
			case c == '"' || c == '\\' || c >= utf8.RuneSelf:
				size++ // Of three bytes become at most six.
			case c < ' ' || c == '<' || c == '>' || c == '&':
				size += 5
			}
		}
	}
	return size
}
