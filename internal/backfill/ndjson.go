// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxUnused bounds how many names of passed-over fields are remembered.
const maxUnused = 100

// jsonRows reads one JSON object a line.
type jsonRows struct {
	columns Columns
	from    origin
	r       *bufio.Reader
	line    int64
	unused  []string
}

func newJSON(r io.Reader, c Columns, from origin) *jsonRows {
	return &jsonRows{columns: c, from: from, r: bufio.NewReaderSize(r, 1<<16)}
}

// Next reads a row.
func (r *jsonRows) Next(context.Context) (Row, error) {
	for {
		text, tooLong, err := r.read()
		if err != nil {
			return Row{}, err
		}
		where := fmt.Sprint("line ", r.line)
		if tooLong {
			return Row{}, &BadRow{Where: where, Problem: fmt.Sprintf("has more than %d bytes", maxRow), Hint: "put one JSON object on each line"}
		}
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		row, p := r.decode(text)
		if p != nil {
			return Row{}, p.at(where)
		}
		row.Where = where
		return row, nil
	}
}

// read gives the next line, without what is over the bound.
func (r *jsonRows) read() (text []byte, tooLong bool, err error) {
	r.line++
	for {
		part, err := r.r.ReadSlice('\n')
		if len(text)+len(part) > maxRow {
			text, tooLong = nil, true
		}
		if !tooLong {
			text = append(text, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && (len(text) > 0 || tooLong):
			return text, tooLong, nil
		default:
			if r.line == 1 {
				text = bytes.TrimPrefix(text, []byte("\ufeff"))
			}
			return text, tooLong, err
		}
	}
}

func (r *jsonRows) decode(text []byte) (Row, *problem) {
	if !utf8.Valid(text) {
		return Row{}, &problem{text: "is not UTF-8", hint: "export it as UTF-8"}
	}
	if !json.Valid(text) {
		return Row{}, &problem{text: "is not JSON", hint: "put one JSON object on each line"}
	}
	if text[0] != '{' {
		return Row{}, &problem{text: "is not a JSON object", hint: `write rows like {"request": "6f1c", "event": "truth", "label": "cat"}`}
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	_, _ = d.Token() // The brace.
	var x cells
	var has [fieldCount]bool
	var names []string
	for d.More() {
		name, _ := d.Token() // A string: the text is JSON.
		column, _ := name.(string)
		var v any
		if err := d.Decode(&v); err != nil {
			return Row{}, &problem{text: "is not JSON", hint: "put one JSON object on each line"}
		}
		switch {
		case slices.Contains(names, column):
			return Row{}, &problem{column: column, text: "stands twice", hint: "write it once"}
		case len(names) == maxColumns:
			return Row{}, &problem{text: fmt.Sprintf("has more than %d fields", maxColumns), hint: "write one outcome on each line"}
		}
		names = append(names, column)
		for _, f := range r.columns.of(column) {
			has[f] = true
			var p *problem
			if x[f], p = jsonCell(f, v); p != nil {
				p.column = column
				return Row{}, p
			}
		}
	}
	if p := r.strangers(names, &has); p != nil {
		return Row{}, p
	}
	return r.columns.outcome(&x, &has, r.from, r.line)
}

// strangers refuses names that are nearly fields, and remembers the others.
func (r *jsonRows) strangers(names []string, has *[fieldCount]bool) *problem {
	var unused []string
	for _, name := range names {
		if len(r.columns.of(name)) > 0 {
			continue
		}
		if p := r.columns.stranger(name, names); p != nil {
			return p
		}
		name = clip(name)
		unused = append(unused, name)
		if len(r.unused) < maxUnused && !slices.Contains(r.unused, name) {
			r.unused = append(r.unused, name)
		}
	}
	return r.columns.measured(has, unused)
}

// Unused are the fields that were passed over so far.
func (r *jsonRows) Unused() []string { return r.unused }

// jsonCell reads a value of a field. Ids and keys may be numbers; they are then
// the digits as they stand, and labels the number.
func jsonCell(f field, v any) (cell, *problem) {
	switch v := v.(type) {
	case nil:
		return cell{}, nil
	case string:
		if f == value && v != "" {
			return cell{}, &problem{text: "is the string " + quote(v), hint: "write numbers without quotes; words go into label"}
		}
		return cell{has: v != "", text: strings.Clone(v)}, nil
	case json.Number:
		text := v.String()
		if n, err := v.Float64(); f == label && err == nil {
			text = strconv.FormatFloat(n+0, 'f', -1, 64)
		}
		return cell{has: true, text: text}, nil
	case bool:
		if f == label {
			return cell{has: true, text: strconv.FormatBool(v)}, nil
		}
		return cell{}, &problem{text: "is a boolean", hint: "only label can be true or false"}
	default:
		return cell{}, &problem{text: "is a list or an object", hint: "want a string or a number"}
	}
}
