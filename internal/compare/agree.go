// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"bytes"
	"math"
	"strings"
	"unicode"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
)

// classes compares classes, and names those of the first row that has one on
// both sides.
func (m *metric) classes(p *pair) experiment.Compared {
	of := func(s *side) items[string] {
		if m.value != nil {
			return picked(m.given(p, s), prediction.Class)
		}
		return predicted(p, s, classOf)
	}
	var first []string
	value, ok := rows(p.ctx, of(&p.baseline), of(&p.candidate), func(x, y string) (float64, bool) {
		if x == "" || y == "" {
			return 0, false
		}
		if first == nil {
			first = []string{x, y}
		}
		return share(x == y), true
	})
	out := said(value, ok)
	if ok {
		out.Baseline, out.Candidate = first[0], first[1]
	}
	return out
}

// classOf is a row's class, or its score where that is a whole number: 1.0 and 1
// are the same class, whoever writes them.
func classOf(r *prediction.Row) (string, bool) {
	if r.Class != "" {
		return r.Class, true
	}
	if r.HasScore && r.Score == math.Trunc(r.Score) {
		return prediction.Class(r.Score)
	}
	return "", false
}

func (m *metric) numbers(p *pair, s *side) items[float64] {
	if m.value != nil {
		return picked(m.given(p, s), prediction.Number)
	}
	return predicted(p, s, func(r *prediction.Row) (float64, bool) { return r.Score, r.HasScore })
}

// numbersAgree says whether two numbers differ by no more than the tolerance of
// the larger one.
func (m *metric) numbersAgree(x, y float64) (float64, bool) {
	return share(near(x, y, m.Tolerance*max(math.Abs(x), math.Abs(y)))), true
}

// near reports whether two numbers differ by at most a tolerance. Where there is
// one, what the rounding of the numbers themselves adds is let pass: 0.4 and 0.3
// are 0.1 apart.
func near(x, y, tolerance float64) bool {
	if tolerance > 0 {
		tolerance += 0x1p-50 * max(math.Abs(x), math.Abs(y))
	}
	return math.Abs(x-y) <= tolerance
}

func (m *metric) vectors(p *pair, s *side) items[[]float64] {
	if m.value == nil {
		return predicted(p, s, func(r *prediction.Row) ([]float64, bool) {
			if r.Scores == nil && r.HasScore {
				return []float64{r.Score}, true
			}
			return r.Scores, len(r.Scores) > 0
		})
	}
	return gathered(m.given(p, s), vectorOf)
}

// vectorOf reads a list of numbers, all or nothing.
func vectorOf(v any) ([]float64, bool) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 || len(list) > prediction.MaxComponents {
		return nil, false
	}
	out := make([]float64, len(list))
	for i, e := range list {
		if out[i], ok = prediction.Number(e); !ok {
			return nil, false
		}
	}
	return out, true
}

// vectorsAgree is the share of components that differ by no more than the
// tolerance; none where there are not as many.
func (m *metric) vectorsAgree(x, y []float64) (float64, bool) {
	if len(x) != len(y) {
		return 0, true
	}
	n := 0
	for i := range x {
		if near(x[i], y[i], m.Tolerance) {
			n++
		}
	}
	return float64(n) / float64(len(x)), true
}

// texts compares texts but for their white space.
func (m *metric) texts(p *pair) (float64, bool) {
	agree := func(x, y string) (float64, bool) { return share(sameWords(x, y)), true }
	base, candidate := &p.baseline, &p.candidate
	if m.value != nil {
		return rows(p.ctx, picked(m.given(p, base), prediction.Scalar), picked(m.given(p, candidate), prediction.Scalar), agree)
	}
	of := func(r *prediction.Row) (string, bool) { return r.Text, r.Text != "" }
	x, y := predicted(p, base, of), predicted(p, candidate, of)
	if hasAny(x) || hasAny(y) {
		return rows(p.ctx, x, y, agree)
	}
	if base.Text == nil || candidate.Text == nil {
		return 0, false
	}
	return share(bytes.Equal(base.Text, candidate.Text) || sameWords(string(base.Text), string(candidate.Text))), true
}

func hasAny[T any](i items[T]) bool {
	for _, x := range i.rows {
		if x != nil {
			return true
		}
	}
	return false
}

// sameWords reports whether two texts are equal when every run of white space is
// one blank and there is none at either end.
func sameWords(x, y string) bool {
	for {
		x, y = strings.TrimSpace(x), strings.TrimSpace(y)
		if x == "" || y == "" {
			return x == y
		}
		i, j := strings.IndexFunc(x, unicode.IsSpace), strings.IndexFunc(y, unicode.IsSpace)
		if i != j || i < 0 {
			return i == j && x == y
		}
		if x[:i] != y[:i] {
			return false
		}
		x, y = x[i:], y[i:]
	}
}
