// SPDX-License-Identifier: Apache-2.0

package prediction

// table gathers the predictions of one answer within the bounds.
type table struct {
	rows []Row
	room int  // How many components may still be read.
	null bool // A prediction is null.
	some bool // There is a prediction that is not empty.
}

// add adds a row, and reports whether it fits. After one that does not there is
// no other.
func (t *table) add(b *rowBuilder) bool {
	if b.room < 0 {
		return false
	}
	b.finish()
	t.room = b.room
	t.null = t.null || b.null
	t.some = t.some || !b.void
	t.rows = append(t.rows, b.Row)
	return true
}

// read is the whole reading of an answer of so many predictions.
func (t *table) read(rows int) Reading {
	out := Reading{All: t.rows, Rows: rows, Found: Read}
	switch {
	case t.null:
		out.Found = Null
	case rows == 0 || len(t.rows) > 0 && !t.some:
		return Reading{Rows: rows, Found: Empty}
	}
	if len(t.rows) > 0 {
		out.Row = t.rows[0]
	}
	return out
}

// readRows reads n predictions, each by its place, as far as the bounds go.
func readRows(n int, read func(b *rowBuilder, i int)) Reading {
	t := &table{rows: make([]Row, 0, min(n, MaxRows)), room: MaxComponents}
	for i := range min(n, MaxRows) {
		b := &rowBuilder{room: t.room}
		read(b, i)
		if !t.add(b) {
			break
		}
	}
	return t.read(n)
}

// readList reads each element of a list as a prediction.
func readList(list []any, read func(b *rowBuilder, v any)) Reading {
	return readRows(len(list), func(b *rowBuilder, i int) { read(b, list[i]) })
}

// readOne reads a value as the only prediction.
func readOne(v any, read func(b *rowBuilder, v any)) Reading {
	return readRows(1, func(b *rowBuilder, _ int) { read(b, v) })
}
