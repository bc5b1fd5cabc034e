// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"context"

	"github.com/headgate-dev/headgate/internal/prediction"
)

// pair is two answers for as long as they are compared. What several metrics
// need is read once.
type pair struct {
	ctx                 context.Context
	reader              *prediction.Reader
	baseline, candidate side
}

// side is one of the two answers.
type side struct {
	*Answer
	known   bool
	reading prediction.Reading
}

func sideOf(a *Answer) side {
	if a == nil {
		a = &Answer{Failed: true}
	}
	return side{Answer: a}
}

// reading is what the answer predicts.
func (p *pair) reading(s *side) *prediction.Reading {
	if !s.known && s.Value != nil {
		s.reading = p.reader.Read(p.ctx, s.Value, s.Path)
	}
	s.known = true
	return &s.reading
}

// items are what one side holds to compare: one per row that was read, nil where
// the row holds nothing, and how many rows there are in all.
type items[T any] struct {
	rows  []*T
	total int
}

// rows compares row by row, as far as both sides were read, and gives the mean;
// false if there is nothing to compare or ctx ends. A row that only one side has
// counts 0.
func rows[T any](ctx context.Context, baseline, candidate items[T], agree func(x, y T) (float64, bool)) (float64, bool) {
	if len(baseline.rows) == 0 || len(candidate.rows) == 0 {
		return 0, false
	}
	sum, n := 0.0, 0
	for i := range min(len(baseline.rows), len(candidate.rows)) {
		x, y := baseline.rows[i], candidate.rows[i]
		if x == nil || y == nil {
			continue
		}
		if ctx.Err() != nil {
			return 0, false
		}
		if value, ok := agree(*x, *y); ok {
			sum += value
			n++
		}
	}
	if n == 0 {
		return 0, false
	}
	lone := max(baseline.total, candidate.total) - min(baseline.total, candidate.total)
	return sum / float64(n+lone), true
}

// predicted makes items of what each row of an answer's own reading holds.
func predicted[T any](p *pair, s *side, of func(*prediction.Row) (T, bool)) items[T] {
	reading := p.reading(s)
	out := items[T]{total: reading.Rows, rows: make([]*T, len(reading.All))}
	for i := range reading.All {
		if x, ok := of(&reading.All[i]); ok {
			out.rows[i] = &x
		}
	}
	return out
}

// picked makes items of the values that an expression gave.
func picked[T any](given []any, of func(any) (T, bool)) items[T] {
	out := items[T]{total: len(given), rows: make([]*T, len(given))}
	for i, v := range given {
		if x, ok := of(v); ok {
			out.rows[i] = &x
		}
	}
	return out
}

// gathered makes items of the lists that an expression gave, or a single one of
// what it gave one by one.
func gathered[T any](given []any, of func(any) (T, bool)) items[T] {
	if len(given) == 0 {
		return items[T]{}
	}
	if _, list := given[0].([]any); !list {
		return one(of(given))
	}
	return picked(given, of)
}

// one makes items of a single one.
func one[T any](x T, ok bool) items[T] {
	if !ok {
		return items[T]{}
	}
	return items[T]{rows: []*T{&x}, total: 1}
}

// given are the values that the metric's expression gives of an answer, none if
// it fails.
func (m *metric) given(p *pair, s *side) []any {
	if s.Value == nil {
		return nil
	}
	values, err := m.value.Values(p.ctx, s.Value, prediction.MaxRows)
	if err != nil {
		return nil
	}
	return values
}
