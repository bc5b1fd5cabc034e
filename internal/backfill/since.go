// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Since remembers in a file how far a query was sent, for the next time: one line
// with the greatest time all of whose rows were acknowledged, as the database has
// it.
type Since struct{ path string }

// NewSince remembers in the file of a path, which need not exist.
func NewSince(path string) *Since { return &Since{path: path} }

// maxMark bounds what is read of the file.
const maxMark = 128

// Read gives the time that was remembered, or nothing.
func (s *Since) Read() (string, error) {
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", experiment.Errorf(experiment.CodeUnavailable, "--since-file: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxMark+1))
	if err != nil {
		return "", experiment.Errorf(experiment.CodeUnavailable, "--since-file: %w", err)
	}
	mark := strings.TrimSpace(string(text))
	if _, err := parseTime(mark); err != nil || len(text) > maxMark {
		return "", invalid("it holds one time; remove it, and begin with --since", "--since-file: what is in %s is no time", s.path)
	}
	return mark, nil
}

// write replaces the file at once, so that it holds the old time or the new one
// whatever happens.
func (s *Since) write(mark string) error {
	if err := replace(s.path, mark+"\n"); err != nil {
		return experiment.Errorf(experiment.CodeUnavailable, "--since-file: what was sent is not remembered, and will be sent again: %w", err)
	}
	return nil
}

func replace(path, text string) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// tide is the time up to which everything was read. Rows of one time may lie in
// two batches, so a time is reached only when a later one follows, or nothing.
type tide struct {
	last      time.Time
	lastMark  string
	belowMark string
}

// pass notes a row, whose time must not be before that of the row before.
func (t *tide) pass(r *Row) *BadRow {
	switch {
	case r.Outcome.At.IsZero():
		return &BadRow{Where: r.Where, Problem: "has no time to remember", Hint: "--since-file wants a column time in every row"}
	case r.Outcome.At.Before(t.last):
		return &BadRow{Where: r.Where, Problem: "its time is before that of the row before it", Hint: "--since-file wants rows in the order of their times: add ORDER BY to the query"}
	case r.Outcome.At.After(t.last):
		t.belowMark = t.lastMark
	}
	t.last, t.lastMark = r.Outcome.At, r.Mark
	return nil
}

// reached is the mark of the greatest time whose rows have all passed, given the
// row that follows, or nil at the end; empty for none.
func (t *tide) reached(next *Row) string {
	if next == nil || next.Outcome.At.After(t.last) {
		return t.lastMark
	}
	return t.belowMark
}
