// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/remote"
	"github.com/headgate-dev/headgate/stats"
)

// columnsOf are the columns of a form; the last one of units may be left out.
func columnsOf(form experiment.SQLForm) []string {
	switch form {
	case experiment.SQLUnits:
		return []string{"version", "unit", "value", "weight"}
	case experiment.SQLMoments:
		return []string{"version", "n", "sum", "squares"}
	case experiment.SQLCounts:
		return []string{"version", "events", "total"}
	case experiment.SQLValue:
		return []string{"version", "value"}
	}
	return nil
}

// tally sums up what a query gives of each version.
type tally struct {
	form     experiment.SQLForm
	versions map[string]int
	at       map[string]int // the place of each column
	of       []sum
	all      int
	// strangers are rows of versions that the plan does not have.
	strangers int
}

// sum is what is known of one version.
type sum struct {
	rows int
	// lacking are rows without their number.
	lacking int
	units   stats.Pair
	seen    map[string]struct{}
	// numbers are those of its one row, in the order of the form's columns.
	numbers [3]float64
}

func newTally(p *experiment.Plan, form experiment.SQLForm) *tally {
	t := &tally{form: form, versions: make(map[string]int), of: make([]sum, len(p.Versions))}
	for i := range p.Versions {
		t.versions[p.Versions[i].Name] = i
	}
	return t
}

// columns implements rows.
func (t *tally) columns(names []string) error {
	want := columnsOf(t.form)
	t.at = make(map[string]int)
	wrong := func(what, name string) error {
		optional := ""
		if t.form == experiment.SQLUnits {
			optional = ", of which weight may be left out"
		}
		return invalid("the query %s column %s", what, strconv.Quote(remote.Short(name))).
			WithHint("form %s has the columns %s%s", t.form, strings.Join(want, ", "), optional)
	}
	for i, name := range names {
		name = strings.ToLower(name)
		if !slices.Contains(want, name) {
			return wrong("has an unknown", name)
		}
		if _, twice := t.at[name]; twice {
			return wrong("has twice the", name)
		}
		t.at[name] = i
	}
	for _, name := range want {
		if _, ok := t.at[name]; !ok && name != "weight" {
			return wrong("lacks the", name)
		}
	}
	return nil
}

// row implements rows.
func (t *tally) row(values []any) error {
	t.all++
	name, _ := text(values[t.at["version"]])
	v, ok := t.versions[name]
	if !ok {
		t.strangers++
		return nil
	}
	s := &t.of[v]
	s.rows++
	if t.form == experiment.SQLUnits {
		return t.unit(s, name, values)
	}
	if s.rows > 1 {
		return invalid("the query gives two rows of version %s", name).WithHint("form %s has one row for each version: GROUP BY version", t.form)
	}
	for i, column := range columnsOf(t.form)[1:] {
		x, ok := number(values[t.at[column]])
		// Sums over nothing are NULL.
		if !ok && !(t.form == experiment.SQLMoments && i > 0 && s.numbers[0] == 0 && s.lacking == 0) {
			s.lacking = 1
		}
		s.numbers[i] = x
	}
	return nil
}

func (t *tally) unit(s *sum, name string, values []any) error {
	unit, ok := text(values[t.at["unit"]])
	if !ok {
		return invalid("the query gives a row of version %s without a unit", name)
	}
	if s.seen == nil {
		s.seen = make(map[string]struct{})
	}
	if _, twice := s.seen[unit]; twice {
		return invalid("the query gives two rows of one unit of version %s", name).WithHint("sum up what a unit did: GROUP BY version, unit")
	}
	s.seen[unit] = struct{}{}
	y, known := number(values[t.at["value"]])
	x := 1.0
	if at, weighed := t.at["weight"]; weighed {
		var ok bool
		x, ok = number(values[at])
		known = known && ok
	}
	if !known {
		s.lacking++
		return nil
	}
	s.units.Add(y, x)
	return nil
}

// done says whether the rows were those of the plan at all.
func (t *tally) done() error {
	if t.all > 0 && t.strangers == t.all {
		return invalid("none of the query's %d rows is of a version of the plan", t.all).WithHint("the column version holds the version's name")
	}
	return nil
}

// told is what a window comes to for a version.
func (t *tally) told(v int) remote.Told {
	s := &t.of[v]
	switch {
	case s.rows == 0 && t.form == experiment.SQLValue:
		return remote.Told{Why: "has no row"}
	case s.rows == 0:
		return remote.Told{}
	case s.lacking > 0 && t.form == experiment.SQLUnits:
		// Which units lack their number is no matter of chance, so the others say
		// nothing of all.
		return remote.Told{Why: fmt.Sprintf("has no number in %d of %d rows", s.lacking, s.rows)}
	case s.lacking > 0:
		return remote.Told{Why: "has no number in a column"}
	}
	n := s.numbers
	switch t.form {
	case experiment.SQLUnits:
		return remote.OfUnits(s.units)
	case experiment.SQLMoments:
		return remote.Moments(n[0], n[1], n[2])
	case experiment.SQLCounts:
		return remote.Counts(n[0], n[1])
	}
	return remote.Value(n[0])
}

// point is the number of a version, nil where there is none.
func (t *tally) point(v int) *float64 {
	s := &t.of[v]
	if s.rows == 0 || s.lacking > 0 {
		return nil
	}
	switch t.form {
	case experiment.SQLUnits:
		return remote.Over(s.units.MeanY, s.units.MeanX)
	case experiment.SQLMoments:
		return remote.Over(s.numbers[1], s.numbers[0])
	case experiment.SQLCounts:
		return remote.Over(s.numbers[0], s.numbers[1])
	}
	return &s.numbers[0]
}

// text is a value as a name: a text, or a whole number.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", false
	case string:
		return v, true
	case []byte:
		return string(v), true
	default:
		return fmt.Sprint(v), true
	}
}

// number is a value as a number; true is 1, false 0. Texts are none.
func number(v any) (float64, bool) {
	var x float64
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int16:
		x = float64(v)
	case int32:
		x = float64(v)
	case int64:
		x = float64(v)
	case float32:
		x = float64(v)
	case float64:
		x = v
	case pgtype.Numeric:
		f, err := v.Float64Value()
		if err != nil || !f.Valid {
			return 0, false
		}
		x = f.Float64
	default:
		return 0, false
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, false
	}
	return x, true
}
