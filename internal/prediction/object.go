// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"maps"
	"slices"
)

// The names under which servers put what they predict, in order of preference.
var (
	classNames   = []string{"label", "class", "predicted_class", "predicted_label", "class_name", "category", "prediction", "predictions", "classes", "labels"}
	scoreNames   = []string{"score", "probability", "confidence", "prob", "value", "prediction", "predictions"}
	vectorNames  = []string{"probabilities", "scores", "probs", "predict_proba", "logits", "softmax", "score", "probability", "prediction", "predictions"}
	textNames    = []string{"generated_text", "text_output", "output_text", "text"}
	rankingNames = []string{"ranking", "ranked", "items", "ids", "recommendations", "results"}
	idNames      = []string{"id", "item_id", "item", "name", "index"}
	wordNames    = []string{"labels", "classes", "class_names", "names"}
	plainNames   = []string{"embedding", "embeddings"}
)

// pick is the value of the first of the names that an object has.
func pick(m map[string]any, names []string) (any, bool) {
	for _, name := range names {
		if v, ok := m[name]; ok {
			return v, true
		}
	}
	return nil, false
}

// object reads a prediction that is an object, by the names in it. Of an object
// of one, whatever its name, the value is the prediction.
func (b *rowBuilder) object(m map[string]any, depth int) {
	if len(m) == 0 {
		b.void = true
		return
	}
	told := b.objectVector(m)
	told = b.objectClass(m) || told
	told = b.objectScore(m) || told
	told = b.objectText(m) || told
	told = b.objectRanking(m) || told
	if !told && len(m) == 1 {
		for _, v := range m {
			b.value(v, depth-1)
		}
	}
}

// objectVector reads a vector and the names of its components. Like the other
// parts it reports whether there is one.
func (b *rowBuilder) objectVector(m map[string]any) bool {
	for _, name := range vectorNames {
		switch v := m[name].(type) {
		case []any:
			if len(v) < 2 || kindsOf(v) != isNumbers || !b.take(len(v)) {
				continue
			}
			b.vector(v)
			b.words(m)
			return true
		case map[string]any:
			if b.byName(v) {
				return true
			}
		}
	}
	for _, name := range plainNames {
		if v, _ := m[name].([]any); len(v) > 0 && b.take(leaves(v, maxNesting)) {
			b.plain = true
			b.vector(flat(nil, v, maxNesting))
			return true
		}
	}
	return false
}

// byName reads scores that stand under the names of their classes.
func (b *rowBuilder) byName(m map[string]any) bool {
	if len(m) == 0 || !b.take(len(m)) {
		return false
	}
	scored := make([]namedScore, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		x, found := numberOf(m[name])
		if found == nullNumber {
			b.null = true
			return true
		}
		if found != aNumber {
			return false
		}
		scored = append(scored, namedScore{classOf(name), x})
	}
	b.named(scored)
	return true
}

// words finds the names of the components of the vector that was just read.
func (b *rowBuilder) words(m map[string]any) {
	list, _ := anyOf(m, wordNames).([]any)
	if len(list) != len(b.Scores) || len(list) == 0 {
		return
	}
	scored := make([]namedScore, len(list))
	for i, v := range list {
		name, ok := Class(v)
		if !ok {
			return
		}
		scored[i] = namedScore{name, b.Scores[i]}
	}
	b.named(scored)
}

func (b *rowBuilder) objectClass(m map[string]any) bool {
	for _, name := range classNames {
		v, ok := m[name]
		if !ok {
			continue
		}
		if v == nil {
			b.null = true
			return true
		}
		if s, isNumber := numberText(v); isNumber && !wholeNumber(s) && name != "label" && name != "class" {
			continue // A number under such a name is a score.
		}
		if class, ok := Class(v); ok {
			b.Class = class
			return true
		}
	}
	return false
}

func (b *rowBuilder) objectScore(m map[string]any) bool {
	for _, name := range scoreNames {
		v, ok := m[name]
		if !ok {
			continue
		}
		switch x, found := numberOf(v); found {
		case aNumber:
			b.Score, b.HasScore = x, true
			return true
		case nullNumber:
			b.null = true
			return true
		}
	}
	return false
}

func (b *rowBuilder) objectText(m map[string]any) bool {
	for _, name := range textNames {
		if s, ok := m[name].(string); ok {
			b.Text, b.void = s, s == "" && b.Class == "" && !b.HasScore && b.Scores == nil
			return true
		}
	}
	return false
}

func (b *rowBuilder) objectRanking(m map[string]any) bool {
	for _, name := range rankingNames {
		list, _ := m[name].([]any)
		if len(list) == 0 {
			continue
		}
		items := ranked(list)
		if items == nil || !b.take(len(items)) {
			continue
		}
		b.Ranking = items
		return true
	}
	return false
}

// ranked are the items of a ranking: texts, numbers or the ids of objects; nil
// if one of them is something else.
func ranked(list []any) []string {
	out := make([]string, 0, len(list))
	for _, v := range list {
		if m, ok := v.(map[string]any); ok {
			v = anyOf(m, idNames)
		}
		s, ok := Scalar(v)
		if !ok {
			return nil
		}
		out = append(out, s)
	}
	return out
}

// anyOf is the value of the first of the names that an object has, or nil.
func anyOf(m map[string]any, names []string) any {
	v, _ := pick(m, names)
	return v
}
