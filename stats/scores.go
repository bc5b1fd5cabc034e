// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"cmp"
	"math"
	"slices"
)

// ScoreCount is how often a score was seen with a negative and with a positive
// label.
type ScoreCount struct {
	Score    float64 `json:"s"`
	Negative int64   `json:"n,omitempty"`
	Positive int64   `json:"p,omitempty"`
}

// Scores count numbers by label on a fixed grid (ScoreGrid), in rising order, so
// that merging loses nothing and its order does not matter. Where there are no
// labels, all are negative. Nil is nothing.
type Scores []ScoreCount

// MaxScore is the greatest size of a score on the grid.
const MaxScore = 1e6

// ScoreGrid is the point of the grid that stands for a number: the nearest
// multiple of 0.001 from -1 to 1, beyond that the nearest number of two
// significant digits, up to MaxScore. The grid has about 3,000 points. A NaN
// stays one.
func ScoreGrid(v float64) float64 {
	size := math.Abs(v)
	switch {
	case size <= 1:
		return math.Round(v*1000) / 1000
	case size >= MaxScore:
		return math.Copysign(MaxScore, v)
	}
	// Powers of ten up to a million are exact.
	unit := math.Pow(10, math.Floor(math.Log10(size))-1)
	if unit < 1 {
		return math.Round(v/unit) / math.Round(1/unit)
	}
	return math.Round(v/unit) * unit
}

// Total is how many of each label were counted.
func (s Scores) Total() (negative, positive int64) {
	for i := range s {
		negative += s[i].Negative
		positive += s[i].Positive
	}
	return negative, positive
}

// Merge adds two counts; neither is changed.
func (s Scores) Merge(o Scores) Scores {
	if len(o) == 0 {
		return s
	}
	out := make(Scores, 0, len(s)+len(o))
	for len(s) > 0 && len(o) > 0 {
		switch c := cmp.Compare(s[0].Score, o[0].Score); {
		case c < 0:
			out, s = append(out, s[0]), s[1:]
		case c > 0:
			out, o = append(out, o[0]), o[1:]
		default:
			out = append(out, ScoreCount{s[0].Score, s[0].Negative + o[0].Negative, s[0].Positive + o[0].Positive})
			s, o = s[1:], o[1:]
		}
	}
	return slices.Concat(out, s, o)
}

// Add counts one number, put on the grid, in place; a NaN is not counted.
func (s *Scores) Add(v float64, positive bool) {
	v = ScoreGrid(v)
	if math.IsNaN(v) {
		return
	}
	i, known := slices.BinarySearchFunc(*s, v, func(c ScoreCount, v float64) int { return cmp.Compare(c.Score, v) })
	if !known {
		*s = slices.Insert(*s, i, ScoreCount{Score: v})
	}
	if positive {
		(*s)[i].Positive++
	} else {
		(*s)[i].Negative++
	}
}
