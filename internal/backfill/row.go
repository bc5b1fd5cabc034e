// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Row is one outcome and where it stands.
type Row struct {
	// Where is "line 7" of a file, or "row 7" of a query.
	Where   string
	Outcome experiment.UnitOutcome
	// Mark is the outcome's time as the database has it, for Since.
	Mark string
}

// BadRow is a row that is no outcome. The rows after it can be read.
type BadRow struct {
	Where string
	// Column is as the file or query names it; empty where it is about the row.
	Column, Problem, Hint string
}

func (b *BadRow) Error() string {
	if b.Column == "" {
		return b.Where + ": " + b.Problem
	}
	return b.Where + ", column " + clip(b.Column) + ": " + b.Problem
}

// problem is what is wrong with a row or a header.
type problem struct{ column, text, hint string }

func (p *problem) at(where string) *BadRow {
	return &BadRow{Where: where, Column: p.column, Problem: p.text, Hint: p.hint}
}

// cell is what a row says of one field; has is false where it is empty.
type cell struct {
	has  bool
	text string
	// at is set where the database has a time and no text.
	at time.Time
}

type cells [fieldCount]cell

// origin is where rows come from, for the keys of those that have none.
type origin struct {
	// file is the name of the file without its folder; empty for queries and
	// standard input.
	file string
	// piped says that it is standard input, which has no name.
	piped bool
}

// maxToken bounds an exposure token, in bytes; they have 64.
const maxToken = experiment.MaxOutcomeText

// outcome makes a row of its cells. has says which columns there are.
func (c *Columns) outcome(x *cells, has *[fieldCount]bool, from origin, number int64) (Row, *problem) {
	o := experiment.UnitOutcome{Value: 1, Event: c.Event}
	if o.Event == "" {
		o.Event = x[event].text
	}
	o.Token, o.Unit, o.Request, o.Label, o.Key = x[token].text, x[unit].text, x[request].text, x[label].text, x[key].text
	if p := c.complete(&o, x, has); p != nil {
		return Row{}, p
	}
	mark, p := c.time(&o, x[at])
	if p != nil {
		return Row{}, p
	}
	if p := c.check(&o); p != nil {
		return Row{}, p
	}
	if o.Key == "" {
		if from.piped && o.At.IsZero() {
			return Row{}, &problem{text: "has neither key nor time, so that nothing tells it from a row of another pipe", hint: "add a column key or time, or name a file"}
		}
		o.Key = keyOf(&o, from, number)
	}
	return Row{Outcome: o, Mark: mark}, nil
}

// complete reads the value, and reports what is missing or too much.
func (c *Columns) complete(o *experiment.UnitOutcome, x *cells, has *[fieldCount]bool) *problem {
	n := 0
	for _, f := range []field{token, unit, request} {
		if x[f].has {
			n++
		}
	}
	switch {
	case n == 0:
		return &problem{text: "has none of token, unit and request", hint: "each row says by one of them what it is about"}
	case n > 1:
		return &problem{text: "has more than one of token, unit and request", hint: "leave all but one empty; --map unit= passes a column over"}
	case o.Event == "":
		return &problem{column: c.column(event), text: "is empty", hint: "name the event, or name that of all rows with --event"}
	case (has[label] || c.Renamed[label.String()] != "") && !x[label].has && !x[value].has:
		return &problem{column: c.column(label), text: "is empty", hint: "leave out the rows whose label is not known yet"}
	case (has[value] || c.Renamed[value.String()] != "") && !x[value].has && !x[label].has:
		return &problem{column: c.column(value), text: "is empty", hint: "leave out the rows that have no value"}
	case x[request].has && !x[label].has && !x[value].has:
		return &problem{column: c.column(label), text: "is missing, and so is value", hint: "by its request a label is found, and it says what the true class is"}
	}
	if !x[value].has {
		return nil
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(x[value].text), 64)
	if err != nil {
		return &problem{column: c.column(value), text: quote(x[value].text) + " is not a number", hint: "write it like 12.5; words go into label"}
	}
	o.Value = v
	return nil
}

// time reads when the outcome happened, and the mark that it leaves.
func (c *Columns) time(o *experiment.UnitOutcome, x cell) (mark string, _ *problem) {
	switch {
	case !x.at.IsZero():
		o.At = x.at.UTC()
		mark = o.At.Format(time.RFC3339Nano)
	case x.has:
		t, err := parseTime(x.text)
		if err != nil {
			return "", &problem{column: c.column(at), text: quote(x.text) + " " + err.Error(), hint: "write it like 2026-01-31T12:00:00Z"}
		}
		o.At, mark = t, strings.TrimSpace(x.text)
	default:
		return "", nil
	}
	if y := o.At.Year(); y < 1970 || y > 9999 {
		return "", &problem{column: c.column(at), text: "lies in the year " + strconv.Itoa(y), hint: "leave out the rows that have no time"}
	}
	return mark, nil
}

// check applies the rules of the API, and says which column breaks them.
func (c *Columns) check(o *experiment.UnitOutcome) *problem {
	for _, f := range []struct {
		field
		text string
	}{{token, o.Token}, {unit, o.Unit}, {request, o.Request}, {event, o.Event}, {label, o.Label}, {key, o.Key}} {
		if !utf8.ValidString(f.text) {
			return &problem{column: c.column(f.field), text: "is not UTF-8", hint: "export it as UTF-8"}
		}
	}
	if len(o.Token) > maxToken {
		return &problem{column: c.column(token), text: fmt.Sprintf("has %d bytes, and tokens have at most %d", len(o.Token), maxToken), hint: "it is the value of X-Headgate-Exposure"}
	}
	if err := experiment.CheckOutcomes([]experiment.UnitOutcome{*o}); err != nil {
		p, _, _ := c.refused(err)
		return p
	}
	return nil
}

// refused translates an error about outcomes[i].field into one about a column.
// It is about no outcome where ok is false.
func (c *Columns) refused(err error) (p *problem, i int, ok bool) {
	e, isField := errors.AsType[*experiment.FieldError](err)
	if !isField {
		return &problem{text: err.Error(), hint: experiment.HintOf(err)}, 0, false
	}
	p = &problem{text: e.Problem, hint: experiment.HintOf(err)}
	place, name, _ := strings.Cut(strings.TrimPrefix(e.Path, "outcomes["), "].")
	i, bad := strconv.Atoi(place)
	if bad != nil || i < 0 || !strings.HasPrefix(e.Path, "outcomes[") {
		return p, 0, false
	}
	p.column = name
	for f := range fieldCount {
		if f.String() == name {
			p.column = c.column(f)
		}
	}
	return p, i, true
}

// keyOf makes the key of a row that has none: a hash of all that it says. A row
// with a time is that outcome wherever and however often it stands, so that
// yesterday's export and today's may overlap. Without a time two equal rows of a
// file are two outcomes, so the file's name and the line are in the key, too; of
// a query, whose rows come in any order, they are one.
func keyOf(o *experiment.UnitOutcome, from origin, number int64) string {
	h := sha256.New()
	var bits [8]byte
	text := func(s string) {
		binary.LittleEndian.PutUint64(bits[:], uint64(len(s)))
		h.Write(bits[:])
		h.Write([]byte(s))
	}
	for _, s := range []string{o.Token, o.Unit, o.Request, o.Event, o.Label} {
		text(s)
	}
	binary.LittleEndian.PutUint64(bits[:], math.Float64bits(o.Value+0)) // -0 is 0.
	h.Write(bits[:])
	switch {
	case !o.At.IsZero():
		text(o.At.UTC().Format(time.RFC3339Nano))
	case from.file != "":
		text(from.file)
		text(strconv.FormatInt(number, 10))
	}
	return "row-" + hex.EncodeToString(h.Sum(nil)[:16])
}

// The integers that are read as times: seconds of Unix time from 1973 on. A date
// without dashes, and milliseconds, are not among them.
const leastUnix, mostUnix = 100_000_000, 100_000_000_000

var errNoTime = errors.New("is not a time")

// parseTime reads a time as RFC 3339, PostgreSQL and SQLite write it, or as
// seconds of Unix time. Without a zone it is UTC.
func parseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n < leastUnix || n >= mostUnix {
			return time.Time{}, errors.New("is not a time in seconds since 1970")
		}
		return time.Unix(n, 0).UTC(), nil
	}
	for _, form := range []string{
		time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07", "2006-01-02 15:04:05 Z07:00",
		time.DateTime, "2006-01-02T15:04:05", time.DateOnly,
	} {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errNoTime
}

// quote shows a value that is no id, cut to what fits a line.
func quote(s string) string { return strconv.Quote(clip(s)) }

func clip(s string) string {
	const longest = 40
	s = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) <= longest {
		return s
	}
	return string([]rune(s)[:longest]) + "…"
}
