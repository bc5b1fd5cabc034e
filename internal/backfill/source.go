// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Source gives rows in their order.
type Source interface {
	// Next gives the next row, io.EOF after the last, or a *BadRow, after which
	// there may be more. Any other error ends the reading.
	Next(ctx context.Context) (Row, error)
	// Unused are the columns that no field was made of.
	Unused() []string
	// Close lets go of what is open. It is called once.
	Close()
}

// Formats of files.
const (
	CSV    = "csv"
	TSV    = "tsv"
	NDJSON = "ndjson"
)

// formatOf is the format that a file's name ends in.
func formatOf(path string) string {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv":
		return CSV
	case ".tsv", ".tab":
		return TSV
	case ".ndjson", ".jsonl":
		return NDJSON
	}
	return ""
}

// OpenFile opens a file of rows; "-" is stdin. An empty format goes by the file's
// name.
func OpenFile(path, format string, stdin io.Reader, c Columns) (Source, error) {
	if format == "" {
		format = formatOf(path)
	}
	if format != CSV && format != TSV && format != NDJSON {
		if format == "" {
			return nil, invalid("say --format csv, tsv or ndjson", "-f: the name %s does not say of what format the file is", quote(path))
		}
		return nil, invalid("want csv, tsv or ndjson", "--format: unknown format %s", quote(format))
	}
	if path == "-" {
		return openRows(stdin, format, c, origin{piped: true}, func() {})
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, invalid("", "-f: %w", err)
	}
	return openRows(f, format, c, origin{file: filepath.Base(path)}, func() { _ = f.Close() })
}

func openRows(r io.Reader, format string, c Columns, from origin, closing func()) (Source, error) {
	if format == NDJSON {
		return &file{newJSON(r, c, from), closing}, nil
	}
	comma := ','
	if format == TSV {
		comma = '\t'
	}
	rows, err := newCSV(r, comma, c, from)
	if err != nil {
		closing()
		return nil, inFile(err)
	}
	return &file{rows, closing}, nil
}

// file is rows and the file that they are read from.
type file struct {
	rows interface {
		Next(ctx context.Context) (Row, error)
		Unused() []string
	}
	closing func()
}

func (f *file) Next(ctx context.Context) (Row, error) {
	row, err := f.rows.Next(ctx)
	return row, inFile(err)
}

func (f *file) Unused() []string { return f.rows.Unused() }
func (f *file) Close()           { f.closing() }

// inFile gives errors of reading their class.
func inFile(err error) error {
	if _, bad := err.(*BadRow); err == nil || bad || err == io.EOF || experiment.CodeOf(err) != experiment.CodeInternal {
		return err
	}
	return experiment.Errorf(experiment.CodeUnavailable, "read the file: %w", err)
}
