// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/suggest"
)

// field is a part of an outcome, by the API's names.
type field int

const (
	token field = iota
	unit
	request
	event
	value
	label
	key
	at
	fieldCount
)

// Fields are the names that columns have unless they are renamed.
func Fields() []string {
	return []string{"token", "unit", "request", "event", "value", "label", "key", "time"}
}

func (f field) String() string { return Fields()[f] }

// Columns says which column is which field of an outcome.
type Columns struct {
	// Event is that of all rows; empty takes it from the column.
	Event string
	// Renamed are names of columns by field; an empty name says that the field
	// is in no column.
	Renamed map[string]string
}

// ParseRenamed reads a list such as "label=truth,key=id".
func ParseRenamed(list string) (map[string]string, error) {
	renamed := make(map[string]string)
	if list == "" {
		return renamed, nil
	}
	for pair := range strings.SplitSeq(list, ",") {
		name, column, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		switch {
		case !ok:
			return nil, invalid("write it as label=truth,key=id", "--map: %q has no =", pair)
		case !slices.Contains(Fields(), name):
			hint := "known are " + strings.Join(Fields(), ", ")
			if near := suggest.Closest(name, Fields()); near != "" {
				hint = "did you mean " + near + "?"
			}
			return nil, invalid(hint, "--map: %q is no part of an outcome", name)
		case hasKey(renamed, name):
			return nil, invalid("name one column for each", "--map: %s stands twice", name)
		}
		renamed[name] = strings.TrimSpace(column)
	}
	return renamed, nil
}

func hasKey(m map[string]string, k string) bool {
	_, ok := m[k]
	return ok
}

// column is the name of the column that a field is in, or nothing.
func (c *Columns) column(f field) string {
	if f == event && c.Event != "" {
		return ""
	}
	if name, ok := c.Renamed[f.String()]; ok {
		return name
	}
	return f.String()
}

// of lists the fields that a column is. One may be two, such as request and key.
func (c *Columns) of(column string) []field {
	var list []field
	for f := range fieldCount {
		if column != "" && c.column(f) == column {
			list = append(list, f)
		}
	}
	return list
}

// stranger judges a column that is no field. It may be left unused, unless it is
// nearly the name of a field that no other column has: then it is a mistake, and
// guessing would change what the rows say.
func (c *Columns) stranger(name string, all []string) *problem {
	if name == event.String() && c.Event != "" {
		return &problem{column: name, text: "stands beside --event", hint: "leave --event out, or say --map event= to pass the column over"}
	}
	var missing []string
	for f := range fieldCount {
		if _, renamed := c.Renamed[f.String()]; !renamed && c.column(f) != "" && !slices.Contains(all, c.column(f)) {
			missing = append(missing, f.String())
		}
	}
	near := suggest.Closest(strings.TrimSpace(name), missing)
	if near == "" {
		return nil
	}
	return &problem{column: name, text: "is no column that is known, but nearly " + near, hint: "if it is that, add --map " + near + "=" + name + "; if not, --map " + near + "="}
}

// layout is how the columns of a header lie.
type layout struct {
	// fields are by the column's place.
	fields [][]field
	has    [fieldCount]bool
	unused []string
}

// maxColumns bounds the columns of a header, and the fields of a JSON object.
const maxColumns = 1000

// lay reads a header.
func (c *Columns) lay(header []string) (*layout, *problem) {
	if len(header) > maxColumns {
		return nil, &problem{text: fmt.Sprintf("has %d columns, and may have %d", len(header), maxColumns), hint: "is it a header, and of this format?"}
	}
	l := &layout{fields: make([][]field, len(header))}
	for i, name := range header {
		l.fields[i] = c.of(name)
		switch {
		case len(l.fields[i]) > 0 && slices.Contains(header[:i], name):
			return nil, &problem{column: name, text: "stands twice", hint: "name each column once"}
		case len(l.fields[i]) > 0:
			for _, f := range l.fields[i] {
				l.has[f] = true
			}
		default:
			if p := c.stranger(name, header); p != nil {
				return nil, p
			}
			l.unused = append(l.unused, clip(name))
		}
	}
	for f := range fieldCount {
		if name := c.Renamed[f.String()]; name != "" && !l.has[f] && c.column(f) != "" {
			return nil, &problem{column: name, text: "is not there, and --map says that it is " + f.String(), hint: "the columns are " + list(header)}
		}
	}
	switch {
	case !l.has[token] && !l.has[unit] && !l.has[request]:
		return nil, &problem{text: "no column is token, unit or request", hint: "the columns are " + list(header) + "; say with --map which is which, as in --map request=id"}
	case !l.has[event] && c.Event == "":
		return nil, &problem{text: "no column is event", hint: "name the event of all rows with --event"}
	}
	return l, c.measured(&l.has, l.unused)
}

// measured refuses rows that would all count 1 because the column that says more
// has another name.
func (c *Columns) measured(has *[fieldCount]bool, unused []string) *problem {
	if has[label] || has[value] || len(unused) == 0 || hasKey(c.Renamed, value.String()) || c.column(label) != label.String() {
		return nil
	}
	return &problem{
		text: "no column is label or value, and not used are " + list(unused),
		hint: "say which it is, as in --map label=" + clip(unused[0]) + "; --map value= if each row counts 1",
	}
}

// list names a few of many columns.
func list(names []string) string {
	const few = 12
	short := make([]string, 0, few+1)
	for _, n := range names[:min(len(names), few)] {
		short = append(short, clip(n))
	}
	if len(names) > few {
		short = append(short, "…")
	}
	return strings.Join(short, ", ")
}

func invalid(hint, format string, args ...any) error {
	err := experiment.Errorf(experiment.CodeInvalid, format, args...)
	if hint == "" {
		return err
	}
	return err.WithHint("%s", hint)
}
