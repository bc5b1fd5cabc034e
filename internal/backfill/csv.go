// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxRow bounds a row of a file, in bytes: what is longer is a quote that is
// never closed, or no row at all.
const maxRow = 1 << 20

// csvRows reads rows of comma- or tab-separated values below a header.
type csvRows struct {
	columns Columns
	from    origin
	source  *rationed
	csv     *csv.Reader
	// last is the line of the row before.
	last int
	*layout
}

func newCSV(r io.Reader, comma rune, c Columns, from origin) (*csvRows, error) {
	buffered := bufio.NewReader(r)
	if mark, err := buffered.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = buffered.Discard(3) // It was just peeked at.
	}
	rows := &csvRows{columns: c, from: from, source: &rationed{r: buffered}}
	rows.csv = csv.NewReader(rows.source)
	rows.csv.Comma, rows.csv.ReuseRecord = comma, true
	header, err := rows.read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, invalid("the first line names the columns", "line 1: there is no header")
	case err != nil:
		return nil, err
	}
	names := make([]string, len(header))
	for i, name := range header {
		names[i] = strings.Clone(strings.TrimSpace(name))
	}
	l, p := c.lay(names)
	if p != nil {
		return nil, fatal(p.at("line 1"))
	}
	rows.layout = l
	return rows, nil
}

// Next reads a row.
func (r *csvRows) Next(context.Context) (Row, error) {
	record, err := r.read()
	if err != nil {
		return Row{}, err
	}
	line := r.last
	var x cells
	for i, fields := range r.fields {
		for _, f := range fields {
			if record[i] != "" {
				// A clone, or the whole record would stay in memory with it.
				x[f] = cell{has: true, text: strings.Clone(record[i])}
			}
		}
	}
	where := fmt.Sprint("line ", line)
	row, p := r.columns.outcome(&x, &r.has, r.from, int64(line))
	if p != nil {
		return Row{}, p.at(where)
	}
	row.Where = where
	return row, nil
}

// read gives the next record. A number of fields that is not the header's is the
// row's own mistake; after one of quotes nobody can tell where a row begins.
func (r *csvRows) read() ([]string, error) {
	r.source.left = maxRow
	record, err := r.csv.Read()
	if err == nil {
		r.last, _ = r.csv.FieldPos(0)
		return record, nil
	}
	e, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case errors.Is(err, errTooLong):
		return nil, invalid("is a quote not closed?", "the row after line %d has more than %d bytes", r.last, maxRow)
	case !ok:
		return nil, err
	case errors.Is(err, csv.ErrFieldCount):
		return nil, &BadRow{Where: fmt.Sprint("line ", e.StartLine), Problem: fmt.Sprintf("has %d fields, and the header %d", len(record), r.csv.FieldsPerRecord), Hint: "put values that hold a comma into quotes"}
	default:
		return nil, invalid(`a quote inside quotes is written twice ("")`, "line %d: a quote is out of place, or not closed (the row begins at line %d)", e.Line, e.StartLine)
	}
}

// Unused are the columns that were passed over.
func (r *csvRows) Unused() []string { return r.unused }

var errTooLong = errors.New("the row is too long")

// rationed reads as much as a row may have, beside what is buffered, and then
// fails.
type rationed struct {
	r    io.Reader
	left int
}

func (r *rationed) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errTooLong
	}
	n, err := r.r.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

// fatal makes an error of a row that ends the reading.
func fatal(b *BadRow) error { return invalid(b.Hint, "%w", b) }
