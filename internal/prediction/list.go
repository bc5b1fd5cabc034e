// SPDX-License-Identifier: Apache-2.0

package prediction

import "encoding/json"

// list reads a prediction that is a list.
func (b *rowBuilder) list(list []any, depth int) {
	switch {
	case len(list) == 0:
		b.void = true
		return
	case len(list) == 1 && !isObject(list[0]):
		b.value(list[0], depth-1)
		return
	case !b.take(len(list)):
		return
	}
	switch kindsOf(list) {
	case isNumbers:
		b.vector(list)
	case isTexts:
		b.Ranking = scalars(list)
	case isObjects:
		b.objects(list)
	case isLists:
		b.lists(list)
	case isMixed:
		b.mixed(list)
	}
}

// vector reads scores. One that is null leaves none.
func (b *rowBuilder) vector(list []any) {
	scores := make([]float64, len(list))
	for i, v := range list {
		x, found := numberOf(v)
		if found != aNumber {
			b.null = b.null || found == nullNumber
			return
		}
		scores[i] = x
	}
	b.Scores = scores
}

// objects reads a list of objects: of classes with their scores, or ranked.
func (b *rowBuilder) objects(list []any) {
	scored := make([]namedScore, 0, len(list))
	for _, v := range list {
		m, _ := v.(map[string]any)
		label, named := pick(m, classNames)
		x, found := numberOf(anyOf(m, scoreNames))
		if name, ok := Class(label); named && ok && found == aNumber {
			scored = append(scored, namedScore{name, x})
		}
	}
	if len(scored) == len(list) {
		b.named(scored)
		return
	}
	b.Ranking = ranked(list)
}

// lists reads a list of lists: pairs of a class and its score, or else a
// matrix, whose numbers stand in a row.
func (b *rowBuilder) lists(list []any) {
	scored := make([]namedScore, 0, len(list))
	for _, v := range list {
		pair, _ := v.([]any)
		if len(pair) != 2 {
			break
		}
		name, text := pair[0].(string)
		x, found := numberOf(pair[1])
		if !text || found != aNumber {
			break
		}
		scored = append(scored, namedScore{classOf(name), x})
	}
	if len(scored) == len(list) {
		b.named(scored)
		return
	}
	if b.room += len(list); b.take(leaves(list, maxNesting)) {
		b.plain = true
		b.vector(flat(nil, list, maxNesting))
	}
}

// mixed reads a class and a score that stand side by side.
func (b *rowBuilder) mixed(list []any) {
	for _, v := range list {
		s, text := v.(string)
		switch x, found := numberOf(v); {
		case found == nullNumber:
			b.null = true
		case text && b.Class == "":
			b.text(s)
		case found == aNumber && !b.HasScore:
			b.Score, b.HasScore = x, true
		}
	}
}

// kinds is what the elements of a list are.
type kinds uint8

const (
	isMixed   kinds = iota
	isNumbers       // Or null.
	isTexts
	isObjects
	isLists
)

func kindOf(v any) kinds {
	switch v := v.(type) {
	case json.Number, nil, float64:
		return isNumbers
	case string:
		if notANumber(v) {
			return isNumbers
		}
		return isTexts
	case map[string]any:
		return isObjects
	case []any:
		return isLists
	default:
		return isMixed
	}
}

func kindsOf(list []any) kinds {
	kind := kindOf(list[0])
	for _, v := range list[1:] {
		if kindOf(v) != kind {
			return isMixed
		}
	}
	return kind
}

func isObject(v any) bool {
	_, ok := v.(map[string]any)
	return ok
}

// leaves is how many values a nested list holds.
func leaves(v any, depth int) int {
	list, ok := v.([]any)
	if !ok || depth == 0 {
		return 1
	}
	n := 0
	for _, e := range list {
		n += leaves(e, depth-1)
	}
	return n
}

// flat appends the values of a nested list in their order.
func flat(to []any, v any, depth int) []any {
	list, ok := v.([]any)
	if !ok || depth == 0 {
		return append(to, v)
	}
	for _, e := range list {
		to = flat(to, e, depth-1)
	}
	return to
}

// scalars are the canonical texts of a list's texts, numbers and booleans.
func scalars(list []any) []string {
	out := make([]string, 0, len(list))
	for _, v := range list {
		if s, ok := Scalar(v); ok {
			out = append(out, s)
		}
	}
	return out
}
