// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"cmp"
	"slices"
	"strconv"
)

// rowBuilder builds one row.
type rowBuilder struct {
	Row
	soft    float64 // What is the score if nothing else is: a class that is a number.
	hasSoft bool
	plain   bool // Scores are no scores of classes: an embedding, a matrix.
	null    bool
	void    bool // There is nothing in the prediction: "", [] or {}.
	room    int  // Below 0 when the row is too large.
}

// take takes places for n components and reports whether there are so many.
func (b *rowBuilder) take(n int) bool {
	b.room -= n
	return b.room >= 0
}

// value reads a prediction as it stands in KServe's predictions and Seldon's
// rows. What it cannot tell leaves the row as it is.
func (b *rowBuilder) value(v any, depth int) {
	if depth == 0 {
		return
	}
	switch v := v.(type) {
	case string:
		b.text(v)
	case bool:
		b.Class = strconv.FormatBool(v)
	case []any:
		b.list(v, depth)
	case map[string]any:
		b.object(v, depth)
	default:
		b.number(v)
	}
}

// maxNesting is how deep value looks into lists of one and objects of one.
const maxNesting = 8

// text reads a text as a class, and as a text for the case that it is more.
func (b *rowBuilder) text(s string) {
	if notANumber(s) {
		b.null = true
		return
	}
	b.Class, b.Text, b.void = classOf(s), s, s == ""
}

// number reads a number: as a class too if it is written as a whole one.
func (b *rowBuilder) number(v any) {
	x, found := numberOf(v)
	if found != aNumber {
		b.null = b.null || found == nullNumber
		return
	}
	if s, _ := numberText(v); wholeNumber(s) {
		b.Class, b.soft, b.hasSoft = classOf(plainNumber(s)), x, true
		return
	}
	b.Score, b.HasScore = x, true
}

type namedScore struct {
	name  string
	score float64
}

// named takes scores in the order of their names: what the answer orders by
// size could not be compared with another.
func (b *rowBuilder) named(scored []namedScore) {
	slices.SortStableFunc(scored, func(x, y namedScore) int { return cmp.Compare(x.name, y.name) })
	b.Names, b.Scores = make([]string, len(scored)), make([]float64, len(scored))
	for i, s := range scored {
		b.Names[i], b.Scores[i] = s.name, s.score
	}
}

// finish says what a vector of scores says of class and score.
func (b *rowBuilder) finish() {
	n := len(b.Scores)
	if n > 0 && !b.plain {
		if b.Class == "" && (n > 1 || len(b.Names) > 0) {
			b.Class = b.name(b.best())
		}
		if !b.HasScore {
			b.Score, b.HasScore = b.Scores[b.scored()], true
		}
	}
	if !b.HasScore && b.hasSoft {
		b.Score, b.HasScore = b.soft, true
	}
}

// best is the place of the greatest score, of equal ones the first.
func (b *rowBuilder) best() int {
	best := 0
	for i, x := range b.Scores {
		if x > b.Scores[best] {
			best = i
		}
	}
	return best
}

// scored is the place of the component that is the score.
func (b *rowBuilder) scored() int {
	switch len(b.Scores) {
	case 1:
		return 0
	case 2:
		return 1
	}
	for i := range b.Scores {
		if b.name(i) == b.Class {
			return i
		}
	}
	return b.best()
}

func (b *rowBuilder) name(i int) string {
	if i < len(b.Names) {
		return b.Names[i]
	}
	return strconv.Itoa(i)
}
