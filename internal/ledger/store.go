// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"slices"
)

// store is where a ledger's rows are. It decides nothing: the writer asks for
// what a transaction must know, decides on what it has in memory, and writes
// last. One goroutine uses it; it waits no longer than a while for anything.
type store interface {
	// begin begins a transaction; solo ones may take long. Fresh says that
	// somebody else may have written since the last one, so that nothing that
	// was remembered holds any more.
	begin(ctx context.Context, solo bool) (fresh bool, err error)
	// ask answers all of wants in one go.
	ask(ctx context.Context, want *wants) (*answers, error)
	// query reads the lines of a statement. They must be closed before anything
	// else is done.
	query(ctx context.Context, q statement, args ...any) (lines, error)
	// exec runs a statement and says how many rows it changed.
	exec(ctx context.Context, q statement, args ...any) (int64, error)
	// later is exec for whom the number does not matter: the store may wait with
	// it until the commit, or until something is read.
	later(ctx context.Context, q statement, args ...any) error
	// insert writes rows, one after the other in values, and says how many were
	// new; insertLater is insert for whom that does not matter.
	insert(ctx context.Context, t *table, values []any) (int64, error)
	insertLater(ctx context.Context, t *table, values []any) error
	commit(ctx context.Context) error
	// rollback leaves nothing of the transaction. It is harmless outside of one.
	rollback(ctx context.Context)
	close() error
}

// lines are what a query found.
type lines interface {
	Next() bool
	Scan(to ...any) error
	Err() error
	Close() error
}

// wants is what a transaction must know before it decides. The writer asks for
// nothing twice.
type wants struct {
	// rows are units by phase, units those by experiment whose rows of all
	// phases are wanted, keys those that were taken and have not expired at now.
	rows   map[phaseKey][]int64
	units  map[int64][]int64
	keys   map[int64][][]byte
	now    int64
	labels []labelQuery
}

func newWants() wants {
	return wants{rows: map[phaseKey][]int64{}, units: map[int64][]int64{}, keys: map[int64][][]byte{}}
}

func (w *wants) empty() bool {
	return len(w.rows)+len(w.units)+len(w.keys)+len(w.labels) == 0
}

func (w *wants) clear() {
	clear(w.rows)
	clear(w.units)
	clear(w.keys)
	clear(w.labels)
	w.labels = w.labels[:0]
}

// answers are what was found.
type answers struct {
	rows, units []foundRow
	keys        []keyID
	// labels are by the place of the question.
	labels [][]judged
}

type foundRow struct {
	rowKey
	row
}

// labelQuery asks for the predictions that a label is about: those of a token,
// a request or a unit up to a time, whichever is set, and their labels of an
// event.
type labelQuery struct {
	phaseKey
	of                labelBy
	event             string
	unit, at, request int64
	version           int
}

type labelBy int

const (
	labelByUnit labelBy = iota
	labelByToken
	labelByRequest
)

// sql is the question as a statement.
func (q *labelQuery) sql() (statement, []any) {
	switch q.of {
	case labelByToken:
		return sqlByToken, []any{q.event, q.experiment, q.unit, q.at, q.epoch, q.phase, q.version}
	case labelByRequest:
		return sqlByRequest, []any{q.event, q.experiment, q.request}
	default:
		return sqlByUnit, []any{q.event, q.experiment, q.unit, q.at}
	}
}

// readJudged reads the lines that answer a labelQuery.
func readJudged(rows lines, q *labelQuery) (found []judged, err error) {
	for rows.Next() {
		p := judged{phaseKey: phaseKey{experiment: q.experiment}}
		if err := rows.Scan(&p.id, &p.epoch, &p.phase, &p.window, &p.version, &p.at, &p.request, &p.label); err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	if q.of != labelByRequest {
		found = q.firstOf(found)
	}
	return found, rows.Err()
}

// firstOf is the first prediction, of the token's version where that is the
// question, and those that other versions made of the same request.
func (q *labelQuery) firstOf(found []judged) (out []judged) {
	for _, p := range found {
		switch {
		case len(out) == 0 && q.of == labelByToken && p.version != q.version:
			return nil
		case len(out) == 0:
		case !p.answersAs(&out[0]), slices.ContainsFunc(out, func(o judged) bool { return o.version == p.version }):
			continue
		}
		out = append(out, p)
	}
	return out
}

// table is a table that takes many rows at a time.
type table struct {
	name    string
	columns []column
	// then says what happens to rows that are there already.
	then string
}

type column struct {
	name string
	kind columnKind
}

type columnKind int

const (
	asWhole  columnKind = iota // int, int64
	asText                     // string
	asReal                     // float64
	asScore                    // sql.NullFloat64
	asDigest                   // []byte, 16 of them
)

// buffer is rows of a table that wait to be written. They are, before their
// transaction ends and before anybody reads the table.
type buffer struct {
	table  table
	values []any
}

func newBuffer(name, then string, columns ...column) *buffer {
	return &buffer{table: table{name: name, columns: columns, then: then}}
}

func (b *buffer) add(row ...any) { b.values = append(b.values, row...) }

// waiting is how many rows wait.
func (b *buffer) waiting() int { return len(b.values) / len(b.table.columns) }

func (b *buffer) clear() {
	clear(b.values)
	b.values = b.values[:0]
}

// buffers are the tables that are written many rows at a time.
type buffers struct {
	exposures, outcomes, keys, pairs, predictions, labels *buffer
}

func newBuffers() buffers {
	wholes := func(names ...string) (columns []column) {
		for _, name := range names {
			columns = append(columns, column{name, asWhole})
		}
		return columns
	}
	return buffers{
		exposures: newBuffer("exposures", `ON CONFLICT (experiment, unit, epoch, phase) DO UPDATE SET
			"window" = excluded."window", version = excluded.version, at = excluded.at, moved = excluded.moved, groups = excluded.groups`,
			wholes("experiment", "unit", "epoch", "phase", `"window"`, "version", "at", "moved", "groups")...),
		outcomes: newBuffer("outcomes", ``,
			append(wholes("experiment", "epoch", "phase", `"window"`, "seq", "unit"), column{"event", asText}, column{"value", asReal}, column{"at", asWhole})...),
		keys: newBuffer("keys", `ON CONFLICT (experiment, hash) DO UPDATE SET expires = excluded.expires`,
			column{"experiment", asWhole}, column{"hash", asDigest}, column{"expires", asWhole}),
		pairs: newBuffer("pairs", `ON CONFLICT (experiment, version, id) DO NOTHING`,
			append(append(wholes("experiment", "version"), column{"id", asText}),
				append(wholes("epoch", "phase", `"window"`, "unit", "at", "groups", "failed"), column{"compared", asText})...)...),
		predictions: newBuffer("predictions", ``,
			append(wholes("experiment", "unit", "at", "request", "epoch", "phase", `"window"`, "version", "groups"), column{"class", asText}, column{"score", asScore})...),
		labels: newBuffer("labels", ``,
			column{"prediction", asWhole}, column{"event", asText}, column{"label", asText}, column{"at", asWhole}),
	}
}

func (b *buffers) clear() {
	for _, one := range []*buffer{b.exposures, b.outcomes, b.keys, b.pairs, b.predictions, b.labels} {
		one.clear()
	}
}
