// SPDX-License-Identifier: Apache-2.0

package compare

import "github.com/headgate-dev/headgate/internal/prediction"

// values are what is compared as JSON: what the expression gives, or the whole
// answer.
func (m *metric) values(p *pair, s *side) items[any] {
	if m.value != nil {
		return picked(m.given(p, s), func(v any) (any, bool) { return v, true })
	}
	return one(s.Value, s.Value != nil)
}

// valuesAgree says whether two values are equal as JSON. What is null on both
// sides is missing: a path that meets nothing must not look like agreement.
func valuesAgree(x, y any) (float64, bool) {
	if x == nil && y == nil {
		return 0, false
	}
	return share(equal(x, y)), true
}

// equal compares decoded JSON, numbers by what they are and not how they are
// written.
func equal(x, y any) bool {
	switch x := x.(type) {
	case nil:
		return y == nil
	case []any:
		other, ok := y.([]any)
		if !ok || len(x) != len(other) {
			return false
		}
		for i := range x {
			if !equal(x[i], other[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		other, ok := y.(map[string]any)
		if !ok || len(x) != len(other) {
			return false
		}
		for name, v := range x {
			w, ok := other[name]
			if !ok || !equal(v, w) {
				return false
			}
		}
		return true
	case string:
		return x == y
	case bool:
		return x == y
	default:
		return prediction.SameNumber(x, y)
	}
}
